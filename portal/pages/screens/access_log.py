"""Access log: every access to what was granted and every change of access, each with the leaf that proves it."""

from datetime import date
from typing import Any

import streamlit as st

from agreements.errors import ConcordatError
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.filters import pick
from portal.pages.parts import Look, empty, go, heading, row
from portal.pages.words import literal, sentence, when
from portal.pages.writing import refused
from portal.services.access_log_views import AccessEntry, AccessFilter, AccessKind, Outcome

PAGE = 25
_SCREEN = "access_log"
_FILTER = 170
"""Pixels: two beside each other on a phone."""
_ASKED = "access_log.asked"
_ICONS = {
    AccessKind.RUN: "receipt_long",
    AccessKind.TOKEN: "vpn_key",
    AccessKind.SIGN_IN: "login",
    AccessKind.GRANT: "key",
    AccessKind.AGREEMENT: "contract",
    AccessKind.PROGRAM: "terminal",
    AccessKind.REQUEST: "approval",
    AccessKind.KEPT: "visibility",
}
_LOOKS = {
    Outcome.STARTED: Look("hourglass_top", "blue"),
    Outcome.COMPLETED: Look("check_circle", "green"),
    Outcome.FAILED: Look("error", "red"),
    Outcome.SUSPENDED: Look("pause_circle", "orange"),
    Outcome.REVOKED: Look("block", "red"),
    Outcome.ENDED: Look("cancel", "gray"),
    Outcome.NARROWED: Look("compress", "orange"),
    Outcome.GRANTED: Look("check_circle", "green"),
    Outcome.REFUSED: Look("block", "red"),
}
_SHORT_HASH = 12

actor, here, at = current_actor(), portal(), now()


def asked_for() -> dict[str, str]:
    """What the address and the filters ask for."""
    with row():
        kinds = {one.value: sentence(one.label) for one in AccessKind}
        kind = pick("Kind", "kind", kinds, screen=_SCREEN, width=_FILTER)
        outcomes = {one.value: sentence(one.label) for one in Outcome}
        outcome = pick("Outcome", "outcome", outcomes, screen=_SCREEN, width=_FILTER)
        people = {one.id: one.name for one in here.people.list(actor)}
        people |= {one.id: one.name for one in here.programs.list(actor)}
        person = pick("Person or program", "person", people, screen=_SCREEN, width=_FILTER)
        checkpoints = {one.checkpoint.id: one.checkpoint.id for one in here.checkpoints.list(actor)}
        checkpoint = pick("Checkpoint", "checkpoint", checkpoints, screen=_SCREEN, width=_FILTER)
        institutions = {one.id: one.name for one in here.institutions.list(actor)} if actor.is_coordinator else {}
        institution = ""
        if institutions:
            institution = pick("Institution", "institution", institutions, screen=_SCREEN, width=_FILTER)
        since, until = day("From", "from"), day("To", "to")
    asked = {
        "kind": kind,
        "outcome": outcome,
        "person": person,
        "checkpoint": checkpoint,
        "institution": institution,
        "grant": st.query_params.get("grant", "")[:128],
        "from": since,
        "to": until,
    }
    return {name: value for name, value in asked.items() if value}


def day(label: str, name: str) -> str:
    """A day kept in the address; empty where it says none."""
    key = f"{_SCREEN}.day.{name}"
    try:
        st.session_state[key] = date.fromisoformat(st.query_params.get(name, ""))
    except ValueError:
        st.session_state[key] = None

    def keep() -> None:
        value = st.session_state.get(key)
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value.isoformat()

    value = st.date_input(label, key=key, value=None, on_change=keep, format="YYYY-MM-DD", width=150)
    return value.isoformat() if isinstance(value, date) else ""


