"""Institutions: who takes part, and the keys they sign with."""

from typing import Any

import streamlit as st

from agreements.actors import LAB, Role
from agreements.canonical import parse_json
from agreements.dsse import Envelope
from agreements.institutions import Constituency, Custody, Institution, InstitutionKey, KeyRequest
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import Consequence, confirmed, copyable, empty, heading, row, submit
from portal.pages.words import literal, sentence, when
from portal.pages.writing import field

_FORM = "institution.register"
MAX_STATEMENT_BYTES = 8000

actor, here, at = current_actor(), portal(), now()


def registering() -> None:
    """The form that enters a new institution."""
    with st.expander("Register an institution", icon=":material/add:"), st.form(_FORM):
        st.text_input("Name", key=field(_FORM, "name"), max_chars=160)
        st.text_input(
            "Short id",
            key=field(_FORM, "id"),
            max_chars=40,
            help="Lower-case letters, digits and hyphens. It appears in tokens and in the log and never changes.",
        )
        st.selectbox(
            "Constituency",
            [kind for kind in Constituency if kind is not Constituency.LAB],
            format_func=lambda kind: sentence(kind.label),
            key=field(_FORM, "kind"),
        )
        st.text_input("Country", key=field(_FORM, "country"), max_chars=60)
        st.text_input("Contact e-mail", key=field(_FORM, "email"), max_chars=200)
        submit(
            "Register",
            _FORM,
            lambda who, key: here.institutions.register(
                who,
                institution_id=st.session_state[field(_FORM, "id")].strip(),
                name=st.session_state[field(_FORM, "name")].strip(),
                constituency=st.session_state[field(_FORM, "kind")],
                country=st.session_state[field(_FORM, "country")].strip(),
                contact_email=st.session_state[field(_FORM, "email")].strip(),
                idempotency_key=key,
            ),
            done=lambda made: (
                f"{literal(made.name)} is registered. Add its partner lead next, who gives it a signing key."
            ),
            icon="domain_add",
        )


def keys(institution: Institution) -> None:
    """The keys of one institution, and how it gets another."""
    for key in institution.keys:
        with row():
            kept = key.custody is Custody.PORTAL
            st.badge(
                "held by the portal" if kept else "kept by the institution",
                icon=":material/account_balance:" if kept else ":material/key:",
                color="blue" if kept else "green",
            )
            if key.revoked_at:
                st.badge("revoked", icon=":material/block:", color="red")
            if key.allowed_by:
                st.badge("after a lost key", icon=":material/key_off:", color="orange")
            told = (f"`{key.public_key[:16]}…` since {when(key.registered_at, at)}", literal(key.origin))
            st.caption(" · ".join(part for part in told if part))
            if key.revoked_at is None and institution.id != LAB:
                revoking(institution, key)
    if not institution.active_keys:
        st.caption("No active key: this institution cannot sign an agreement or take a position.")
    if actor.is_coordinator and institution.key_request is not None:
        allowing(institution, institution.key_request)
    if actor.has(Role.PARTNER_LEAD, institution.id):
        with st.expander("Add a key", icon=":material/add:"):
            adding(institution)
    elif institution.id != LAB:
        st.caption("Only its partner lead adds a key.")


def adding(institution: Institution) -> None:
    """How a partner lead gives the institution a key."""
    kept = f"institution.key:{institution.id}"
    with st.form(kept):
        st.markdown("**Let the portal hold one.** It signs only when the partner lead signs on screen.")
        succession(institution, kept, "")
        submit(
            "Make a key",
            kept,
            lambda who, _key: here.institutions.create_key(who, institution.id, succession=statement(kept)),
            done=f"The portal now holds a signing key for {literal(institution.name)}.",
            icon="key",
        )
    own = f"institution.own_key:{institution.id}"
    with st.form(own):
        st.markdown(
            "**Or register your own.** `concordat institution key proof` prints both values; the private half never "
            "leaves the institution."
        )
        new_key(own)
        succession(institution, own, " --new PUBLIC_KEY")
        submit(
            "Register the key",
            own,
            lambda who, _key: here.institutions.register_key(
                who, institution.id, **proved(own), succession=statement(own)
            ),
            done="The key is registered.",
        )
    if institution.keeps_its_own:
        lost = f"institution.lost_key:{institution.id}"
        with st.form(lost):
            st.markdown(
                "**Is the key you kept lost?** Ask for a new one. A coordinator has to allow it, and every signature "
                "by it will say so."
            )
            new_key(lost)
            st.text_input("What happened", key=f"{lost}.reason", max_chars=500)
            submit(
                "Ask for it",
                lost,
                lambda who, _key: here.institutions.ask_for_key(
                    who, institution.id, **proved(lost), reason=st.session_state[f"{lost}.reason"]
                ),
                done="A coordinator can allow it now.",
            )


