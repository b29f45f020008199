"""Runs and their receipts. They are made at ``/v1``."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from model_access.runs import Run
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, ObjectId, PageLimit

router = APIRouter(prefix="/runs", tags=["runs"])


@router.get("", summary="List runs")
def list_runs(
    portal: ThePortal,
    actor: Signed,
    limit: PageLimit = 50,
    checkpoint: Annotated[str | None, Query(max_length=128)] = None,
    mine: bool = False,
) -> Listing[Run]:
    """The latest runs the caller may see: their own, their institutions', or all for coordinators."""
    return Listing.whole(portal.runs.list(actor, limit=limit, checkpoint_id=checkpoint, mine=mine))


@router.get("/{run_id}", summary="Get a run")
def get_run(portal: ThePortal, actor: Signed, run_id: ObjectId) -> Run:
    """What was agreed, what was used and how it ended; prompts and answers are not kept."""
    return portal.runs.get(actor, run_id)


@router.get(
    "/{run_id}/receipt",
    summary="Get a run's signed receipt",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "The receipt file."}},
)
def get_receipt(portal: ThePortal, actor: Signed, run_id: ObjectId) -> Response:
    """Signed by the lab, with its inclusion proof; ``concordat verify`` checks it offline."""
    return Response(
        portal.runs.receipt(actor, run_id),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{run_id}.receipt.json"'},
    )
