"""Access requests: drafted and submitted by partners, decided by coordinators beside what the agreement allows."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from agreements.access_requests import Draft
from agreements.deciders import Value
from agreements.scopes import Scope
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.request_views import Background, Checklist, RequestView

router = APIRouter(prefix="/access/requests", tags=["access requests"])

Text = Annotated[str, Field(max_length=4000)]
Note = Annotated[str, Field(max_length=2000)]


class NewRequest(Value):
    """What to begin with; everything may be left out by whoever asks for one institution."""

    institution_id: Annotated[str | None, Field(max_length=128)] = None
    content: Draft | None = None
    copy_of: Annotated[str | None, Field(max_length=128)] = None
    """An earlier request whose draft this one begins with."""


class Approval(Value):
    """A word of approval."""

    note: Note = ""
    scope: Scope | None = None
    """What you looked at; refused where another scope is on the table by now."""


class Alternative(Value):
    """Another scope, with the reason."""

    scope: Scope
    reason: Text


class Argument(Value):
    """A reason that says something, twenty characters at least."""

    reason: Text


class Acceptance(Value):
    """Which alternative is taken."""

    number: Annotated[int, Field(ge=1)]
    note: Note = ""


class Declination(Value):
    """Which alternative is not taken, and why: twenty characters at least."""

    number: Annotated[int, Field(ge=1)]
    reason: Text


class Remark(Value):
    """What is said with it, if anything."""

    reason: Note = ""


@router.get("", summary="List access requests")
def list_access_requests(
    portal: ThePortal,
    actor: Signed,
    agreement: Annotated[str | None, Query(max_length=128, description="Under one agreement.")] = None,
    running: Annotated[bool, Query(alias="open", description="Only those that somebody has yet to decide.")] = False,
    waiting: Annotated[bool, Query(description="Only those in which the next word is yours, due first.")] = False,
) -> Listing[RequestView]:
    """All but drafts for coordinators; one's own institutions', and one's own drafts, for everyone else."""
    if waiting:
        return Listing.whole(portal.access_requests.waiting_for(actor))
    return Listing.whole(portal.access_requests.list(actor, agreement_id=agreement, open_only=running))


@router.post("", status_code=201, summary="Begin an access request")
def open_access_request(
    portal: ThePortal, actor: Signed, body: NewRequest, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """A draft of your own, for partner leads and members. Nobody else sees it until it is submitted."""
    return portal.access_requests.open(actor, **dict(body), idempotency_key=idempotency_key)


@router.get("/{request_id}", summary="Get an access request")
def get_access_request(portal: ThePortal, actor: Signed, request_id: ObjectId) -> RequestView:
    """How it stands, who decides until when, and what you may do to it."""
    return portal.access_requests.get(actor, request_id)


@router.put("/{request_id}/draft", summary="Save the draft of an access request")
def save_access_request(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Draft, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """As it is now, complete or not."""
    return portal.access_requests.save(actor, request_id, body, idempotency_key=idempotency_key)


@router.get("/{request_id}/checklist", summary="What an access request still needs")
def get_access_request_checklist(portal: ThePortal, actor: Signed, request_id: ObjectId) -> Checklist:
    """Fields to fill in, prerequisites met or missing with who clears them, and who decides until when."""
    return portal.access_requests.checklist(actor, request_id)


@router.get("/{request_id}/background", summary="An access request beside what the agreement allows")
def get_access_request_background(portal: ThePortal, actor: Signed, request_id: ObjectId) -> Background:
    """Dimension by dimension, with an alternative within both; the institution's other grants and requests."""
    return portal.access_requests.background(actor, request_id)


@router.post("/{request_id}/submit", summary="Submit an access request")
def submit_access_request(
    portal: ThePortal, actor: Signed, request_id: ObjectId, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """Puts the draft before the lab; refused with the first field or prerequisite that is missing."""
    return portal.access_requests.submit(actor, request_id, idempotency_key=idempotency_key)


@router.post("/{request_id}/approve", summary="Approve an access request")
def approve_access_request(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Approval, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """Coordinators only, and not on what they asked for. The last word that is needed issues the grant."""
    return portal.access_requests.approve(
        actor, request_id, note=body.note, expected=body.scope, idempotency_key=idempotency_key
    )


@router.post("/{request_id}/offer", summary="Offer an alternative to an access request")
def offer_alternative(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Alternative, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """Coordinators only, within the agreement; what was agreed to before is void."""
    return portal.access_requests.offer(
        actor, request_id, scope=body.scope, reason=body.reason, idempotency_key=idempotency_key
    )


@router.post("/{request_id}/refuse", summary="Refuse an access request")
def refuse_access_request(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Argument, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """Coordinators only, with a reason that the institution reads."""
    return portal.access_requests.refuse(actor, request_id, reason=body.reason, idempotency_key=idempotency_key)


@router.post("/{request_id}/accept", summary="Accept an alternative")
def accept_alternative(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Acceptance, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """For whoever asked, or a lead. Opens access at once, unless a second coordinator has to agree."""
    return portal.access_requests.accept(
        actor, request_id, body.number, note=body.note, idempotency_key=idempotency_key
    )


@router.post("/{request_id}/decline", summary="Decline an alternative")
def decline_alternative(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Declination, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """For whoever asked, or a lead. The lab then decides on what was asked for."""
    return portal.access_requests.decline(
        actor, request_id, body.number, reason=body.reason, idempotency_key=idempotency_key
    )


@router.post("/{request_id}/withdraw", summary="Withdraw an access request")
def withdraw_access_request(
    portal: ThePortal, actor: Signed, request_id: ObjectId, body: Remark, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """For whoever asked, or a lead; of a draft, for its author. It stays on record."""
    return portal.access_requests.withdraw(actor, request_id, reason=body.reason, idempotency_key=idempotency_key)
