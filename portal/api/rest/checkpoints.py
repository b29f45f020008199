"""Checkpoints: the registry, with what the caller may do with each."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from agreements.deciders import Value
from model_access.registry import Card, Checkpoint
from portal.api.attachments import zipped
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, ObjectId
from portal.services.checkpoints import CheckpointView
from portal.services.model_cards import ModelCard

router = APIRouter(prefix="/checkpoints", tags=["checkpoints"])


class NewCheckpoint(Value):
    """Where the files are: a folder on the portal's machine, or a hub id."""

    source: Annotated[str, Field(min_length=1, max_length=1000)]
    checkpoint_id: str
    family: str
    card: Card = Card()


@router.get("", summary="List checkpoints")
def list_checkpoints(portal: ThePortal, actor: Signed) -> Listing[CheckpointView]:
    """By family and size, each with whether and why the caller may query it."""
    return Listing.whole(portal.checkpoints.list(actor))


@router.post("", status_code=201, summary="Register a checkpoint")
def add_checkpoint(portal: ThePortal, actor: Signed, body: NewCheckpoint) -> Checkpoint:
    """Coordinators only. Imports the files, pins them by digest and registers the checkpoint as withheld."""
    return portal.checkpoints.add(
        actor, body.source, checkpoint_id=body.checkpoint_id, family=body.family, card=body.card
    )


@router.get("/{checkpoint_id}", summary="Get a checkpoint")
def get_checkpoint(portal: ThePortal, actor: Signed, checkpoint_id: ObjectId) -> CheckpointView:
    """Its manifest, stage and decisions, and whether and why the caller may query it."""
    return portal.checkpoints.get(actor, checkpoint_id)


@router.get(
    "/{checkpoint_id}/tokenizer",
    summary="Download a checkpoint's tokenizer",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "Its files; unpacked, a tokenizer's folder."}},
)
def get_tokenizer(portal: ThePortal, actor: Signed, checkpoint_id: ObjectId) -> Response:
    """For whoever may query the checkpoint: the same ZIP as `/v1/models/{model}/tokenizer`. Never a weight."""
    return zipped(portal.checkpoints.tokenizer(actor, checkpoint_id), f"{checkpoint_id}-tokenizer.zip")


@router.get("/{checkpoint_id}/card", summary="Get the model card of a checkpoint")
def get_card(portal: ThePortal, actor: Signed, checkpoint_id: ObjectId) -> ModelCard:
    """What it is, down to each file; who reaches it, its use and what was found, as far as the caller may know."""
    return portal.model_cards.card(actor, checkpoint_id)
