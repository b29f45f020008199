"""How a prompt is run, as fields: kept from screen to screen, and, but for the prompt, by the address.

What is kept is filled in before the fields are drawn: ``remembered`` goes first.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from model_access.manifest import Manifest
from model_access.presets import ALTERNATIVES, EVERYBODYS, MOST_ANSWERS, Mode, Preset, Recipe
from portal.inputs import parse
from portal.pages.context import session_id
from portal.pages.play_address import from_address, to_address
from portal.pages.scratch import PROMPTS
from portal.services.runs import fresh_seed

PROMPT, SEED, PRESET = "play_prompt", "play_seed", "play_preset"
BESIDE, PURPOSE, CHECKPOINT = "play_beside", "play_purpose", "play_checkpoint"
_ADDRESSES = "playground.addresses"
_BASE = "playground.base"

MODES = {Mode.CONTINUE: "Continue the text", Mode.SCORE: "Score the text"}

LEAST_SHARE = 0.01
"""The smallest top-p that the field takes."""


def fill(recipe: Recipe) -> None:
    """Put a recipe into the fields. For use before they are drawn, so also in callbacks."""
    state = st.session_state
    for name, value in recipe:
        if name != "logprobs":
            state[f"play_{name}"] = list(value) if name == "stop" else value
    state["play_top_p"] = max(recipe.top_p, LEAST_SHARE)
    state["play_logprobs"] = recipe.logprobs is not None
    state["play_alternatives"] = ALTERNATIVES if recipe.logprobs is None else recipe.logprobs


def recipe() -> Recipe:
    """The recipe that the fields describe. Raises Invalid naming the first field that does not fit."""
    return parse(Recipe, {name: _value(name) for name in Recipe.model_fields})


def _value(name: str) -> Any:
    state = st.session_state
    if name == "stop":
        return tuple(state["play_stop"])
    if name != "logprobs":
        return state[f"play_{name}"]
    alternatives = int(state["play_alternatives"] or 0)
    # Scoring always reports probabilities: it is told apart only where it is to report other than as usual.
    wanted = state["play_logprobs"] or (state["play_mode"] is Mode.SCORE and alternatives != ALTERNATIVES)
    return alternatives if wanted else None


def seed() -> Any:
    """The seed that was typed, as a number if it is one; a fresh one if none was."""
    typed = str(st.session_state.get(SEED) or "").strip()
    if not typed:
        return fresh_seed()
    return int(typed) if typed.isascii() and typed.isdigit() else typed


def base() -> Preset:
    """The preset that was chosen last."""
    chosen = st.session_state.get(_BASE)
    return chosen if isinstance(chosen, Preset) else EVERYBODYS[0]


def choose(preset: Preset) -> None:
    """Start from a preset. For use before the fields are drawn, so also in callbacks."""
    st.session_state[_BASE] = preset
    st.session_state[PRESET] = preset.id
    fill(preset.recipe)


def remembered(known: Mapping[str, Preset], asked_for: Preset | None) -> None:
    """Fill the fields from an address that came from elsewhere, or as they were left; for the first time, as usual.

    ``known`` are the presets that the person has, ``asked_for`` the one that the address names, if there is such a one.
    """
    state = st.session_state
    given = dict(st.query_params)
    first = _BASE not in state
    # While the browser has not heard of a new address it still tells the one before.
    if first or (given and given not in state.get(_ADDRESSES, ())):
        if first or {"preset", *Recipe.model_fields} & given.keys():
            choose(asked_for or EVERYBODYS[0])
            fill(from_address(base().recipe, given))
            state[SEED] = given.get("seed", "")[:19]
        for name, key in (("checkpoint", CHECKPOINT), ("purpose", PURPOSE)):
            if name in given:
                state[key] = given[name]
        state[BESIDE] = [one for one in given.get("beside", "").split(",") if one]
        state.setdefault(PROMPT, PROMPTS.kept(session_id()))
    if base().id not in known:
        state[_BASE] = EVERYBODYS[0]
        state[PRESET] = EVERYBODYS[0].id


def keep_address() -> None:
    """Let the address say what the fields say, so that a reload or a link brings it back; the prompt is kept aside."""
    state = st.session_state
    told = {"checkpoint": state.get(CHECKPOINT), "purpose": state.get(PURPOSE), "seed": state.get(SEED)}
    address = {name: str(value) for name, value in told.items() if value}
    if state.get(BESIDE):
        address["beside"] = ",".join(state[BESIDE])
    if base().id != EVERYBODYS[0].id:
        address["preset"] = base().id
    address |= changed()
    given = dict(st.query_params)
    PROMPTS.keep(session_id(), state[PROMPT])
    state[_ADDRESSES] = (given, address)
    if given != address:
        st.query_params.from_dict(address)


def changed() -> dict[str, str]:
    """What is not as in the preset, as the address says it; what cannot be is not told."""
    fitting = Recipe()
    for name in Recipe.model_fields:
        fitting = from_address(fitting, to_address(fitting, fitting.model_copy(update={name: _value(name)})))
    return to_address(base().recipe, fitting)


def mode_field() -> None:
    """Whether to continue the text or to score it."""
    st.radio(
        "What to do",
        list(MODES),
        format_func=MODES.__getitem__,
        horizontal=True,
        key="play_mode",
        persist_state="session",
    )


def sampling_fields(manifest: Manifest | None) -> None:
    """Everything else, within what the checkpoint can do."""
    state = st.session_state
    context = manifest.context_length if manifest else 1
    vocabulary = manifest.vocabulary_size if manifest else 1
    state["play_max_tokens"] = min(int(state["play_max_tokens"] or 1), context)
    if state["play_top_k"] is not None:
        state["play_top_k"] = min(int(state["play_top_k"]), vocabulary)
    left, right = st.columns(2)
    left.number_input("Tokens to write, at most", 1, context, key="play_max_tokens", persist_state="session")
    left.number_input("Answers", 1, MOST_ANSWERS, key="play_n", persist_state="session")
    right.number_input(
        "Temperature",
        0.0,
        2.0,
        step=0.05,
        key="play_temperature",
        help="0 always takes the likeliest.",
        persist_state="session",
    )
    right.number_input(
        "Top-p",
        LEAST_SHARE,
        1.0,
        step=0.05,
        key="play_top_p",
        help="Only the fewest most likely tokens that together have this share; 1 cuts nothing off.",
        persist_state="session",
    )
    left.multiselect(
        "Stop at",
        ["\n", "\n\n", "."],
        key="play_stop",
        accept_new_options=True,
        format_func=repr,
        max_selections=16,
        persist_state="session",
    )
    right.number_input(
        "Top-k",
        1,
        vocabulary,
        value=None,
        step=1,
        key="play_top_k",
        placeholder="off",
        help="Only so many most likely tokens are drawn from. Empty cuts nothing off.",
        persist_state="session",
    )
    left.number_input(
        "Presence penalty",
        -2.0,
        2.0,
        step=0.1,
        key="play_presence_penalty",
        help="Taken off the logit of every token that was written before.",
        persist_state="session",
    )
    right.number_input(
        "Frequency penalty",
        -2.0,
        2.0,
        step=0.1,
        key="play_frequency_penalty",
        help="The same, once for each time it was written.",
        persist_state="session",
    )
    left.text_input(
        "Seed (drawn at random if empty)",
        key=SEED,
        max_chars=19,
        help="The same request with the same seed has the same answer, whoever else is served beside it.",
        persist_state="session",
    )
    right.number_input(
        "Alternatives per token",
        0,
        20,
        key="play_alternatives",
        help="How many other likely tokens are shown, where probabilities are.",
        persist_state="session",
    )
