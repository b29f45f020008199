"""Presets: how a prompt is run, with a name. Everybody has a few; each caller keeps their own."""

from fastapi import APIRouter

from agreements.deciders import Value
from model_access.presets import Preset, PresetName, Recipe
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId

router = APIRouter(prefix="/presets", tags=["runs"])


class NewPreset(Value):
    """What is kept: how a prompt is run, never the prompt."""

    name: PresetName
    """One that you have already gets the new recipe."""
    recipe: Recipe


@router.get("", summary="List presets")
def list_presets(portal: ThePortal, actor: Signed) -> Listing[Preset]:
    """Those that everybody has, then your own."""
    return Listing.whole(portal.presets.list(actor))


@router.get("/{preset_id}", summary="Get a preset")
def get_preset(portal: ThePortal, actor: Signed, preset_id: ObjectId) -> Preset:
    """One that everybody has, your own, or one of somebody of your institution whose id you were given."""
    return portal.presets.get(actor, preset_id)


@router.post("", summary="Keep a preset", status_code=201)
def save_preset(portal: ThePortal, actor: Signed, body: NewPreset, idempotency_key: IdempotencyKey = None) -> Preset:
    """For you; whoever of your institution has its id can use it."""
    return portal.presets.save(actor, name=body.name, recipe=body.recipe, idempotency_key=idempotency_key)


@router.post("/{preset_id}/remove", summary="Remove a preset")
def remove_preset(portal: ThePortal, actor: Signed, preset_id: ObjectId) -> Preset:
    """Your own; links to it end."""
    return portal.presets.remove(actor, preset_id)
