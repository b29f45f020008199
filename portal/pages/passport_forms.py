"""What people do about vetting: hand in, review, revoke, and take over from another portal."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlsplit

import streamlit as st

from agreements.actors import Actor
from agreements.canonical import sha256_hex
from agreements.errors import Invalid
from agreements.keys import PublicKey
from agreements.vetting import Evidence, ItemStanding, Submission, VettingItem
from portal.inputs import parse
from portal.pages.context import portal
from portal.pages.file_digest import file_field, files_field, uploaded
from portal.pages.parts import Consequence, confirmed, submit
from portal.pages.words import literal
from portal.pages.writing import field
from portal.services.passports import PassportView

_LABEL = 160
_A_YEAR = timedelta(days=365)


def handing_in(actor: Actor, view: PassportView, line: ItemStanding) -> None:
    """The form by which one item is handed in."""
    form = f"passport.submit:{view.institution_id}:{line.item.value}"
    on_behalf = "" if actor.belongs_to(view.institution_id) else f" for {literal(view.institution_name)}"
    with st.expander(f"Hand it in{on_behalf}", icon=":material/upload_file:"), st.form(form):
        if line.valid:
            st.caption("What counts now goes on counting until it lapses, or until the new one is accepted.")
        if on_behalf:
            st.caption("Whoever hands it in cannot review it: another coordinator has to.")
        st.text_area("Statement", key=field(form, "statement"), max_chars=4000, height=120)
        if line.item is VettingItem.TRAINING:
            st.text_area("Who was trained, one name a line", key=field(form, "people"), height=90)
        files_field("Documents", field(form, "files"))
        st.text_area(
            "Addresses, one a line, with a name before each if you like",
            key=field(form, "links"),
            height=70,
            placeholder="Entry in the register https://register.example/4711",
        )
        submit(
            "Hand it in",
            form,
            lambda who, key: portal().passports.submit(
                who,
                view.institution_id,
                item=line.item,
                statement=st.session_state[field(form, "statement")],
                evidence=(*_files(field(form, "files")), *typed_links(st.session_state[field(form, "links")])),
                people=_lines(st.session_state.get(field(form, "people"), "")),
                idempotency_key=key,
            ),
            done="It is handed in. A coordinator reviews it next.",
            icon="upload_file",
        )


def reviewing(actor: Actor, view: PassportView, item: VettingItem, pending: Submission, now: datetime) -> None:
    """The two answers to what waits for review."""
    if pending.submitted_by == actor.person_id:
        st.info("You handed it in yourself, so another coordinator reviews it.", icon=":material/group:")
        return
    accept = f"passport.accept:{view.institution_id}:{item.value}:{pending.number}"
    giving_back = f"passport.return:{view.institution_id}:{item.value}:{pending.number}"
    left, right = st.columns(2)
    with left, st.form(accept):
        st.date_input(
            "Accept until; then it is looked at again",
            value=now.date() + _A_YEAR,
            min_value=now.date() + timedelta(days=1),
            key=field(accept, "until"),
        )
        st.text_input("Remark, if any", key=field(accept, "reason"), max_chars=1000)
        submit(
            "Accept",
            accept,
            lambda who, key: portal().passports.review(
                who,
                view.institution_id,
                item=item,
                accepted=True,
                valid_until=end_of(st.session_state[field(accept, "until")]),
                reason=st.session_state[field(accept, "reason")],
                submission=pending.number,
                idempotency_key=key,
            ),
            done="It is accepted, for every agreement that asks for it.",
            icon="verified",
        )
    with right, st.form(giving_back):
        st.text_area("Or what is missing; the institution reads it", key=field(giving_back, "reason"), max_chars=1000)
        submit(
            "Return it",
            giving_back,
            lambda who, key: portal().passports.review(
                who,
                view.institution_id,
                item=item,
                accepted=False,
                reason=st.session_state[field(giving_back, "reason")],
                submission=pending.number,
                idempotency_key=key,
            ),
            done="It is returned with your reason.",
            icon="undo",
        )


def revoking(view: PassportView, line: ItemStanding, stops: Sequence[str]) -> None:
    """The way to end what was accepted. ``stops``: the titles of agreements under which requests are refused then."""
    named = ", ".join(f"*{literal(title)}*" for title in stops)
    stopped = (
        f"Requests under {named} are refused until it is handed in and accepted anew."
        if stops
        else "No agreement asks for it now."
    )
    confirmed(
        "Revoke",
        f"passport.revoke:{view.institution_id}:{line.item.value}",
        Consequence(
            "Revoke this item?",
            f"The {line.item.label} of **{literal(view.institution_name)}** counts no more from now on, without grace. "
            f"{stopped} The acceptance stays on record.",
            "Revoke it",
        ),
        lambda reason: (
            lambda who, key: portal().passports.revoke(
                who, view.institution_id, item=line.item, reason=reason, idempotency_key=key
            )
        ),
        done="It counts no more.",
        icon="block",
    )


def importing(view: PassportView) -> None:
    """The form that takes over what another portal attests."""
    form = f"passport.import:{view.institution_id}"
    with st.expander("Take over a credential from another portal", icon=":material/badge:"), st.form(form):
        st.markdown(
            "What it attests counts here on the issuer's word, for as long as it says and no longer. Get the issuer's "
            "key by another way than the file."
        )
        file_field("The credential", field(form, "file"))
        st.text_input("Public key of the issuer (hex)", key=field(form, "key"), max_chars=64)
        st.checkbox(
            f"The credential is about {view.institution_name}, even if it gives another name",
            key=field(form, "confirmed"),
        )
        submit(
            "Take it over",
            form,
            lambda who, key: portal().passports.import_credential(
                who,
                view.institution_id,
                _file(field(form, "file")),
                issuer_key=typed_key(st.session_state[field(form, "key")]),
                subject_confirmed=st.session_state[field(form, "confirmed")],
                idempotency_key=key,
            ),
            done="It is taken over.",
            icon="badge",
        )


def end_of(day: date) -> datetime:
    """The last moment of a day, UTC."""
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def typed_links(text: str) -> tuple[Evidence, ...]:
    """Addresses as people type them, one a line; what stands before an address is its name. Raises Invalid."""
    found = []
    for line in _lines(text):
        name, _, address = line.rpartition(" ")
        label = name.strip(" |:,-") or urlsplit(address).hostname or address
        found.append(parse(Evidence, {"label": label[:_LABEL], "url": address}))
    return tuple(found)


def typed_key(text: str) -> PublicKey:
    """A public key as 64 hex digits. Raises Invalid."""
    try:
        return PublicKey.from_raw(bytes.fromhex(text.strip()))
    except ValueError:
        raise Invalid(
            "bad_public_key",
            "A public key is written as 64 hex digits.",
            hint="The issuer's portal shows it under Institutions.",
            param="issuer_key",
        ) from None


def _files(key: str) -> tuple[Evidence, ...]:
    return tuple(parse(Evidence, {"label": name[:_LABEL], "sha256": sha256_hex(data)}) for name, data in uploaded(key))


def _file(key: str) -> bytes:
    for _name, data in uploaded(key):
        return data
    raise Invalid("no_file", "No file was chosen.", hint="Choose the file that the other portal exported.")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.split("\n") if line.strip())
