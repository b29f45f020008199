"""How a prompt is run, as data with a name: a few that everybody has, and those that somebody keeps.

A preset says how, never what: no prompt is in it, so that it may be kept, logged and passed on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, NotFound
from agreements.texts import one_line
from model_access.generation import GenerationRequest, Penalty, Prompt

MOST_KEPT = 50
"""As many presets one person keeps."""

MOST_ANSWERS = 4
ALTERNATIVES = 5
"""Reported for each token unless a recipe says otherwise."""


class Mode(StrEnum):
    """What is done with the prompt."""

    CONTINUE = "continue"
    SCORE = "score"


Stop = Annotated[str, StringConstraints(min_length=1, max_length=256)]
PresetName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(one_line)]


class Recipe(Value):
    """Everything about a run but its prompt, its seed and its checkpoint."""

    mode: Mode = Mode.CONTINUE
    max_tokens: int = Field(default=64, ge=1, le=100_000)
    """Of each answer."""
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    top_k: int | None = Field(default=None, ge=1, le=1_000_000)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    n: int = Field(default=1, ge=1, le=MOST_ANSWERS)
    stop: tuple[Stop, ...] = Field(default=(), max_length=16)
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """How many alternatives to report for each token; None reports no probability. Scoring always reports some."""

    @property
    def scores(self) -> bool:
        """Whether the prompt is scored rather than continued."""
        return self.mode is Mode.SCORE

    def request(self, prompt: Prompt, seed: int) -> GenerationRequest:
        """The request it makes of a prompt. Raises Invalid ``bad_request`` for a prompt or seed that cannot be."""
        alternatives = ALTERNATIVES if self.logprobs is None else self.logprobs
        how: dict[str, Any] = (
            {"max_tokens": 0, "echo": True, "logprobs": alternatives}
            if self.scores
            else self.model_dump(exclude={"mode"})
        )
        return GenerationRequest.parse({**how, "prompts": (prompt,), "seed": seed})

    def unlike(self, other: "Recipe") -> dict[str, Any]:
        """What is not as in ``other``, by name."""
        return {name: value for name, value in dict(self).items() if value != getattr(other, name)}


class Preset(Value):
    """A recipe with a name."""

    id: str
    name: str
    recipe: Recipe
    says: str = ""
    """What it is good for."""
    owner_id: str = ""
    """The person who keeps it; empty for one that everybody has."""


EVERYBODYS: Sequence[Preset] = (
    Preset(id="balanced", name="Balanced", recipe=Recipe(), says="Fluent, and a little different every time."),
    Preset(
        id="greedy",
        name="Greedy",
        recipe=Recipe(temperature=0.0, top_p=1.0),
        says="Always the likeliest token: the same words whatever the seed.",
    ),
    Preset(
        id="top-k-40",
        name="Sampled, as in the 2019 report (top-k 40)",
        recipe=Recipe(temperature=1.0, top_k=40, top_p=1.0, max_tokens=128),
        says="What the samples of the 2019 staged release were drawn with.",
    ),
    Preset(
        id="nucleus",
        name="Nucleus 0.9",
        recipe=Recipe(temperature=1.0, top_p=0.9),
        says="Only the fewest tokens that together have nine tenths of the probability.",
    ),
    Preset(
        id="unchanged",
        name="The model's own distribution",
        recipe=Recipe(temperature=1.0, top_p=1.0),
        says="Nothing cut off: what a measurement of the model itself needs.",
    ),
    Preset(
        id="four",
        name="Four answers, to see how they vary",
        recipe=Recipe(temperature=1.0, top_p=0.95, n=4),
        says="One request, four draws; compare them word by word.",
    ),
    Preset(
        id="certain",
        name="Greedy, with token probabilities",
        recipe=Recipe(temperature=0.0, top_p=1.0, logprobs=ALTERNATIVES),
        says="How sure the model was of each token, and what it nearly wrote.",
    ),
    Preset(
        id="score",
        name="Score a text",
        recipe=Recipe(mode=Mode.SCORE),
        says="Writes nothing: the log-likelihood and the perplexity of what you give.",
    ),
)
"""Good starting points, the first one for whoever chooses none."""

BY_ID: Mapping[str, Preset] = {preset.id: preset for preset in EVERYBODYS}


# ---- what a person keeps -------------------------------------------------------------------------------------------


class Kept(Value):
    """A preset of somebody's own."""

    id: str
    name: str
    recipe: Recipe
    saved_at: datetime


