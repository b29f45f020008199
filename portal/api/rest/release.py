"""Release: the board, and the decisions that alone move a checkpoint between stages."""

from typing import Any

from fastapi import APIRouter

from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.release.board import Board, DecisionRow
from portal.release.model import Proposal
from portal.release.service import DecisionView

router = APIRouter(prefix="/release", tags=["release"])


@router.get("/board", summary="The release board")
def get_board(portal: ThePortal, actor: Signed) -> Board:
    """Families by size with stage, evidence, objections, last decision and what the next step lacks."""
    return portal.release.board(actor)


@router.get("/decisions", summary="List release decisions")
def list_decisions(portal: ThePortal, actor: Signed) -> Listing[DecisionRow]:
    """Newest first."""
    return Listing.whole(portal.release.list(actor))


@router.post("/decisions", status_code=201, summary="Record a release decision")
def decide_release(
    portal: ThePortal, actor: Signed, body: Proposal, idempotency_key: IdempotencyKey = None
) -> DecisionView:
    """Coordinators only; signed by the lab, and the checkpoint moves in the same transaction."""
    return portal.release.decide(actor, body, idempotency_key=idempotency_key)


@router.get("/decisions/{decision_id}", summary="Get a release decision")
def get_decision(portal: ThePortal, actor: Signed, decision_id: ObjectId) -> DecisionView:
    """With the citations the caller may know of, and the envelope that proves it."""
    return portal.release.get(actor, decision_id)


@router.get("/decisions/{decision_id}/export", summary="Export a release decision, signed")
def export_decision(portal: ThePortal, actor: Signed, decision_id: ObjectId) -> dict[str, Any]:
    """The DSSE envelope, signed by the lab; findings are cited by digest."""
    return portal.release.get(actor, decision_id).envelope
