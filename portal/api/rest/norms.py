"""Norms: proposed, revised, answered by institutions, and decided."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from agreements.canonical import b64encode
from agreements.deciders import Value
from agreements.dsse import Envelope
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.norms.model import POSITION_TYPE, Decision, NormText, PositionStatement
from portal.norms.reads import NormRow
from portal.norms.service import NormDraft, NormView, PositionDraft

router = APIRouter(prefix="/norms", tags=["norms"])


class NormRevision(Value):
    """A new revision: the whole text, the digest of the revision it builds on, and what changed."""

    text: NormText
    base: str
    note: str


class PreparedPosition(Value):
    """What to sign elsewhere: ``payload_base64`` under ``payload_type`` goes into a DSSE envelope."""

    statement: PositionStatement
    payload_type: str
    payload_base64: str


class SignedPosition(Value):
    """A position signed with the institution's own key."""

    envelope: dict[str, Any]


class NormOutcome(Value):
    """How a norm ends, for the revision that was read."""

    decision: Decision
    revision_digest: str
    rationale: str


@router.get("", summary="List norms")
def list_norms(
    portal: ThePortal, actor: Signed, open_only: Annotated[bool, Query(alias="open")] = False
) -> Listing[NormRow]:
    """Newest first; all of them, or only those still open."""
    return Listing.whole(portal.norms.list(actor, open_only=open_only))


@router.post("", status_code=201, summary="Propose a norm")
def propose_norm(portal: ThePortal, actor: Signed, body: NormDraft, idempotency_key: IdempotencyKey = None) -> NormView:
    """Clauses of publication practice, with the findings they rest on."""
    return portal.norms.propose(actor, body, idempotency_key=idempotency_key)


@router.get("/{norm_id}", summary="Get a norm")
def get_norm(portal: ThePortal, actor: Signed, norm_id: ObjectId) -> NormView:
    """The current revision, every position with its signature, and the outcome."""
    return portal.norms.get(actor, norm_id)


@router.post("/{norm_id}/revisions", status_code=201, summary="Revise a norm")
def revise_norm(
    portal: ThePortal, actor: Signed, norm_id: ObjectId, body: NormRevision, idempotency_key: IdempotencyKey = None
) -> NormView:
    """Positions on the earlier revision stay, marked stale."""
    return portal.norms.revise(
        actor, norm_id, body.text, base=body.base, note=body.note, idempotency_key=idempotency_key
    )


@router.post("/{norm_id}/positions/prepare", summary="Prepare a position to sign elsewhere")
def prepare_position(portal: ThePortal, actor: Signed, norm_id: ObjectId, body: PositionDraft) -> PreparedPosition:
    """Nothing is recorded."""
    statement = portal.norms.prepare_position(actor, norm_id, body)
    return PreparedPosition(
        statement=statement, payload_type=POSITION_TYPE, payload_base64=b64encode(statement.payload())
    )


@router.post("/{norm_id}/positions", status_code=201, summary="Take a position with the key the portal keeps")
def take_position(
    portal: ThePortal, actor: Signed, norm_id: ObjectId, body: PositionDraft, idempotency_key: IdempotencyKey = None
) -> NormView:
    """For whoever may bind the institution, on an exact revision."""
    return portal.norms.take_position(actor, norm_id, body, idempotency_key=idempotency_key)


@router.post("/{norm_id}/positions/signed", status_code=201, summary="Hand in a position signed elsewhere")
def take_signed_position(
    portal: ThePortal, actor: Signed, norm_id: ObjectId, body: SignedPosition, idempotency_key: IdempotencyKey = None
) -> NormView:
    """A DSSE envelope with the institution's own key."""
    envelope = Envelope.from_json(body.envelope)
    return portal.norms.take_signed_position(actor, norm_id, envelope, idempotency_key=idempotency_key)


@router.post("/{norm_id}/outcome", status_code=201, summary="Record the outcome")
def record_outcome(
    portal: ThePortal, actor: Signed, norm_id: ObjectId, body: NormOutcome, idempotency_key: IdempotencyKey = None
) -> NormView:
    """Coordinators only; standing objections are carried into it as dissent."""
    return portal.norms.record_outcome(actor, norm_id, **dict(body), idempotency_key=idempotency_key)
