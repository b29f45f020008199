"""How a prompt is run, in an address: the preset, and what is not as in the preset. The prompt is never part of it."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from model_access.presets import EVERYBODYS, Mode, Recipe
from model_access.runs import RunTerms


def to_address(base: Recipe, recipe: Recipe) -> dict[str, str]:
    """What of the recipe is not as in ``base``, as an address says it."""
    told = recipe.model_dump(mode="json")
    return {name: _written(told[name]) for name in recipe.unlike(base)}


def from_address(base: Recipe, given: Mapping[str, str]) -> Recipe:
    """``base`` with what an address says otherwise; what does not fit is passed over, as anybody can write one."""
    recipe = base
    for name in Recipe.model_fields:
        if name in given:
            try:
                recipe = Recipe.model_validate({**dict(recipe), name: _read(given[name])})
            except ValidationError:
                continue
    return recipe


def of_run(terms: RunTerms) -> dict[str, str] | None:
    """How a run was made, as an address of the playground says it; None where its form cannot say all of it."""
    told = terms.parameters
    scored = bool(told.get("echo")) and not told.get("max_tokens")
    if told.get("logit_bias") or told.get("best_of") or (told.get("echo") and not scored):
        return None
    said = {name: told[name] for name in Recipe.model_fields if name in told}
    if scored:
        said = {"mode": Mode.SCORE, "logprobs": told.get("logprobs")}
    try:
        recipe = Recipe.model_validate(said)
    except ValidationError:
        return None
    address = {"checkpoint": terms.checkpoint_id, "purpose": terms.purpose, "seed": str(terms.seed)}
    return address | {"preset": EVERYBODYS[0].id} | to_address(EVERYBODYS[0].recipe, recipe)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
