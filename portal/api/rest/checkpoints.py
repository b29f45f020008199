"""Checkpoints: the registry, with what the caller may do with each."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from agreements.deciders import Value
from model_access.registry import Card, Checkpoint
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, ObjectId
from portal.services.checkpoints import CheckpointView

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
