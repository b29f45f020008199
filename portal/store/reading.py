"""What a piece of work reads: the objects and their versions, noted as they are looked up."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_noted: ContextVar[dict[str, int] | None] = ContextVar("noted", default=None)


@contextmanager
def reading() -> Iterator[dict[str, int]]:
    """Note the streams of every state that is looked up in this block, with the oldest version that was seen.

    Only looking up states is noted; what a query finds is not.
    """
    noted: dict[str, int] = {}
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def note(stream: str, version: int) -> None:
    """A state was looked up."""
    noted = _noted.get()
    if noted is not None:
        noted[stream] = min(version, noted.get(stream, version))
