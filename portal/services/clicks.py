"""When the portal was asked for what it does: the moment from which the effect of a click is measured."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_received: ContextVar[float | None] = ContextVar("received", default=None)


def clicked(act: Callable[P, R]) -> Callable[P, R]:
    """Let what is written during ``act`` count as asked for when ``act`` was called.

    One act inside another is part of it, so that the outer call counts.
    """

    @wraps(act)
    def measured(*args: P.args, **kwargs: P.kwargs) -> R:
        if _received.get() is not None:
            return act(*args, **kwargs)
        token = _received.set(time.perf_counter())
        try:
            return act(*args, **kwargs)
        finally:
            _received.reset(token)

    return measured


def received_at() -> float:
    """When the act under way was asked for, by ``time.perf_counter``; now, where none is."""
    return _received.get() or time.perf_counter()
