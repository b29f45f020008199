"""``/v1/models``: the checkpoints the caller may query."""

from typing import Literal

from fastapi import APIRouter, Response

from agreements.deciders import Value
from model_access.registry import Checkpoint
from portal.api.attachments import zipped
from portal.api.auth import Known, ThePortal
from portal.composition import Portal

router = APIRouter(tags=["models"])


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
    chat: bool
    """Whether `/v1/chat/completions` takes conversations with it: its tokenizer has a chat template."""
    digest: str


class ModelList(Value):
    """The whole list."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


@router.get("/models", summary="List the checkpoints you may query")
def list_models(portal: ThePortal, known: Known) -> ModelList:
    """By family and size; why another one is not among them, ``/api/access`` explains."""
    found = portal.checkpoints.queryable(known.actor, known.purpose)
    return ModelList(data=tuple(_model(portal, checkpoint) for checkpoint in found))


@router.get("/models/{model}", summary="Get a checkpoint you may query")
def get_model(portal: ThePortal, known: Known, model: str) -> Model:
    """Refused with the reason where the caller may not query it."""
    return _model(portal, portal.checkpoints.queried(known.actor, model, known.purpose))


@router.get(
    "/models/{model}/tokenizer",
    summary="Download the tokenizer of a checkpoint you may query",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "Its files; unpacked, a tokenizer's folder."}},
)
def get_tokenizer(portal: ThePortal, known: Known, model: str) -> Response:
    """Never a weight, nor the sizes of layers. Refused with the reason where the caller may not query the checkpoint.

    Evaluation harnesses need it to count tokens; `Repr-Digest` (RFC 9530) is the SHA-256 of the ZIP.
    """
    return zipped(portal.checkpoints.tokenizer(known.actor, model, known.purpose), f"{model}-tokenizer.zip")


def _model(portal: Portal, checkpoint: Checkpoint) -> Model:
    return Model(
        id=checkpoint.id,
        created=int(checkpoint.registered_at.timestamp()) if checkpoint.registered_at else 0,
        owned_by=portal.settings.lab_name,
        family=checkpoint.family,
        stage=checkpoint.stage.value,
        parameters=checkpoint.parameters,
        context_length=checkpoint.manifest.context_length if checkpoint.manifest else 0,
        chat=portal.checkpoints.takes_conversations(checkpoint),
        digest=checkpoint.digest,
    )
