"""How a review stands, in one sentence that either side understands without the agreement at hand."""

from datetime import date, datetime

from agreements.publication.model import Publication, PublicationStatus, RedactionStatus


def says(state: Publication, now: datetime) -> str:
    """The status in words, with the moment that comes next and what happens then."""
    match state.status_on(now):
        case PublicationStatus.UNDER_REVIEW:
            answer = "asks for more" if state.redactions else "answers"
            return f"under review, clears {_moment(state.clears_at)} unless the lab {answer}"
        case PublicationStatus.REDACTIONS_ASKED:
            asked = _count(state, RedactionStatus.ASKED, now)
            return f"the lab asks for {asked}; {state.institution_name} answers next"
        case PublicationStatus.CONTESTED:
            contested = _count(state, RedactionStatus.CONTESTED, now)
            first = "" if len(state.standing(RedactionStatus.CONTESTED, now)) == 1 else "the first "
            due = _moment(state.due_on(now))
            return f"{contested} contested, {first}deemed withdrawn {due} unless the lab maintains it"
        case PublicationStatus.CLEARED:
            return f"cleared {_how(state, now)}"
        case PublicationStatus.DISPUTED:
            maintained = _count(state, RedactionStatus.MAINTAINED, now)
            return f"disputed: the lab maintains {maintained}; it may be published over the objection"
        case PublicationStatus.PUBLISHED:
            outcome = state.outcome
            over = " over the lab's objection" if outcome is not None and outcome.over_objection else ""
            return f"published{over}" + (f" on {_day(outcome.published_on)}" if outcome is not None else "")
        case PublicationStatus.WITHDRAWN:
            return f"withdrawn by {state.institution_name}"


def how_cleared(state: Publication, now: datetime) -> str:
    """Why it is cleared: ``lab``, ``silence`` or ``settled``; empty while it is not."""
    if state.cleared_at(now) is None:
        return ""
    if state.cleared is not None:
        return "lab"
    return "settled" if state.redactions else "silence"


def _how(state: Publication, now: datetime) -> str:
    reasons = {
        "lab": "by the lab",
        "silence": "by silence",
        "settled": "with every redaction settled",
    }
    return f"{reasons[how_cleared(state, now)]} on {_moment(state.cleared_at(now))}"


def _count(state: Publication, status: RedactionStatus, now: datetime) -> str:
    number = len(state.standing(status, now))
    return f"{number} redaction{'' if number == 1 else 's'}"


def _moment(at: datetime | None) -> str:
    return f"{_day(at)}, {at:%H:%M} UTC" if at is not None else "never"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
