"""Narrowing: what a token opens of what the token it was made from opens; never more (RFC 8693, RFC 9396)."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_serializer

from agreements.actors import TokenBounds
from agreements.deciders import Value
from agreements.scopes import (
    MAX_CHECKPOINTS,
    MAX_PURPOSES,
    Excess,
    Operation,
    PerMinute,
    Scope,
    Slug,
    TokenCount,
    excesses,
)

_SETS = ("checkpoints", "operations", "purposes")
_LIMITS = ("token_budget", "requests_per_minute")


class Narrowing(Value):
    """Checkpoints, operations, purposes and limits. What is left out is as in the token that was narrowed."""

    checkpoints: frozenset[Slug] | None = Field(default=None, min_length=1, max_length=MAX_CHECKPOINTS)
    operations: frozenset[Operation] | None = Field(default=None, min_length=1)
    purposes: frozenset[Slug] | None = Field(default=None, min_length=1, max_length=MAX_PURPOSES)
    token_budget: TokenCount | None = None
    """Prompt and completion tokens, together, over the life of the token."""
    requests_per_minute: PerMinute | None = None

    @field_serializer(*_SETS)
    def _sorted(self, values: frozenset[str] | None) -> list[str] | None:
        return None if values is None else sorted(values)

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in (*_SETS, *_LIMITS))

    def applied(self, scope: Scope) -> Scope:
        """The scope with the dimensions that are named here."""
        return scope.model_copy(update=self._named())

    def bounds(self, token_id: str) -> TokenBounds:
        """The same, as the token's actor carries it."""
        return TokenBounds(token_id=token_id, **self._named())

    def _named(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in (*_SETS, *_LIMITS)}
        return {name: value for name, value in values.items() if value is not None}


def narrowed(scope: Scope, chain: Sequence[Narrowing]) -> Scope:
    """What is left of a grant's scope after a chain of narrowings, the first of them first."""
    for narrowing in chain:
        scope = narrowing.applied(scope)
    return scope


def beyond(child: Narrowing, parent: Scope) -> tuple[Excess, ...]:
    """Every dimension in which a narrowing would be wider than what it narrows; empty if child ⊆ parent."""
    return excesses(child.applied(parent), parent)


def widens(child: Narrowing, chain: Sequence[Narrowing]) -> str:
    """The first dimension in which a narrowing is wider than one above it, whatever the grant says; empty if none.

    Asked at every use: a record that was altered must not open anything.
    """
    for above in chain:
        for name in _SETS:
            wanted, allowed = getattr(child, name), getattr(above, name)
            if wanted is not None and allowed is not None and not wanted <= allowed:
                return name
        for name in _LIMITS:
            wanted, allowed = getattr(child, name), getattr(above, name)
            if wanted is not None and allowed is not None and wanted > allowed:
                return name
    return ""
