"""What people are told about an access request, as notices made from the record alone: each is raised once."""

from collections.abc import Iterator
from datetime import datetime

from agreements.access_requests import AccessRequest, Mark, RequestStatus, Word, approvals_needed
from portal.inputs import parse
from portal.notices.model import Notice
from portal.services.notice_making import LAB_SIDE, LEADS


def of_request(state: AccessRequest, marks: tuple[Mark, ...], now: datetime) -> Iterator[Notice]:
    """What moved at a request, and what waits. ``marks`` are those that fire on the terms on the table."""
    terms = state.asked
    if terms is None or state.submitted_at is None:
        return
    asked = f"{state.requester_name} of {state.institution_name} asks"
    yield _notice(
        state,
        "submitted",
        f"Access asked for: {terms.title}",
        f"{asked} for {', '.join(sorted(terms.scope.operations))} on {', '.join(sorted(terms.scope.checkpoints))}."
        f"\n\n{terms.intended_use}",
        state.submitted_at,
        LAB_SIDE,
    )
    yield from _waiting(state, marks, now)
    yield from _bargained(state)
    yield from _over(state)


def _waiting(state: AccessRequest, marks: tuple[Mark, ...], now: datetime) -> Iterator[Notice]:
    title = state.asked.title if state.asked is not None else ""
    if state.status_on(now) is not RequestStatus.SUBMITTED:
        return
    if state.approvals and len(state.approver_ids) < approvals_needed(marks):
        last = state.approvals[-1]
        yield _notice(
            state,
            f"second:{len(state.offers)}:{last.at:%Y%m%dT%H%M%S}",
            f"Another coordinator has to agree: {title}",
            f"{last.by_name} approves it. It is high risk: {'; '.join(mark.says for mark in marks)}.",
            last.at,
            LAB_SIDE,
        )
    if state.overdue_on(now) and state.decide_by is not None:
        yield _notice(
            state,
            f"overdue:{state.decide_by:%Y%m%dT%H%M%S}",
            f"Overdue: {title}",
            f"The lab was to decide until {state.decide_by:%Y-%m-%d %H:%M} UTC. A coordinator approves it, offers an "
            "alternative, or refuses it.",
            state.decide_by,
            LAB_SIDE | _asked(state),
        )


def _bargained(state: AccessRequest) -> Iterator[Notice]:
    title = state.asked.title if state.asked is not None else ""
    for offer in state.offers:
        yield _notice(
            state,
            f"alternative:{offer.number}",
            f"The lab offers an alternative: {title}",
            f"{offer.text}\n\nAccept or decline it until {offer.answer_by:%Y-%m-%d %H:%M} UTC.",
            offer.at,
            _asked(state),
        )
        for answer, verb in ((offer.accepted, "accepted"), (offer.declined, "declined")):
            if answer is not None:
                yield _notice(
                    state,
                    f"{verb}:{offer.number}",
                    f"Alternative {verb}: {title}",
                    answer.text or f"{answer.by_name} {verb} it.",
                    answer.at,
                    LAB_SIDE,
                )


def _over(state: AccessRequest) -> Iterator[Notice]:
    title = state.asked.title if state.asked is not None else ""
    if state.granted is not None:
        grant_id = state.granted.delegated_id or state.granted.grant_id
        yield _notice(
            state,
            "approved",
            f"Access approved: {title}",
            f"Grant {grant_id} is open until {state.granted.scope.expires_at:%Y-%m-%d %H:%M} UTC.",
            state.granted.at,
            _asked(state),
        )
    endings: tuple[tuple[str, Word | None, frozenset[str]], ...] = (
        ("refused", state.refused, _asked(state)),
        ("withdrawn", state.withdrawn, LAB_SIDE),
        ("lapsed", state.lapsed, LAB_SIDE | _asked(state)),
    )
    for verb, word, audience in endings:
        if word is not None:
            yield _notice(
                state, verb, f"Request {verb}: {title}", word.text or f"By {word.by_name}.", word.at, audience
            )


def _asked(state: AccessRequest) -> frozenset[str]:
    return LEADS | {state.requester_id}


def _notice(state: AccessRequest, what: str, subject: str, body: str, at: datetime, audience: frozenset[str]) -> Notice:
    return parse(
        Notice,
        {
            "id": f"access_request:{state.id}:{what}",
            "kind": f"access_request.{what.partition(':')[0]}",
            "institution_id": state.institution_id,
            "subject": subject,
            "body": body,
            "link": f"/requests?request={state.id}",
            "at": at,
            "audience": audience,
        },
    )
