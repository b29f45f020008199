"""What answers may have told of checkpoints' weights."""

from typing import Annotated

from fastapi import APIRouter, Query

from portal.api.auth import Signed, ThePortal
from portal.services.exposure import ExposureReport

router = APIRouter(prefix="/exposure", tags=["usage"])

_Id = Annotated[str | None, Query(max_length=128)]


@router.get("", summary="Say how much of a checkpoint's output layer may have been seen")
def get_exposure(portal: ThePortal, actor: Signed, checkpoint: _Id = None, institution: _Id = None) -> ExposureReport:
    """Log-probabilities and embeddings given under grants, as full vectors, against the hidden size (Carlini et al.
    2024): an upper bound, by checkpoint, institution and holder. Coordinators see all, others their own institution."""
    return portal.exposure.report(actor, checkpoint_id=checkpoint, institution_id=institution)
