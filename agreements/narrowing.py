"""Narrowing: what a token opens of what the token it was made from opens; never more (RFC 8693, RFC 9396)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import Field, field_serializer

from agreements.limits import (
    AtOnce,
    Excess,
    Hours,
    Periods,
    PerMinute,
    RequestCount,
    Sampling,
    TokenCount,
    hours_beyond,
    over,
    periods_beyond,
    periods_filled,
    sampling_beyond,
    sampling_filled,
)
from agreements.precision import Precisions
from agreements.scopes import MAX_CHECKPOINTS, MAX_PURPOSES, Operation, Scope, Slug, excesses, family_selector
from agreements.values import Value, later

_SETS = ("checkpoints", "operations", "purposes")
_NUMBERS = ("token_budget", "requests_per_minute", "request_budget", "concurrency", "output_budget")

LIMITS = (*_NUMBERS, "periods", "sampling", "hours", "logit_bias", "precisions")
"""The dimensions that say how much, how and when; the others say what."""

FamilyOf = Callable[[str], str]
"""The family of a checkpoint, by the checkpoint's id; empty where nothing is registered under it."""


class Narrowing(Value):
    """Checkpoints, operations, purposes and limits. What is left out is as in the token that was narrowed."""

    checkpoints: frozenset[Slug] | None = Field(default=None, min_length=1, max_length=MAX_CHECKPOINTS)
    """Ids and family selectors. A selector above covers its own members, which may be named one by one."""
    operations: frozenset[Operation] | None = Field(default=None, min_length=1)
    purposes: frozenset[Slug] | None = Field(default=None, min_length=1, max_length=MAX_PURPOSES)
    token_budget: TokenCount | None = None
    """Prompt and completion tokens, together, over the life of the token."""
    requests_per_minute: PerMinute | None = None
    # What follows came after narrowings had been recorded: absent from the bytes while it says nothing.
    request_budget: RequestCount | None = later()
    """Requests over the life of the token."""
    periods: Periods = Field(default=(), exclude_if=lambda value: not value)
    """Tokens and requests per calendar day, ISO week or month, in UTC."""
    concurrency: AtOnce | None = later()
    """Runs under way at once."""
    sampling: Sampling | None = later()
    hours: Hours | None = later()
    output_budget: TokenCount | None = later()
    """Completion tokens alone, over the life of the token."""
    logit_bias: bool | None = later()
    """Whether requests may bias logits: False takes the right away, True only says that it is meant to stay."""
    precisions: Precisions | None = later()
    """In which precisions answers may be computed."""

    @field_serializer(*_SETS)
    def _sorted(self, values: frozenset[str] | None) -> list[str] | None:
        return None if values is None else sorted(values)

    def __bool__(self) -> bool:
        return bool(self._said())

    @property
    def limits_use(self) -> bool:
        """Whether it says how much or how often: whether a run is charged to it."""
        return bool(self.periods) or any(getattr(self, name) is not None for name in _NUMBERS)

    def applied(self, scope: Scope) -> Scope:
        """The scope with the dimensions that are named here; of sampling and periods, each limit by itself."""
        said = self._said()
        if self.periods:
            said["periods"] = periods_filled(self.periods, scope.periods)
        if self.sampling is not None:
            said["sampling"] = sampling_filled(self.sampling, scope.sampling)
        return scope.model_copy(update=said)

    def _said(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in (*_SETS, *LIMITS)}
        return {name: value for name, value in values.items() if value is not None and value != ()}


def narrowed(scope: Scope, chain: Sequence[Narrowing]) -> Scope:
    """What is left of a grant's scope after a chain of narrowings, the first of them first."""
    for narrowing in chain:
        scope = narrowing.applied(scope)
    return scope


def beyond(child: Narrowing, parent: Scope, family_of: FamilyOf) -> tuple[Excess, ...]:
    """Every dimension in which a narrowing would be wider than what it narrows; empty if child ⊆ parent."""
    applied = child.applied(parent)
    covered = _covered(applied.checkpoints, parent.checkpoints, family_of)
    return excesses(applied.model_copy(update={"checkpoints": covered}), parent)


def widens(child: Narrowing, chain: Sequence[Narrowing], family_of: FamilyOf) -> str:
    """The first dimension in which a narrowing is wider than one above it, whatever the grant says; empty if none.

    Asked at every use: a record that was altered must not open anything.
    """
    return next((dimension for above in chain for dimension in _wider(child, above, family_of)), "")


def _wider(child: Narrowing, above: Narrowing, family_of: FamilyOf) -> Iterator[str]:
    for name in _SETS:
        wanted, allowed = getattr(child, name), getattr(above, name)
        if wanted is None or allowed is None:
            continue
        if name == "checkpoints":
            wanted = _covered(wanted, allowed, family_of)
        if not wanted <= allowed:
            yield name
    for name in _NUMBERS:
        allowed = getattr(above, name)
        wanted = getattr(child, name)
        yield from (one.dimension for one in over(name, allowed if wanted is None else wanted, allowed))
    # What is left out is as above it, here too.
    periods, sampling = periods_filled(child.periods, above.periods), sampling_filled(child.sampling, above.sampling)
    yield from (one.dimension for one in periods_beyond(periods, above.periods))
    yield from (one.dimension for one in sampling_beyond(sampling, above.sampling))
    yield from (one.dimension for one in hours_beyond(child.hours or above.hours, above.hours))
    if child.logit_bias and above.logit_bias is False:
        yield "logit_bias"
    if above.precisions is not None and not (child.precisions or above.precisions) <= above.precisions:
        yield "precisions"


def _covered(names: frozenset[str], allowed: frozenset[str], family_of: FamilyOf) -> frozenset[str]:
    """The names, each that a selector of ``allowed`` covers replaced by that selector."""
    return frozenset(_selected(name, allowed, family_of) for name in names)


def _selected(name: str, allowed: frozenset[str], family_of: FamilyOf) -> str:
    if name in allowed:
        return name
    family = family_of(name)
    return family_selector(family) if family and family_selector(family) in allowed else name