class Shelf(Value):
    """Current state: the presets of one person, in the order in which they were first saved."""

    person_id: str = ""
    presets: tuple[Kept, ...] = ()

    def named(self, name: str) -> Kept | None:
        """The preset of that name, in whatever case it is written."""
        return next((one for one in self.presets if one.name.casefold() == name.casefold()), None)

    def get(self, preset_id: str) -> Kept:
        """One of them. Raises NotFound."""
        for one in self.presets:
            if one.id == preset_id:
                return one
        raise no_such_preset(preset_id)


class PresetSaved(Event, type="presets:saved"):
    """A preset was saved, or one of the same name was given another recipe."""

    person_id: str
    preset_id: str
    name: str
    recipe: Recipe
    at: datetime


class PresetRemoved(Event, type="presets:removed"):
    """A preset was taken off the shelf."""

    person_id: str
    preset_id: str
    at: datetime


class SavePreset(Value):
    """Keep a recipe under a name. ``preset_id`` is used where the name is new."""

    person_id: str
    preset_id: str
    name: PresetName
    recipe: Recipe


class RemovePreset(Value):
    """Keep it no longer."""

    person_id: str
    preset_id: str


PresetCommand = SavePreset | RemovePreset


def no_such_preset(preset_id: str) -> NotFound:
    """The refusal for a preset that is not there, or not for whoever asks."""
    return NotFound(
        "preset_not_found",
        f"There is no preset {preset_id!r} that you may use.",
        hint="Choose another one; its owner may have removed it.",
    )


def decide(state: Shelf, command: PresetCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound or Conflict."""
    if actor.person_id != command.person_id:
        raise Forbidden("not_your_preset", "Everybody looks after their own presets alone.")
    match command:
        case SavePreset():
            if command.name.casefold() in {preset.name.casefold() for preset in EVERYBODYS}:
                raise Conflict("preset_name_taken", f"{command.name!r} is one that everybody has.", hint="Use another.")
            before = state.named(command.name)
            if before is None and len(state.presets) >= MOST_KEPT:
                raise Conflict(
                    "too_many_presets",
                    f"You keep {MOST_KEPT} presets, the most there may be.",
                    hint="Remove one first.",
                )
            if before is not None and before.recipe == command.recipe and before.name == command.name:
                return []
            return [
                PresetSaved(
                    person_id=command.person_id,
                    preset_id=command.preset_id if before is None else before.id,
                    name=command.name,
                    recipe=command.recipe,
                    at=now,
                )
            ]
        case RemovePreset():
            return [
                PresetRemoved(person_id=command.person_id, preset_id=state.get(command.preset_id).id, at=now),
            ]


def evolve(state: Shelf, event: Event) -> Shelf:
    """Fold one event into the state."""
    match event:
        case PresetSaved():
            saved = Kept(id=event.preset_id, name=event.name, recipe=event.recipe, saved_at=event.at)
            known = any(one.id == saved.id for one in state.presets)
            presets = (
                tuple(saved if one.id == saved.id else one for one in state.presets)
                if known
                else (*state.presets, saved)
            )
            return Shelf(person_id=event.person_id, presets=presets)
        case PresetRemoved():
            return state.model_copy(
                update={"presets": tuple(one for one in state.presets if one.id != event.preset_id)}
            )
        case _:
            raise TypeError(f"a shelf of presets has no event {event.type_name!r}")


PRESETS: Decider[Shelf, PresetCommand] = Decider(category="presets", initial=Shelf(), decide=decide, evolve=evolve)
