"""What an access allows: operations, checkpoints, purposes and limits, and when one scope lies within another."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, field_serializer

from agreements.limits import (
    Apart,
    AtOnce,
    Excess,
    Hours,
    Periods,
    PerMinute,
    RequestCount,
    Sampling,
    TokenCount,
    hours_beyond,
    hours_meet,
    lower,
    over,
    periods_beyond,
    periods_filled,
    periods_meet,
    sampling_beyond,
    sampling_filled,
    sampling_meet,
)
from agreements.precision import Precision, Precisions
from agreements.values import Value, later

__all__ = [
    "Apart",
    "AtOnce",
    "Excess",
    "Moment",
    "Operation",
    "PerMinute",
    "RequestCount",
    "Scope",
    "Slug",
    "TokenCount",
    "excesses",
    "family_selector",
    "filled",
    "meet",
    "precisions_in_words",
]

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
    # What follows came after scopes had been recorded: absent from the bytes while it says nothing.
    request_budget: RequestCount | None = later()
    """Requests over the life of the grant."""
    periods: Periods = Field(default=(), exclude_if=lambda value: not value)
    """Tokens and requests per calendar day, ISO week or month, in UTC."""
    concurrency: AtOnce | None = later()
    """Runs under way at once."""
    sampling: Sampling | None = later()
    hours: Hours | None = later()
    holder_bound: bool = Field(default=False, exclude_if=lambda value: not value)
    """Whether requests must prove the key that their token is bound to (RFC 9449)."""
    output_budget: TokenCount | None = later()
    """Completion tokens alone, over the life of the grant."""
    logit_bias: bool = Field(default=False, exclude_if=lambda value: not value)
    """Whether requests may bias logits: a right, so that what was recorded before it existed does not have it."""
    precisions: Precisions | None = later()
    """In which precisions answers may be computed; None for any."""

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


def excesses(child: Scope, parent: Scope) -> tuple[Excess, ...]:
    """Every dimension in which ``child`` is wider than ``parent``; empty if and only if child ⊆ parent."""
    return tuple(_excesses(child, parent))


def _excesses(child: Scope, parent: Scope) -> Iterator[Excess]:
    for dimension in _SETS:
        wanted, allowed = getattr(child, dimension), getattr(parent, dimension)
        if extra := sorted(wanted - allowed):
            yield Excess(dimension=dimension, message=f"{', '.join(extra)} is not among {', '.join(sorted(allowed))}")
    for dimension in _NUMBERS:
        yield from over(dimension, getattr(child, dimension), getattr(parent, dimension))
    if child.expires_at > parent.expires_at:
        yield Excess(
            dimension="expires_at",
            message=f"{child.expires_at:%Y-%m-%d %H:%M} UTC is after {parent.expires_at:%Y-%m-%d %H:%M} UTC",
        )
    yield from periods_beyond(child.periods, parent.periods)
    yield from sampling_beyond(child.sampling, parent.sampling)
    yield from hours_beyond(child.hours, parent.hours)
    if parent.holder_bound and not child.holder_bound:
        yield Excess(dimension="holder_bound", message="a token that anyone may hold goes beyond one bound to its key")
    if child.logit_bias and not parent.logit_bias:
        yield Excess(dimension="logit_bias", message="biasing logits is not allowed")
    if parent.precisions is not None and not (child.precisions and child.precisions <= parent.precisions):
        wanted, allowed = precisions_in_words(child.precisions), precisions_in_words(parent.precisions)
        yield Excess(dimension="precisions", message=f"{wanted} does not lie within {allowed}")


def precisions_in_words(precisions: frozenset[Precision] | None) -> str:
    """``bfloat16 or int8``, the most exact first; None is any precision."""
    return "any precision" if precisions is None else " or ".join(one for one in Precision if one in precisions)


def meet(one: Scope, other: Scope) -> Scope:
    """The widest scope within both. Raises Apart naming a dimension in which they have nothing in common."""
    sets = {name: getattr(one, name) & getattr(other, name) for name in _SETS}
    for dimension, common in sets.items():
        if not common:
            raise Apart(dimension)
    return one.model_copy(
        update={
            **sets,
            **{name: lower(getattr(one, name), getattr(other, name)) for name in _NUMBERS},
            "expires_at": min(one.expires_at, other.expires_at),
            "periods": periods_meet(one.periods, other.periods),
            "sampling": sampling_meet(one.sampling, other.sampling),
            "hours": hours_meet(one.hours, other.hours),
            "holder_bound": one.holder_bound or other.holder_bound,
            "logit_bias": one.logit_bias and other.logit_bias,
            "precisions": _common(one.precisions, other.precisions),
        }
    )


def filled(scope: Scope, above: Scope) -> Scope:
    """The scope with every finer limit that it leaves unsaid taken from above. What it says is not touched.

    Biasing logits is a right and no limit: it has to be said.
    """
    return scope.model_copy(
        update={
            "request_budget": _said(scope.request_budget, above.request_budget),
            "concurrency": _said(scope.concurrency, above.concurrency),
            "periods": periods_filled(scope.periods, above.periods),
            "sampling": sampling_filled(scope.sampling, above.sampling),
            "hours": scope.hours or above.hours,
            "holder_bound": scope.holder_bound or above.holder_bound,
            "output_budget": _said(scope.output_budget, above.output_budget),
            "precisions": above.precisions if scope.precisions is None else scope.precisions,
        }
    )


def _common(one: frozenset[Precision] | None, other: frozenset[Precision] | None) -> frozenset[Precision] | None:
    if one is None or other is None:
        return other if one is None else one
    if not one & other:
        raise Apart("precisions")
    return one & other


def _said(own: int | None, above: int | None) -> int | None:
    return above if own is None else own


_SETS = ("checkpoints", "operations", "purposes")
_NUMBERS = ("token_budget", "requests_per_minute", "request_budget", "concurrency", "output_budget")
