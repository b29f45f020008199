"""``/v1/models``: the checkpoints the caller may query."""

from typing import Literal

from fastapi import APIRouter

from agreements.access import Denied
from agreements.deciders import Value
from agreements.scopes import Operation
from model_access.registry import Checkpoint
from portal.api.auth import Caller, Known, ThePortal
from portal.composition import Portal

router = APIRouter(tags=["models"])

_RUNNABLE = (Operation.GENERATE, Operation.SCORE)


class Model(Value):
    """A checkpoint as the OpenAI API lists models, with what else is known of it."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    family: str
    stage: str
    parameters: int
    context_length: int
    digest: str


class ModelList(Value):
    """The whole list."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


@router.get("/models", summary="List the checkpoints you may query")
def list_models(portal: ThePortal, known: Known) -> ModelList:
    """By family and size; why another one is not among them, ``/api/access`` explains."""
    views = portal.checkpoints.list(known.actor)
    return ModelList(
        data=tuple(_model(portal, v.checkpoint) for v in views if _denied(portal, known, v.checkpoint) is None)
    )


@router.get("/models/{model}", summary="Get a checkpoint you may query")
def get_model(portal: ThePortal, known: Known, model: str) -> Model:
    """Refused with the reason where the caller may not query it."""
    checkpoint = portal.checkpoints.state(model)
    denied = _denied(portal, known, checkpoint)
    if denied is not None:
        raise denied.error()
    return _model(portal, checkpoint)


def _denied(portal: Portal, known: Caller, checkpoint: Checkpoint) -> Denied | None:
    """Why no run of any kind is open to the caller; None if one is, be it that its purpose is still to be said."""
    answer: Denied | None = None
    for operation in _RUNNABLE:
        given = portal.checkpoints.access(known.actor, checkpoint, frozenset({operation}), known.purpose)
        if not isinstance(given, Denied) or given.code == "purpose_required":
            return None
        answer = answer or given
    return answer


def _model(portal: Portal, checkpoint: Checkpoint) -> Model:
    return Model(
        id=checkpoint.id,
        created=int(checkpoint.registered_at.timestamp()) if checkpoint.registered_at else 0,
        owned_by=portal.settings.lab_name,
        family=checkpoint.family,
        stage=checkpoint.stage.value,
        parameters=checkpoint.parameters,
        context_length=checkpoint.manifest.context_length if checkpoint.manifest else 0,
        digest=checkpoint.digest,
    )
