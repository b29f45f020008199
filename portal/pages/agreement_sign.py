"""Signing: what there is to accept, what is still missing and who clears it, and the signature of whoever is next."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from agreements.actors import LAB, Actor, PartyKind
from agreements.agreement import Agreement, Change, Version, VersionStatus
from agreements.canonical import parse_json
from agreements.errors import Fixer, Invalid
from portal.documents import MAX_DOCUMENT_BYTES
from portal.pages import links
from portal.pages.agreement_changes import grants_under_change, whats_new
from portal.pages.agreement_next import next_steps, side_name, waits_for
from portal.pages.agreement_terms import signatures
from portal.pages.clause_view import DATA_BINDS, clause_card
from portal.pages.context import portal
from portal.pages.file_digest import uploaded
from portal.pages.parts import copyable, go, row, submit
from portal.pages.words import literal, sentence, when
from portal.pages.writing import field
from portal.services.prerequisites import Requirement

_SIGNATURE: Final = "signature"
"""The code of the lines of a checklist that are signatures, not conditions of them."""


def sign_part(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """The text that awaits signatures, with everything its signatories need; else the signatures there are."""
    version = agreement.proposal
    if version is None or version.status not in (VersionStatus.OFFERED, VersionStatus.SIGNED):
        if version is not None:
            st.info("A text can be signed once the lab stands behind it word for word.", icon=":material/info:")
        signatures(agreement, agreement.shown, now)
        return
    st.header(f"Version {version.number}: {literal(version.title)}", anchor=False)
    if version.change is Change.FIRST:
        st.caption(DATA_BINDS)
        for number, clause in enumerate(version.clauses, start=1):
            clause_card(number, clause)
    else:
        whats_new(actor, agreement)
        grants_under_change(actor, agreement)
    requirements = portal().agreement_facts.checklist(actor, agreement.id)
    checklist(actor, agreement, requirements)
    order(agreement, version, now)
    if any(step.part == "sign" and waits_for(step, agreement, actor) for step in next_steps(agreement, now)):
        _signing(actor, agreement, version, [one for one in requirements if one.code != _SIGNATURE and not one.met])


def checklist(actor: Actor, agreement: Agreement, requirements: Sequence[Requirement]) -> None:
    """What the text needs to come into force; each line says whether it is met, who clears it, and where."""
    conditions = [one for one in requirements if one.code != _SIGNATURE]
    if not conditions:
        return
    st.header("What it needs to come into force", anchor=False)
    for one in conditions:
        with row():
            if one.met:
                st.badge("met", icon=":material/check_circle:", color="green")
            else:
                st.badge("missing", icon=":material/radio_button_unchecked:", color="orange")
            st.markdown(_said(one))
            if not one.met and one.fixer is not Fixer.NOBODY:
                st.caption(f"{sentence(cleared_by(actor, agreement, one.fixer))} can clear this.")
    with row():
        for screen in dict.fromkeys(one.screen for one in conditions if not one.met):
            go(sentence(screen), screen)


def cleared_by(actor: Actor, agreement: Agreement, fixer: Fixer) -> str:
    """Who clears a condition, as Markdown, in words that are right for either side."""
    if fixer is Fixer.LEAD and not actor.belongs_to(agreement.institution_id):
        return f"a partner lead of {literal(agreement.institution_name)}"
    return literal(str(fixer))


def _said(one: Requirement) -> str:
    label, message = literal(one.label), literal(one.message)
    return f"**{label}**{message.removeprefix(label)}" if message.startswith(label) else f"**{label}**: {message}"


def order(agreement: Agreement, version: Version, now: datetime) -> None:
    """Who signs, in which role and in which order."""
    st.header("Who signs, in this order", anchor=False)
    for place, signatory in enumerate(version.order):
        signed = version.signatures[place] if place < len(version.signatures) else None
        party = agreement.lab_name if signatory.party is PartyKind.LAB else agreement.institution_name
        with row():
            if signed is not None:
                st.badge("signed", icon=":material/check:", color="green")
            elif place == len(version.signatures):
                st.badge("next", icon=":material/arrow_forward:", color="violet")
            else:
                st.badge("later", icon=":material/radio_button_unchecked:", color="gray")
            who = f"{place + 1}. **{literal(party)}**, {literal(signatory.role)}"
            st.markdown(who + (f" ({literal(signatory.email)})" if signatory.email else ""))
            if signed is not None:
                st.caption(f"{literal(signed.signer_name)}, {when(signed.signed_at, now)}")


def _signing(actor: Actor, agreement: Agreement, version: Version, missing: Sequence[Requirement]) -> None:
    place = version.next_signatory
    if place is None:
        return
    as_lab = place.party is PartyKind.LAB
    party = agreement.lab_name if as_lab else agreement.institution_name
    last = len(version.signatures) + 1 == len(version.order)
    verb = "Countersign" if as_lab and version.signatures else "Sign"
    st.header(f"{verb} for {literal(party)}", anchor=False)
    copyable("Digest of the document you sign", version.digest or "")
    if missing and last:
        _explained(actor, agreement, verb, missing)
        return
    if missing:
        st.warning(
            "You can sign now. It does not come into force before what is missing above is there.",
            icon=":material/pending:",
        )
    if portal().institutions.kept_key(LAB if as_lab else agreement.institution_id) is None:
        _away(agreement, version)
    else:
        _here(actor, agreement, version, verb, party, last=last)


def _explained(actor: Actor, agreement: Agreement, verb: str, missing: Sequence[Requirement]) -> None:
    """The button that cannot be pressed yet, and why."""
    st.warning(
        "With this signature it would come into force, and it cannot yet:\n"
        + "\n".join(
            f"- {literal(one.message)}: **{cleared_by(actor, agreement, one.fixer)}** can clear this" for one in missing
        ),
        icon=":material/pending:",
    )
    st.button(verb, icon=":material/signature:", disabled=True, key="sign_blocked")


def _done(agreement: Agreement, version: Version, *, last: bool) -> str:
    if last:
        return (
            "Countersigned: the agreement is in force."
            if version.change is Change.FIRST
            else f"Signed by all: the {version.change.value} is in force."
        )
    after = version.order[len(version.signatures) + 1]
    if after.party is PartyKind.LAB:
        return "Signed. The lab countersigns next."
    return f"Signed. Next signs {side_name(agreement, after.party)}."


def _here(actor: Actor, agreement: Agreement, version: Version, verb: str, party: str, *, last: bool) -> None:
    """Sign with the key that the portal keeps."""
    form = f"agreement.sign:{agreement.id}"
    changes = version.change is not Change.FIRST
    read = "I have read every change." if changes else "I have read every clause."
    with st.form(form):
        st.markdown(
            "Your signature is made with the key that the portal holds for "
            f"**{literal(party)}**, over the document with the digest above, and is entered in the log."
        )
        st.checkbox(read, key=field(form, "read"))
        st.text_input(f"Type your name to sign: {actor.name}", key=field(form, "name"), autocomplete="off")

        def sign(who: Actor, key: str) -> Agreement:
            if not st.session_state[field(form, "read")]:
                raise Invalid("not_read", f"Confirm it first: {read}", hint="Tick the box above your name.")
            return portal().agreements.sign(
                who,
                agreement.id,
                typed_name=st.session_state[field(form, "name")],
                document_digest=version.digest or "",
                idempotency_key=key,
            )

        submit(verb, form, sign, done=_done(agreement, version, last=last), icon="signature")


def _away(agreement: Agreement, version: Version) -> None:
    """Sign elsewhere with the institution's own key, and hand the result in."""
    form = f"agreement.submit:{agreement.id}"
    name = f"{agreement.id}-v{version.number}.json"
    st.markdown(
        "Your institution keeps its own signing key, so the signature is made outside the portal, in three steps."
    )
    st.markdown(f"**1.** Download the document and keep it as `{name}`.")
    st.link_button(
        "Download the document", links.agreement_version(agreement.id, version.number), icon=":material/download:"
    )
    copyable(
        "2. Sign it where your key is; the command stops if the document is not the one you read",
        f"concordat agreement sign {name} --key KEY.pem --digest {version.digest}",
    )
    st.markdown("**3.** Hand in the file that the command wrote.")
    with st.form(form):
        st.file_uploader("The signature", type="json", key=field(form, "file"), max_upload_size=4)

        def hand_in(who: Actor, key: str) -> Agreement:
            files = uploaded(field(form, "file"))
            if not files:
                raise Invalid("no_file", "No file was chosen.", hint="Choose the file that the command wrote.")
            envelope = parse_json(files[0][1], MAX_DOCUMENT_BYTES)
            return portal().agreements.submit_signature(who, agreement.id, envelope, idempotency_key=key)

        last = len(version.signatures) + 1 == len(version.order)
        submit("Hand it in", form, hand_in, done=_done(agreement, version, last=last), icon="upload_file")
