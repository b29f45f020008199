"""Shapes that all of ``/api`` shares: lists in an object, and headers and reasons that recur."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Header, Path, Query
from pydantic import Field

from agreements.deciders import Value

T = TypeVar("T")


class Listing(Value, Generic[T]):
    """A page of a list. ``next`` is the cursor of the following page, null on the last one."""

    items: tuple[T, ...]
    next: str | None = None

    @classmethod
    def whole(cls, items: Sequence[T]) -> "Listing[T]":
        """A list that fits on one page."""
        return cls(items=tuple(items))


class Reason(Value):
    """Why something is ended; kept with it."""

    reason: Annotated[str, Field(max_length=1000)]


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        description="Sent again with the same key, a request changes nothing and answers as the first one did.",
    ),
]

ObjectId = Annotated[str, Path(max_length=128)]
"""The id of the object a route is about."""

PageLimit = Annotated[int, Query(ge=1, le=100, description="How many items a page holds at most.")]
