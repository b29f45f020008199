"""Paging by cursor: opaque to callers, exact in what comes next, unaffected by rows that arrive meanwhile."""

import json
from typing import Annotated

from pydantic import Field

from agreements.canonical import b64decode, b64encode
from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid

PageSize = Annotated[int, Field(ge=1, le=100)]
"""How many rows a page may hold."""


class Place(Value):
    """The last row of a page: its score and its place in the series."""

    score: float
    ordinal: int

    def cursor(self) -> str:
        """The place as a cursor."""
        return b64encode(json.dumps([self.score, self.ordinal]).encode())

    @classmethod
    def of(cls, cursor: str) -> "Place":
        """The place a cursor stands for. Raises Invalid ``bad_cursor``."""
        try:
            score, ordinal = json.loads(b64decode(cursor))
            return cls(score=score, ordinal=ordinal)
        except (ConcordatError, ValueError, TypeError):
            raise Invalid(
                "bad_cursor",
                "The cursor is not one this portal gave out.",
                hint="Start again without it.",
                param="cursor",
            ) from None
