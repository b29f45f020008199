"""What every clause has: an id, a title, words over its own data, and the effects it compiles to."""

from enum import StrEnum
from string import Formatter
from typing import Annotated

from pydantic import Field, model_validator

from agreements.deciders import Value


class EffectKind(StrEnum):
    """How far software carries a clause."""

    ENFORCED = "enforced"
    """The portal refuses what goes beyond it."""
    DUTY = "duty"
    """A dated obligation that the portal reminds of and records."""
    TRACKED = "tracked"
    """Kept and shown; software cannot stop a breach."""


class Target(StrEnum):
    """What a clause compiles to."""

    GRANT_BOUND = "grant_bound"
    QUOTA = "quota"
    EXPIRY = "expiry"
    CONDITION = "condition"
    """Checked at signature, or on every request."""
    DUTY = "duty"
    TRACKED = "tracked"

    @property
    def label(self) -> str:
        """The target as people read it."""
        return "tracked only" if self is Target.TRACKED else self.value.replace("_", " ")

    @property
    def kind(self) -> EffectKind:
        """How far software carries it."""
        match self:
            case Target.DUTY:
                return EffectKind.DUTY
            case Target.TRACKED:
                return EffectKind.TRACKED
            case _:
                return EffectKind.ENFORCED


class Effect(Value):
    """One consequence of a clause."""

    compiles_to: Target
    summary: str

    @property
    def kind(self) -> EffectKind:
        """Enforced, a duty, or tracked only."""
        return self.compiles_to.kind


TRACKED_ONLY = Effect(compiles_to=Target.TRACKED, summary="Recorded and shown; the portal cannot prevent a breach.")

MAX_RENDERED = 100_000
"""How many characters a clause may come to. A text may cite its data often, and the data may be long."""

WORDS = frozenset({"clause_id", "title", "text", "kind"})
"""The fields of a clause that are not its data."""


class DataField(Value):
    """One piece of a clause's data in words."""

    name: str
    label: str
    lines: tuple[str, ...]
    """One for each entry of a list, such as a named user."""

    @property
    def words(self) -> str:
        """All of it in one line."""
        return "; ".join(self.lines)


class ClauseBase(Value):
    """What every clause has. ``text`` may cite the clause's own fields in braces."""

    clause_id: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9-]*$")]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    text: Annotated[str, Field(min_length=1, max_length=8000)]

    @model_validator(mode="after")
    def _text_fits_data(self) -> "ClauseBase":
        self.rendered()
        return self

    def rendered(self) -> str:
        """The clause as people read it.

        Raises ValueError where the text cites anything but a field of the clause, or grows beyond measure.
        """
        data = self.readable_data()
        words: list[str] = []
        length = 0
        # Only plain field names: format specifications and attribute access have no business in a contract.
        for literal, name, specification, conversion in Formatter().parse(self.text):
            if name is not None and (name not in data or specification or conversion):
                raise ValueError(f"the text of clause {self.clause_id!r} cites {{{name}}}, which it does not have")
            words += [literal, data[name] if name is not None else ""]
            length += len(words[-2]) + len(words[-1])
            if length > MAX_RENDERED:
                raise ValueError(f"the text of clause {self.clause_id!r} comes to over {MAX_RENDERED:,} characters")
        return "".join(words)

    def readable_data(self) -> dict[str, str]:
        """The clause's own data as words; fields that say nothing are absent."""
        named = {name: getattr(self, name) for name in type(self).model_fields if name not in WORDS}
        return {name: readable(value) for name, value in named.items() if value is not None}

    def data_fields(self) -> tuple[DataField, ...]:
        """All that binds beside the words, whether or not the text cites it; whoever signs has to be shown it.

        A text is free to leave its data out, and enforcement follows the data.
        """
        return tuple(
            DataField(name=name, label=label_of(name), lines=_lines(getattr(self, name), words))
            for name, words in self.readable_data().items()
        )

    def effects(self) -> tuple[Effect, ...]:
        """What the clause compiles to; tracked only unless a subclass says more."""
        return (TRACKED_ONLY,)


def label_of(name: str) -> str:
    """The name of a field as people read it."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _lines(value: object, words: str) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return tuple(readable(item) for item in value)
    return (words or "none",)


def readable(value: object) -> str:
    """A value of a clause in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, frozenset):
        return ", ".join(sorted(readable(item) for item in value))
    if isinstance(value, tuple | list):
        return "; ".join(readable(item) for item in value)
    return str(value)


def days(count: int) -> str:
    """A number of days in words."""
    return f"{count:,} day" if count == 1 else f"{count:,} days"
