"""Passports: every institution's vetting with a review queue for coordinators; by ``?institution=`` one of them."""

import streamlit as st

from agreements.errors import ConcordatError
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import empty, go, heading, row, status
from portal.pages.passport_view import passport_page
from portal.pages.words import count, literal, relative, sentence
from portal.pages.writing import refused
from portal.services.passports import PassportView

_SCREEN = "passports"

actor, here, at = current_actor(), portal(), now()


def queue(views: tuple[PassportView, ...]) -> None:
    """What waits for a coordinator, the longest waiting first."""
    waiting = [
        (pending, view, record.item)
        for view in views
        for record in view.passport.items
        if (pending := record.pending) is not None
    ]
    st.header(f"Waiting for review: {len(waiting)}", anchor=False)
    if not waiting:
        st.markdown(":material/task_alt: Nothing waits for review.")
    for pending, view, item in sorted(waiting, key=lambda one: one[0].at):
        with st.container(border=True, key=f"waiting_{view.institution_id}_{item.value}"), row():
            st.markdown(
                f"**{sentence(item.label)}** of **{literal(view.institution_name)}**, handed in by "
                f"{literal(pending.submitter_name)} {relative(pending.at, at)}",
                width="stretch",
            )
            go("Review", _SCREEN, icon="fact_check", institution=view.institution_id)


def line(view: PassportView) -> None:
    """One passport in the list."""
    with st.container(border=True, key=f"passport_{view.institution_id}"):
        with row():
            go(literal(view.institution_name), _SCREEN, icon="badge", institution=view.institution_id)
            counted = sum(entry.valid for entry in view.checklist)
            st.caption(f"{counted} of {count(len(view.checklist), 'item')} count today")
        with row():
            for entry in view.checklist:
                status(entry.status, label=f"{entry.item.label}: {entry.status.value}")


def detail(institution_id: str, *, alone: bool = False) -> None:
    """One passport."""
    if not alone:
        go("All passports", _SCREEN, icon="arrow_back")
    try:
        view = here.passports.get(actor, institution_id)
    except ConcordatError as refusal:
        heading("Passport")
        refused(refusal)
        return
    heading(
        f"Passport of {literal(view.institution_name)}",
        "Vetting that is done once and counts for every agreement that asks for it. Each item has evidence, a reviewer "
        "who did not hand it in, and a last day.",
    )
    passport_page(actor, view, at)


def listing(views: tuple[PassportView, ...]) -> None:
    """All passports that the reader may see."""
    heading(
        "Passports",
        "Vetting that is done once and counts for every agreement that asks for it, until it lapses or is revoked.",
    )
    if not views:
        empty(
            "No institution is registered besides the lab.", screen="institutions", label="Institutions", icon="domain"
        )
        return
    if actor.is_coordinator:
        queue(views)
        st.header("Institutions", anchor=False)
    for view in views:
        line(view)


selected = st.query_params.get("institution")
known = here.passports.list(actor)
if selected:
    detail(selected)
elif len(known) == 1 and not actor.is_coordinator:
    detail(known[0].institution_id, alone=True)
else:
    listing(known)
