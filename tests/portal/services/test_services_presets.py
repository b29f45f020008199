"""Presets that people keep."""

import pytest

from agreements.errors import ConcordatError, Conflict, Invalid, NotFound
from model_access.presets import EVERYBODYS, Recipe
from tests.portal.services.world import World

COLD = Recipe(temperature=0.1, top_k=5)


def test_each_keeps_their_own_beside_what_everybody_has(world: World) -> None:
    presets, cleo = world.portal.presets, world.actor("cleo")
    saved = presets.save(cleo, name="  Cold ", recipe=COLD)
    assert (saved.name, saved.recipe, saved.owner_id) == ("Cold", COLD, cleo.person_id)
    assert presets.list(cleo) == (*EVERYBODYS, saved)
    assert presets.list(world.actor("ben")) == tuple(EVERYBODYS)
    assert presets.get(cleo, "greedy").recipe.temperature == 0.0


def test_a_link_opens_it_for_the_institution_and_nobody_else(world: World) -> None:
    presets = world.portal.presets
    saved = presets.save(world.actor("cleo"), name="Cold", recipe=COLD)
    shared = presets.get(world.actor("ben"), saved.id)
    assert (shared.recipe, shared.says) == (COLD, "Kept by Cleo.")
    for stranger in ("dan", "ada"):
        with pytest.raises(NotFound) as refusal:
            presets.get(world.actor(stranger), saved.id)
        assert refusal.value.code == "preset_not_found"


def test_another_recipe_under_the_name_keeps_its_link(world: World) -> None:
    presets, cleo = world.portal.presets, world.actor("cleo")
    first = presets.save(cleo, name="Cold", recipe=COLD)
    second = presets.save(cleo, name="cold", recipe=Recipe(temperature=0.2))
    assert first.id == second.id
    assert presets.get(cleo, first.id).recipe.temperature == 0.2


def test_sent_twice_it_is_kept_once(world: World) -> None:
    presets, cleo = world.portal.presets, world.actor("cleo")
    once = presets.save(cleo, name="Cold", recipe=COLD, idempotency_key="the same key")
    assert presets.save(cleo, name="Cold", recipe=COLD, idempotency_key="the same key") == once


def test_what_is_removed_opens_nothing(world: World) -> None:
    presets, cleo = world.portal.presets, world.actor("cleo")
    saved = presets.save(cleo, name="Cold", recipe=COLD)
    with pytest.raises(NotFound):
        presets.remove(world.actor("ben"), saved.id)
    assert presets.remove(cleo, saved.id).name == "Cold"
    for act in (presets.get, presets.remove):
        with pytest.raises(NotFound):
            act(cleo, saved.id)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("", Invalid, "bad_input"),
        ("x" * 81, Invalid, "bad_input"),
        ("a\u202eb", Invalid, "bad_input"),
        ("two\nlines", Invalid, "bad_input"),
        ("Greedy", Conflict, "preset_name_taken"),
    ],
)
def test_a_name_that_cannot_be_is_refused(world: World, name: str, kind: type[ConcordatError], code: str) -> None:
    with pytest.raises(kind) as refusal:
        world.portal.presets.save(world.actor("cleo"), name=name, recipe=COLD)
    assert refusal.value.code == code
