"""What each event makes of an access request."""

from agreements.access_requests.events import (
    AlternativeAccepted,
    AlternativeDeclined,
    AlternativeOffered,
    RequestApproved,
    RequestDraftSaved,
    RequestGranted,
    RequestLapsed,
    RequestOpened,
    RequestRefused,
    RequestSubmitted,
    RequestWithdrawn,
)
from agreements.access_requests.model import AccessRequest, Approval, Offer, RequestStatus
from agreements.deciders import Event


def evolve(state: AccessRequest, event: Event) -> AccessRequest:
    """Fold one event into the state."""
    match event:
        case RequestOpened():
            return _opened(event)
        case RequestDraftSaved():
            return state.model_copy(update={"draft": event.content, "saved_at": event.at})
        case RequestSubmitted():
            return state.model_copy(
                update={
                    "asked": event.terms,
                    "status": RequestStatus.SUBMITTED,
                    "submitted_at": event.at,
                    "decide_by": event.decide_by,
                    "marks": event.marks,
                }
            )
        case RequestApproved():
            return state.model_copy(update={"approvals": (*state.approvals, event.approval)})
        case AlternativeOffered() | AlternativeAccepted() | AlternativeDeclined():
            return _bargained(state, event)
        case RequestGranted():
            return state.model_copy(update={"status": RequestStatus.APPROVED, "granted": event.granted})
        case RequestRefused():
            return state.model_copy(update={"status": RequestStatus.REFUSED, "refused": event.word})
        case RequestWithdrawn():
            return state.model_copy(update={"status": RequestStatus.WITHDRAWN, "withdrawn": event.word})
        case RequestLapsed():
            return state.model_copy(update={"status": RequestStatus.LAPSED, "lapsed": event.word})
        case _:
            raise TypeError(f"an access request has no event {event.type_name!r}")


def _opened(event: RequestOpened) -> AccessRequest:
    return AccessRequest(
        id=event.request_id,
        institution_id=event.institution_id,
        institution_name=event.institution_name,
        requester_id=event.requester_id,
        requester_name=event.requester_name,
        copied_from=event.copied_from,
        reserved_grant_id=event.reserved_grant_id,
        reserved_child_id=event.reserved_child_id,
        draft=event.content,
        opened_at=event.at,
        saved_at=event.at,
    )


def _bargained(
    state: AccessRequest, event: AlternativeOffered | AlternativeAccepted | AlternativeDeclined
) -> AccessRequest:
    match event:
        case AlternativeOffered():
            offer = event.offer
            said = {name: getattr(offer, name) for name in ("text", "by_id", "by_name", "at", "marks")}
            return state.model_copy(
                update={
                    "status": RequestStatus.AMENDED,
                    "offers": (*state.offers, offer),
                    "approvals": (Approval(**said),),
                }
            )
        case AlternativeAccepted():
            return state.model_copy(
                update={
                    "status": RequestStatus.SUBMITTED,
                    "offers": _answered(state, event.number, accepted=event.word),
                    "decide_by": event.decide_by,
                }
            )
        case AlternativeDeclined():
            return state.model_copy(
                update={
                    "status": RequestStatus.SUBMITTED,
                    "offers": _answered(state, event.number, declined=event.word),
                    "approvals": (),
                    "decide_by": event.decide_by,
                }
            )


def _answered(state: AccessRequest, number: int, **answer: object) -> tuple[Offer, ...]:
    return tuple(offer.model_copy(update=answer) if offer.number == number else offer for offer in state.offers)
