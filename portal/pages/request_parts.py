"""Pieces of access requests: how one stands and until when, what is still missing, and where it has got to."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from agreements.access_requests import Mark, RequestStatus
from agreements.errors import Fixer
from agreements.grants import HolderKind
from portal.pages.grant_parts import HOLDER_ICONS
from portal.pages.parts import Colour, go, row, status
from portal.pages.words import count, literal, relative, sentence, when
from portal.services.request_prerequisites import Prerequisite
from portal.services.request_views import Checklist, RequestView

FIELD_NAMES = {
    "agreement_id": "Under which agreement",
    "title": "What it is called",
    "checkpoints": "Checkpoints",
    "operations": "Operations",
    "purposes": "Purposes",
    "intended_use": "What you will do",
    "token_budget": "Tokens in all",
    "requests_per_minute": "Requests a minute",
    "expires_at": "Until",
}
"""The fields that have to be filled in, as the form calls them."""

_DECIDED = frozenset(RequestStatus) - {RequestStatus.DRAFT, RequestStatus.SUBMITTED, RequestStatus.AMENDED}


def title_of(view: RequestView) -> str:
    """How it is called, as Markdown; a draft may have no name yet."""
    return literal(view.request.draft.title) or "*Untitled draft*"


def badges(view: RequestView, now: datetime) -> None:
    """Status, lateness and risk, each as icon, text and colour."""
    status(view.status)
    if view.overdue:
        st.badge("overdue", icon=":material/alarm:", color="red")
    elif view.due_at is not None:
        st.badge(f"due {relative(view.due_at, now)}", icon=":material/schedule:", color="gray")
    if view.marks and view.status.is_open:
        st.badge("high risk", icon=":material/warning:", color="orange", help=_risk_words(view.marks))
        st.badge(
            f"{len(view.approved_by)} of {count(view.approvals_needed, 'approval')}",
            icon=":material/how_to_reg:",
            color="blue",
        )


def line(view: RequestView, now: datetime, *, with_institution: bool) -> None:
    """One request in a list."""
    request = view.request
    with st.container(border=True, key=f"request_{request.id}"):
        st.markdown(f"**{title_of(view)}**")
        with row():
            go(request.id, "requests", icon="approval", request=request.id)
            badges(view, now)
        whose = f"{literal(request.institution_name)} · " if with_institution else ""
        st.caption(f"{whose}{literal(request.requester_name)} · {literal(view.says)}")


def holder_badge(view: RequestView) -> None:
    """Who is to use it."""
    kind = view.request.holder.kind
    name = view.request.institution_name if kind is HolderKind.INSTITUTION else view.holder_name
    st.badge(literal(name), icon=f":material/{HOLDER_ICONS[kind]}:", color="blue")


def rail(view: RequestView, now: datetime) -> None:
    """Where it has got to, who moves next, and by when."""
    request, over = view.request, view.status in _DECIDED
    steps: list[tuple[str, str]] = [("Draft", "done" if request.submitted_at else "now")]
    if request.submitted_at or not over:
        with_lab = view.status is RequestStatus.SUBMITTED
        steps.append(("With the lab", "now" if with_lab else "done" if request.submitted_at else "next"))
    if request.offers:
        steps.append(("Alternative", "now" if view.status is RequestStatus.AMENDED else "done"))
    steps.append((sentence(view.status.label) if over else "Decided", "now" if over else "next"))
    looks: dict[str, tuple[str, Colour]] = {
        "done": ("check_circle", "green"),
        "now": ("radio_button_checked", "blue"),
        "next": ("radio_button_unchecked", "gray"),
    }
    with row(key="request_rail"):
        for number, (name, stage) in enumerate(steps):
            if number:
                st.markdown(":material/chevron_right:")
            icon, colour = looks[stage]
            st.badge(name, icon=f":material/{icon}:", color=colour)
    turn(view, now)


def turn(view: RequestView, now: datetime) -> None:
    """Who decides or answers, and by when."""
    request = view.request
    if view.status is RequestStatus.SUBMITTED:
        names = literal(" or ".join(view.deciders)) or "Another coordinator, once there is one,"
        text = f"**{names}** decides until **{when(view.due_at, now)}**."
        if view.marks:
            text += f" Two coordinators have to agree, since it is high risk: {literal(_risk_words(view.marks))}."
        (st.error if view.overdue else st.info)(
            f"Overdue. {text}" if view.overdue else text,
            icon=":material/alarm:" if view.overdue else ":material/gavel:",
        )
        if not view.overdue and request.decide_by is not None and request.submitted_at is not None:
            answers = (answer for offer in request.offers for answer in (offer.accepted, offer.declined))
            begun = max([request.submitted_at, *(answer.at for answer in answers if answer is not None)])
            whole = (request.decide_by - begun).total_seconds()
            gone = min(max((now - begun).total_seconds() / whole, 0.0), 1.0) if whole > 0 else 1.0
            st.progress(gone, text=f"{gone:.0%} of the lab's time is gone")
    elif view.status is RequestStatus.AMENDED:
        st.info(
            f"**{literal(request.requester_name)}**, or a lead of {literal(request.institution_name)}, accepts or "
            f"declines the alternative until **{when(view.due_at, now)}**; then it lapses.",
            icon=":material/forum:",
        )


def checklist(found: Checklist, *, submitting: bool) -> None:
    """What is filled in and met, what is missing, and who clears it."""
    shown = {entry.code for entry in found.lines}
    for gap in found.gaps if submitting else ():
        if gap.field == "agreement_id" and "no_agreement" in shown:
            continue
        _check("radio_button_unchecked", "gray", FIELD_NAMES.get(gap.field, gap.field), f"say {gap.says}", "")
    for entry in found.lines:
        icon, colour = _look(entry)
        _check(icon, colour, entry.label, entry.message, "" if entry.met else _who(entry))
        if not entry.met and entry.fixer is not Fixer.CALLER:
            go(f"Clear it: {entry.label.lower()}", entry.screen, icon="arrow_forward")


def deciding(found: Checklist, now: datetime) -> None:
    """Who would decide by when, and why two would have to."""
    names = literal(" or ".join(found.deciders)) or "a coordinator"
    st.caption(
        f":material/gavel: {names} decides within {found.period}: until {when(found.decide_by, now)} "
        "if you submit it now."
    )
    if found.marks:
        st.warning(
            f"This is high risk, so two coordinators have to agree: {literal(_risk_words(found.marks))}.",
            icon=":material/warning:",
        )


def _look(entry: Prerequisite) -> tuple[str, Colour]:
    if entry.met:
        return "check_circle", "green"
    return ("block", "red") if entry.blocks else ("warning", "orange")


def _who(entry: Prerequisite) -> str:
    whose = "" if entry.fixer in (Fixer.CALLER, Fixer.NOBODY) else f" {sentence(str(entry.fixer))} can clear this."
    weighed = "" if entry.blocks else " It does not stop the request; the coordinator weighs it."
    return f"{entry.hint}{whose}{weighed}"


def _check(icon: str, colour: Colour, label: str, message: str, more: str) -> None:
    text = f":{colour}[:material/{icon}:] **{literal(label)}**: {literal(message)}."
    st.markdown(f"{text} {literal(more)}" if more else text)


def _risk_words(marks: Sequence[Mark]) -> str:
    return "; ".join(mark.says for mark in marks)
