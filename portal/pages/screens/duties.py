"""Duties: a board, a month, a line in time; and by ``?agreement=`` with ``&duty=`` one duty."""

import streamlit as st

from agreements.duties import DutyKind, DutyState
from agreements.errors import ConcordatError
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.duty_forms import reporting
from portal.pages.duty_picture import timeline
from portal.pages.duty_view import duty_card, duty_page
from portal.pages.filters import ANY, button_to, pick, pick_view
from portal.pages.month_view import month_of, month_sheet, shifted
from portal.pages.parts import empty, go, heading, row, status
from portal.pages.words import count, literal, sentence
from portal.pages.writing import refused
from portal.services.duties import HORIZON_DAYS, DutyView

_SCREEN = "duties"
_FILTER = 150
"""Pixels: five beside each other on a desk, two on a phone."""
_VIEWS = {"board": "Board", "month": "Month", "timeline": "Timeline"}
_HORIZONS = {"30": "A month", str(HORIZON_DAYS): "Three months", "366": "A year", "3660": "Everything"}
_OPEN = (DutyState.OVERDUE, DutyState.DUE, DutyState.UPCOMING)
_DONE = (DutyState.FULFILLED, DutyState.WAIVED, DutyState.DROPPED)
_NONE = {
    DutyState.OVERDUE: "Nothing is late.",
    DutyState.DUE: "Nothing is due soon.",
    DutyState.UPCOMING: "Nothing is coming up.",
}

actor, here, at = current_actor(), portal(), now()


def detail(agreement_id: str, key: str) -> None:
    """One duty."""
    go("All duties", _SCREEN, icon="arrow_back")
    try:
        view = here.duties.get(actor, agreement_id, key)
    except ConcordatError as refusal:
        heading("Duty")
        refused(refusal)
        return
    duty_page(view, at)


def board(views: list[DutyView], state: str) -> None:
    """Open duties in columns by how they stand, done ones below; only one state where that is asked for."""
    several = len({view.institution_id for view in views}) > 1 or actor.is_coordinator
    if state:
        for view in views:
            duty_card(view, at, with_institution=several)
        return
    for column, one in zip(st.columns(len(_OPEN)), _OPEN, strict=True):
        mine = [view for view in views if view.standing.state is one]
        with column:
            with row():
                status(one)
                st.markdown(f"**{len(mine)}**")
            if not mine:
                st.caption(_NONE[one])
            for view in mine:
                duty_card(view, at, with_institution=several, with_state=False)
    done = [view for view in views if view.standing.state in _DONE]
    if done:
        with st.expander(f"Fulfilled, waived and dropped: {len(done)}", icon=":material/task_alt:"):
            for view in reversed(done):
                duty_card(view, at, with_institution=several)


def month(institution_id: str, agreement_id: str) -> None:
    """A calendar sheet of everything with a date."""
    first = month_of(st.query_params.get("month", ""), at)
    with row():
        button_to("Earlier", "month", shifted(first, -1), screen=_SCREEN, icon="chevron_left")
        button_to("This month", "month", f"{at:%Y-%m}", screen=_SCREEN, icon="today")
        button_to("Later", "month", shifted(first, 1), screen=_SCREEN, icon="chevron_right")
    dated = here.duties.appointments(actor, institution_id=institution_id or None, agreement_id=agreement_id or None)
    month_sheet(dated, first, at)


def listing() -> None:
    """All duties that the reader may see, as far ahead as they look."""
    heading(
        "Duties",
        "What agreements ask for by a day, and what follows if it is late. Each comes from a clause; the portal "
        "reminds, narrows and suspends by the agreement's own ladder, and says so beforehand.",
    )
    agreements = [agreement for agreement in here.agreements.list(actor) if agreement.in_force_at is not None]
    if not agreements:
        empty(
            "No agreement has come into force, so nothing is owed.",
            screen="agreements",
            label="See agreements",
            icon="event_available",
        )
        return
    reporting(actor, agreements, at)
    institutions = {agreement.institution_id: agreement.institution_name for agreement in agreements}
    titles = {agreement.id: f"{agreement.institution_name}: {agreement.title}" for agreement in agreements}
    view = pick_view("View", "view", _VIEWS, screen=_SCREEN)
    with row():
        states = {one.value: sentence(one.value) for one in DutyState}
        state = pick("State", "state", states, screen=_SCREEN, width=_FILTER)
        kinds = {one.value: sentence(one.label) for one in DutyKind}
        kind = pick("Kind", "kind", kinds, screen=_SCREEN, width=_FILTER)
        institution_id = pick("Institution", "institution", institutions, screen=_SCREEN, width=_FILTER)
        agreement_id = pick("Agreement", "agreement", titles, screen=_SCREEN, width=_FILTER)
        ahead = str(HORIZON_DAYS)
        horizon = pick("Looking ahead", "days", _HORIZONS, screen=_SCREEN, default=ahead, width=_FILTER)
    st.link_button(
        "Download as a calendar",
        links.calendar(institution=institution_id, agreement=agreement_id),
        icon=":material/calendar_month:",
        help="An iCalendar file: duties, ends of terms, clocks of appeals. Taken in again, it moves what was moved.",
    )
    if view == "month":
        st.caption("Shows everything with a date; of the filters, institution and agreement apply.")
        month(institution_id, agreement_id)
        return
    found = here.duties.board(
        actor,
        state=DutyState(state) if state else None,
        institution_id=institution_id or None,
        agreement_id=agreement_id or None,
        horizon_days=int(horizon),
    )
    views = [one for one in found if kind in (ANY, one.standing.duty.kind.value)]
    late = sum(one.standing.state is DutyState.OVERDUE for one in views)
    st.caption(f"{count(len(views), 'duty', 'duties')}, {late} late.")
    if not views:
        empty("No duty matches. Look further ahead, or take a filter away.", icon="event_available")
    elif view == "timeline":
        picture, words = timeline(views, at)
        st.altair_chart(picture, alt=words)
        st.caption(literal(words))
    else:
        board(views, state)


selected = st.query_params.get("duty")
if selected:
    detail(st.query_params.get("agreement", ""), selected)
else:
    listing()
