"""What an access allows: operations, checkpoints, purposes and limits, and when one scope lies within another."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, field_serializer

from agreements.deciders import Value

MAX_CHECKPOINTS = 200
MAX_PURPOSES = 50


class Operation(StrEnum):
    """A thing that can be done with a checkpoint; each is a separate permission."""

    GENERATE = "generate"
    SCORE = "score"
    LOGPROBS = "logprobs"
    EMBED = "embed"
    ACTIVATIONS = "activations"
    FINE_TUNE = "fine_tune"


Slug = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[a-z0-9][a-z0-9._/*-]*$")]
"""A checkpoint id, a family selector (``family/*``) or a purpose."""

TokenCount = Annotated[int, Field(ge=1, le=10**12)]
PerMinute = Annotated[int, Field(ge=1, le=100_000)]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the moment is outside the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with its zone, kept in UTC; one without a zone is refused."""


def family_selector(family: str) -> str:
    """The selector that covers every member of a family that has reached partner access."""
    return f"{family}/*"


class Scope(Value):
    """Checkpoints × operations × purposes × limits × time. A checkpoint is named by id, or by ``family/*``."""

    checkpoints: frozenset[Slug] = Field(min_length=1, max_length=MAX_CHECKPOINTS)
    operations: frozenset[Operation] = Field(min_length=1)
    purposes: frozenset[Slug] = Field(min_length=1, max_length=MAX_PURPOSES)
    token_budget: TokenCount
    """Prompt and completion tokens, together, over the life of the grant."""
    requests_per_minute: PerMinute
    expires_at: Moment

    @field_serializer("checkpoints", "operations", "purposes")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        # The canonical bytes of a scope must not depend on set order.
        return sorted(values)

    def names(self, checkpoint_id: str) -> bool:
        """Whether the checkpoint is named by its own id."""
        return checkpoint_id in self.checkpoints

    def covers_family(self, family: str) -> bool:
        """Whether the scope covers the family by selector."""
        return family_selector(family) in self.checkpoints


class Excess(Value):
    """One dimension in which a scope goes beyond another."""

    dimension: str
    message: str


def excesses(child: Scope, parent: Scope) -> tuple[Excess, ...]:
    """Every dimension in which ``child`` is wider than ``parent``; empty if and only if child ⊆ parent."""
    found: list[Excess] = []
    sets: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
        ("checkpoints", child.checkpoints, parent.checkpoints),
        ("operations", frozenset(child.operations), frozenset(parent.operations)),
        ("purposes", child.purposes, parent.purposes),
    )
    for dimension, wanted, allowed in sets:
        if extra := sorted(wanted - allowed):
            found.append(
                Excess(dimension=dimension, message=f"{', '.join(extra)} is not among {', '.join(sorted(allowed))}")
            )
    numbers = (
        ("token_budget", child.token_budget, parent.token_budget),
        ("requests_per_minute", child.requests_per_minute, parent.requests_per_minute),
    )
    found += [
        Excess(dimension=dimension, message=f"{wanted:,} is more than {allowed:,}")
        for dimension, wanted, allowed in numbers
        if wanted > allowed
    ]
    if child.expires_at > parent.expires_at:
        found.append(
            Excess(
                dimension="expires_at",
                message=f"{child.expires_at:%Y-%m-%d %H:%M} UTC is after {parent.expires_at:%Y-%m-%d %H:%M} UTC",
            )
        )
    return tuple(found)