def new_key(form: str) -> None:
    """The fields of a key and its proof."""
    st.text_input("Public key (hex)", key=f"{form}.public", max_chars=64)
    st.text_input("Proof of possession (hex)", key=f"{form}.proof", max_chars=128)


def proved(form: str) -> dict[str, str]:
    """What those fields hold."""
    return {
        "public_key": st.session_state[f"{form}.public"].strip(),
        "proof": st.session_state[f"{form}.proof"].strip(),
    }


def succession(institution: Institution, form: str, option: str) -> None:
    """Where the own key's statement goes, once there is such a key."""
    if institution.keeps_its_own:
        st.text_area(
            "Statement of the key you keep",
            key=f"{form}.succession",
            max_chars=4000,
            help=f"From: `concordat institution key hand-over {institution.id} --key KEY "
            f"--number {len(institution.keys) + 1}{option} -o FILE`",
        )


def statement(form: str) -> dict[str, Any] | None:
    """The statement that was put in, if any. Raises Invalid where it cannot be read."""
    text = str(st.session_state.get(f"{form}.succession") or "").strip()
    return Envelope.from_json(parse_json(text.encode(), MAX_STATEMENT_BYTES)).to_json() if text else None


def allowing(institution: Institution, asked: KeyRequest) -> None:
    """A key in place of one that was lost, for a coordinator to allow."""
    form = f"institution.allow:{institution.id}"
    with st.form(form):
        st.markdown(
            f"**{literal(asked.asked_by)}** asks for the key `{asked.public_key}` in place of one that was lost "
            f"({when(asked.asked_at, at)}): {literal(asked.reason)}"
        )
        st.text_input(
            "How you made sure that the institution asks",
            key=f"{form}.note",
            max_chars=500,
            help="Ask somebody there whom you know, by a way that does not go through this portal.",
        )
        submit(
            "Allow the key",
            form,
            lambda who, _key: here.institutions.allow_key(
                who, institution.id, public_key=asked.public_key, note=st.session_state[f"{form}.note"]
            ),
            done="The key is registered; every signature by it says how it came.",
        )


def revoking(institution: Institution, key: InstitutionKey) -> None:
    """The way to stop a key from signing."""
    confirmed(
        "Revoke",
        f"institution.revoke:{key.public_key}",
        Consequence(
            "Revoke this key?",
            f"The key `{key.public_key[:16]}…` of **{literal(institution.name)}** signs nothing any more. "
            "What it signed stays valid. It cannot be registered again.",
            "Revoke the key",
        ),
        lambda reason: (
            lambda who, _key: here.institutions.revoke_key(
                who, institution.id, public_key=key.public_key, reason=reason
            )
        ),
        done="The key is revoked.",
        icon="block",
    )


def card(institution: Institution) -> None:
    """One institution."""
    with st.container(border=True, key=f"institution_{institution.id}"):
        with row():
            st.markdown(f"**{literal(institution.name)}**")
            st.badge(institution.constituency.label, icon=":material/domain:", color="gray")
        details = [f"`{institution.id}`", literal(institution.country), literal(institution.contact_email)]
        st.caption(" · ".join(part for part in details if part))
        if actor.is_coordinator or actor.has(Role.PARTNER_LEAD, institution.id):
            keys(institution)
        elif institution.active_keys:
            copyable("Public key (Ed25519, raw, hex)", institution.active_keys[-1].public_key)


heading("Institutions", "Who takes part. An institution signs with an Ed25519 key; every signature names that key.")
if actor.is_coordinator:
    registering()
institutions = here.institutions.list(actor)
if len(institutions) <= 1 and actor.is_coordinator:
    empty("Only the lab is registered. Register the first partner above.", icon="domain_add")
for entry in institutions:
    card(entry)
