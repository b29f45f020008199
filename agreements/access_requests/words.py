"""How a request stands, in one sentence that either side understands."""

from datetime import datetime

from agreements.access_requests.model import AccessRequest, RequestStatus


def says(state: AccessRequest, now: datetime) -> str:
    """The status in words, with whose turn it is and until when."""
    match state.status_on(now):
        case RequestStatus.DRAFT:
            return "a draft that only its author sees"
        case RequestStatus.SUBMITTED:
            return _before_the_lab(state, now)
        case RequestStatus.AMENDED:
            return f"the lab offers an alternative; {state.institution_name} answers until {_moment(state.due_on(now))}"
        case RequestStatus.APPROVED:
            return f"approved{_on(state.granted.at if state.granted else None)}"
        case RequestStatus.REFUSED:
            return f"refused{_on(state.refused.at if state.refused else None)}"
        case RequestStatus.WITHDRAWN:
            return f"withdrawn{_on(state.withdrawn.at if state.withdrawn else None)}"
        case RequestStatus.LAPSED:
            return f"lapsed: {_why_lapsed(state, now)}"


def why_lapsed(state: AccessRequest, now: datetime) -> str:
    """Why an open request has lapsed by its own clocks."""
    if state.offer is not None and now >= state.offer.answer_by:
        return f"the alternative was not answered until {_moment(state.offer.answer_by)}"
    end = state.terms.scope.expires_at if state.terms is not None else None
    return f"the access asked for would have ended on {_moment(end)}"


def _before_the_lab(state: AccessRequest, now: datetime) -> str:
    due = _moment(state.decide_by)
    late = "overdue: " if state.overdue_on(now) else ""
    if state.approvals:
        names = " and ".join(approval.by_name for approval in state.approvals)
        agreed = " and accepted by the institution" if state.agreed is not None else ""
        return f"{late}approved by {names}{agreed}, awaits another coordinator until {due}"
    return f"{late}a coordinator decides until {due}"


def _why_lapsed(state: AccessRequest, now: datetime) -> str:
    return state.lapsed.text.rstrip(".") if state.lapsed is not None else why_lapsed(state, now)


def _on(at: datetime | None) -> str:
    return f" on {at.day} {at:%B %Y}" if at is not None else ""


def _moment(at: datetime | None) -> str:
    return f"{at.day} {at:%B %Y}, {at:%H:%M} UTC" if at is not None else "never"
