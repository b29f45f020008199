"""Requests: who asks for access, beside what, decided by whom until when; by ``?request=`` one of them."""

from collections.abc import Container, Sequence

import streamlit as st

from agreements.access_requests import Draft, RequestStatus
from agreements.errors import ConcordatError
from portal.pages.context import current_actor, now, portal
from portal.pages.filters import pick, pick_view
from portal.pages.parts import act, empty, go, heading, row
from portal.pages.request_draft import draft_page
from portal.pages.request_parts import line, title_of
from portal.pages.request_view import request_page
from portal.pages.words import literal
from portal.pages.writing import Call, refused
from portal.services.request_views import RequestView

actor, here, at = current_actor(), portal(), now()

_SHOWN = {
    "open": "Open",
    "waiting": "Waiting for you",
    "drafts": "Drafts",
    "decided": "Decided",
    "all": "All",
}


def beginning() -> None:
    """The way to a new draft, for those who ask for an institution."""
    asks = here.access_requests.asks_for(actor)
    if not asks:
        return
    with row():
        for institution_id in asks:
            whose = f" for {literal(here.people.institution_name(institution_id))}" if len(asks) > 1 else ""
            act(
                f"Ask for access{whose}",
                f"request.open:{institution_id}",
                _opening(institution_id),
                done="A draft is begun. It is saved as you go, and only you see it.",
                then=opened,
                icon="add",
                primary=True,
            )


def _opening(institution_id: str) -> Call[RequestView]:
    content = Draft(agreement_id=st.query_params.get("agreement", "")[:128])
    return lambda who, key: here.access_requests.open(
        who, institution_id=institution_id, content=content, idempotency_key=key
    )


def opened(view: RequestView) -> None:
    """Go to the draft that was just begun."""
    st.query_params.from_dict({"request": view.request.id})


def shown(views: Sequence[RequestView], which: str) -> list[RequestView]:
    """Those of one kind, due first while something is to be done."""
    waiting = {view.request.id for view in here.access_requests.waiting_for(actor)}
    found = [view for view in views if _is(view, which, waiting)]
    if which in ("open", "waiting"):
        found.sort(key=lambda view: (not view.overdue, view.due_at is None, view.due_at or at))
    return found


def _is(view: RequestView, which: str, waiting: Container[str]) -> bool:
    match which:
        case "open":
            return view.status.is_open
        case "waiting":
            return view.request.id in waiting
        case "drafts":
            return view.status is RequestStatus.DRAFT
        case "decided":
            return not view.status.is_open and view.status is not RequestStatus.DRAFT
        case _:
            return True


def listing() -> None:
    """The inbox of coordinators, and the institution's own list."""
    coordinator = actor.is_coordinator
    heading(
        "Requests",
        "What partners ask for, beside what their agreements allow. What is due first stands first."
        if coordinator
        else "Ask for access under an agreement in force. You see what is missing, who decides, and by when.",
    )
    beginning()
    views = here.access_requests.list(actor)
    agreement_id = st.query_params.get("agreement")
    if agreement_id:
        views = tuple(view for view in views if view.request.draft.agreement_id == agreement_id)
        with row():
            st.badge("Under one agreement", icon=":material/contract:", color="violet", help=literal(agreement_id))
            go("All agreements' requests", "requests", icon="filter_alt_off")
    options = {key: name for key, name in _SHOWN.items() if key != "drafts" or not coordinator}
    which = pick_view("Which requests", "show", options, screen="requests")
    institutions = {view.request.institution_id: view.request.institution_name for view in views}
    wanted = ""
    if len(institutions) > 1:
        wanted = pick("Institution", "institution", institutions, screen="requests")
    found = [view for view in shown(views, which) if wanted in ("", view.request.institution_id)]
    if not found:
        nothing(which, any_at_all=bool(views))
    for view in found:
        line(view, at, with_institution=len(institutions) > 1 or coordinator)


def nothing(which: str, *, any_at_all: bool) -> None:
    """Why the list is empty, and what to do about it."""
    if any_at_all:
        empty(f"No request is under “{_SHOWN[which]}”.", icon="filter_alt_off")
    elif actor.is_coordinator:
        empty("No partner has asked for access yet. Leads and members do it on this page.", icon="approval")
    elif any(agreement.in_force_on(at) for agreement in here.agreements.list(actor)):
        empty("Nobody of your institution has asked for access yet. Begin above.", icon="approval")
    else:
        empty(
            "Access is asked for under an agreement in force, and your institution has none yet.",
            screen="agreements",
            label="See your agreements",
            icon="contract",
        )


def detail(request_id: str) -> None:
    """One request, or one's own draft."""
    go("All requests", "requests", icon="arrow_back")
    try:
        view = here.access_requests.get(actor, request_id)
    except ConcordatError as refusal:
        heading("Request")
        refused(refusal)
        return
    if view.status is RequestStatus.DRAFT:
        heading("Ask for access")
        draft_page(view)
        return
    heading(title_of(view))
    request_page(view, at)


selected = st.query_params.get("request")
if selected:
    detail(selected)
else:
    listing()
