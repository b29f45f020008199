"""How a prompt is run, and what of it a person keeps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import Actor
from agreements.errors import ConcordatError, Forbidden, NotFound
from model_access.presets import (
    BY_ID,
    EVERYBODYS,
    MOST_KEPT,
    PRESETS,
    Mode,
    PresetCommand,
    Recipe,
    RemovePreset,
    SavePreset,
    Shelf,
)

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
CLEO = Actor(person_id="per_cleo", name="Cleo")

recipes = st.builds(
    Recipe,
    mode=st.sampled_from(Mode),
    max_tokens=st.integers(1, 500),
    temperature=st.floats(0, 2),
    top_k=st.none() | st.integers(1, 50),
    top_p=st.floats(0.01, 1),
    n=st.integers(1, 4),
    stop=st.lists(st.text(min_size=1, max_size=4), max_size=3).map(tuple),
    logprobs=st.none() | st.integers(0, 20),
)


def done(state: Shelf, command: PresetCommand, actor: Actor = CLEO, at: datetime = NOW) -> Shelf:
    """The shelf after one command."""
    return PRESETS.fold(PRESETS.decide(state, command, actor, at), state)


def save(name: str, recipe: Recipe | None = None, preset_id: str = "pre_1") -> SavePreset:
    """Cleo keeps something."""
    return SavePreset(person_id="per_cleo", preset_id=preset_id, name=name, recipe=recipe or Recipe())


@given(recipes)
def test_every_recipe_is_a_request(recipe: Recipe) -> None:
    request = recipe.request("Once", 7)
    assert (request.prompts, request.seed) == (("Once",), 7)
    if recipe.scores:
        assert (request.max_tokens, request.echo, request.n, request.temperature) == (0, True, 1, 1.0)
        assert request.logprobs is not None
    else:
        assert (request.max_tokens, request.temperature, request.top_k) == (
            recipe.max_tokens,
            recipe.temperature,
            recipe.top_k,
        )
        assert not request.echo


def test_those_that_everybody_has_are_told_apart_and_explained() -> None:
    assert len(BY_ID) == len(EVERYBODYS) == len({preset.name.casefold() for preset in EVERYBODYS})
    assert all(preset.says for preset in EVERYBODYS)
    assert BY_ID["top-k-40"].recipe.top_k == 40
    assert BY_ID["score"].recipe.scores


def test_what_is_unlike_is_named() -> None:
    assert Recipe(temperature=0.0, n=2).unlike(Recipe()) == {"temperature": 0.0, "n": 2}
    assert Recipe().unlike(Recipe()) == {}


@given(st.lists(st.tuples(st.sampled_from(["One", "one", "Two", "Three"]), recipes), max_size=12))
def test_a_name_stands_for_the_recipe_that_was_saved_last(saves: list[tuple[str, Recipe]]) -> None:
    shelf, wanted = Shelf(), {}
    for number, (name, recipe) in enumerate(saves):
        shelf = done(shelf, save(name, recipe, f"pre_{number}"), at=NOW + timedelta(seconds=number))
        wanted[name.casefold()] = recipe
    assert {kept.name.casefold(): kept.recipe for kept in shelf.presets} == wanted
    assert len({kept.id for kept in shelf.presets}) == len(shelf.presets)


def test_what_is_saved_again_unchanged_is_no_event() -> None:
    shelf = done(Shelf(), save("Mine"))
    assert PRESETS.decide(shelf, save("Mine"), CLEO, NOW) == []


def test_one_that_is_removed_is_gone() -> None:
    shelf = done(Shelf(), save("Mine"))
    remove = RemovePreset(person_id="per_cleo", preset_id="pre_1")
    assert done(shelf, remove).presets == ()
    with pytest.raises(NotFound, match="no preset"):
        done(Shelf(), remove)


@pytest.mark.parametrize("command", [save("Mine"), RemovePreset(person_id="per_cleo", preset_id="pre_1")])
def test_nobody_touches_the_shelf_of_another(command: PresetCommand) -> None:
    shelf = done(Shelf(), save("Mine"))
    with pytest.raises(Forbidden) as refusal:
        done(shelf, command, Actor(person_id="per_eve", name="Eve"))
    assert refusal.value.code == "not_your_preset"


def code(state: Shelf, command: PresetCommand) -> str:
    """Why it is refused."""
    with pytest.raises(ConcordatError) as refusal:
        PRESETS.decide(state, command, CLEO, NOW)
    return refusal.value.code


def test_names_of_everybodys_and_more_than_the_most_are_refused() -> None:
    assert code(Shelf(), save("greedy")) == "preset_name_taken"
    full = Shelf()
    for number in range(MOST_KEPT):
        full = done(full, save(f"Number {number}", preset_id=f"pre_{number}"))
    assert code(full, save("One more", preset_id="pre_more")) == "too_many_presets"
    assert done(full, save("number 3", Recipe(n=2))).get("pre_3").recipe.n == 2
