"""Permanent numbers such as ``CDT-2026-0007``: handed out in order, never given twice.

Numbers are read off the rows that exist. One process owns the store, so a lock around reading the last number and
committing the object that takes the next is all the coordination there is to do.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agreements.errors import Invalid

_YEAR_SPAN = 1_000_000

_NUMBER = re.compile(r"^[A-Z]{3}-(?:([0-9]{4})-)?([0-9]{4,6})$")


def ordinal(object_id: str) -> int:
    """The place of an id in its series: the year, if it has one, before the number. Raises Invalid ``bad_id``."""
    found = _NUMBER.match(object_id)
    if not found:
        raise Invalid("bad_id", f"{object_id!r} is not an id of this portal.")
    return int(found[1] or 0) * _YEAR_SPAN + int(found[2])


class Series:
    """One series of ids. ``latest(low, high)`` gives the greatest ordinal taken in ``[low, high)``, or None."""

    def __init__(self, prefix: str, latest: Callable[[int, int], int | None]) -> None:
        self._prefix = prefix
        self._latest = latest
        self._lock = threading.Lock()  # from reading the last number to committing the next

    @contextmanager
    def reserve(self, year: int = 0) -> Iterator[str]:
        """The next id; it is taken only if the block commits it. A ``year`` makes the numbers start over with it."""
        with self._lock:
            low = year * _YEAR_SPAN
            taken = self._latest(low, low + _YEAR_SPAN)
            number = (low if taken is None else taken) - low + 1
            yield f"{self._prefix}-{year:04d}-{number:04d}" if year else f"{self._prefix}-{number:04d}"