def line(entry: AccessEntry) -> None:
    """One entry."""
    look = _LOOKS.get(entry.outcome, Look("circle", "gray"))
    with st.container(border=True, key=f"access_{entry.leaf}"):
        with row():
            st.markdown(f":material/{_ICONS[entry.kind]}: **{literal(entry.says)}**", width="stretch")
            st.badge(literal(entry.outcome.label), icon=f":material/{look.icon}:", color=look.colour)
        who = entry.person_name or entry.institution_name
        said = [literal(who)] if who else []
        if entry.by_id != entry.person_id and entry.kind is not AccessKind.SIGN_IN:
            said.append(f"by {literal(entry.by_name)}")
        if entry.on_behalf_of:
            said.append("on the rights of " + literal(" → ".join(entry.on_behalf_of)))
        said += [literal(one) for one in (entry.checkpoint_id, entry.purpose, entry.operation) if one]
        if entry.charged_tokens is not None:
            said.append(f"{entry.charged_tokens:,} tokens")
        if entry.token:
            said.append(f"token `{entry.token}…`")
        if actor.is_coordinator and entry.institution_name and entry.institution_name != who:
            said.append(literal(entry.institution_name))
        st.caption(" · ".join([*said, when(entry.at, at)]))
        if entry.reason:
            st.caption(f"Why: {literal(entry.reason)}")
        with row():
            _links(entry)
            st.caption(f"leaf {entry.leaf:,} · `{entry.leaf_hash[:_SHORT_HASH]}…`")


def _links(entry: AccessEntry) -> None:
    match entry.kind:
        case AccessKind.RUN | AccessKind.KEPT:
            go("The run", "runs", icon="receipt_long", run=entry.object_id)
        case AccessKind.AGREEMENT:
            go("The agreement", "agreements", icon="contract", agreement=entry.object_id)
        case AccessKind.TOKEN | AccessKind.PROGRAM:
            go("Tokens", "tokens", icon="vpn_key")
        case AccessKind.SIGN_IN:
            if entry.person_id == actor.person_id:
                go("My sessions", "sessions", icon="devices")
        case AccessKind.REQUEST:
            go("The request", "requests", icon="approval", request=entry.object_id)
        case AccessKind.GRANT:
            pass
    if entry.grant_id and entry.grant_label:
        go(literal(entry.grant_label), "grants", icon="key", grant=entry.grant_id)
    if entry.kind is not AccessKind.SIGN_IN:
        st.link_button(
            "Check in the log",
            links.access_evidence(entry.leaf if entry.ended_leaf is None else entry.ended_leaf),
            icon=":material/verified:",
            key=f"evidence_{entry.leaf}",
            type="tertiary",
            help="The entry, its inclusion proof and the signed head, for `concordat verify FILE --vkey LOG_KEY`.",
        )


def turn(cursor: str | None) -> None:
    """Go to the page after a cursor, or to the newest."""
    if cursor is None:
        st.query_params.pop("before", None)
    else:
        st.query_params["before"] = cursor


def listing() -> None:
    """The filters, a page of entries, and the files."""
    asked = asked_for()
    if st.session_state.get(_ASKED, asked) != asked:
        # Another question begins at its newest entry.
        st.query_params.pop("before", None)
    st.session_state[_ASKED] = asked
    fields: dict[str, Any] = {{"from": "since", "to": "until"}.get(name, name): one for name, one in asked.items()}
    where = AccessFilter.model_validate(fields)
    before = st.query_params.get("before")
    try:
        page = here.access_log.page(actor, where, cursor=before, limit=PAGE)
    except ConcordatError as refusal:
        refused(refusal)
        return
    if asked.get("grant"):
        with row():
            st.caption(f"Only of grant {literal(asked['grant'])}.")
            go("Of every grant", "access_log", icon="close")
    if not page.entries:
        empty(
            "Nothing that fits, or that you may see. Take a filter away, or look further back."
            if asked or before
            else "Nothing yet: the first run, token or grant of your institution stands here.",
            screen="playground",
            label="Try a checkpoint",
            icon="manage_search",
        )
    for entry in page.entries:
        line(entry)
    with row():
        if before:
            st.button("Newest", key="access_newest", on_click=turn, args=(None,))
        if page.next:
            st.button("Older", key="access_older", on_click=turn, args=(page.next,))
    with row():
        st.link_button("Download as CSV", links.access_log(asked, "csv"), icon=":material/download:")
        st.link_button("Download as JSON Lines", links.access_log(asked, "jsonl"), icon=":material/download:")
    st.caption(
        "A file holds all that fits, with the leaf and the leaf's hash of each entry; its SHA-256 comes with it in the "
        "header `Repr-Digest`. Requests that were refused before they became runs leave no record."
    )


heading(
    "Access log",
    "Every access to what was granted, and everything that happened to that access. Each entry is a leaf of the "
    "transparency log: you need not take the lab's word for it.",
)
listing()
