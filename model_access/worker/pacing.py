"""Pieces of an answer at the pace at which they can be read.

A small checkpoint makes hundreds of tokens a second for each of thirty-two choices. A piece for every one of them would
cost the portal and its clients more than the model takes, and nobody sees them come. The first piece of a choice leaves
at once; from then on, what comes within ``EVERY_S`` of the last one leaves as one piece. Of a checkpoint whose steps
take longer every token leaves by itself.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from model_access.engine.engine import Delta, Ended, EngineEvent
from model_access.generation import ChoiceDelta, joined

EVERY_S: Final = 0.025
"""Between two pieces of one choice, at least."""

MOST_TOKENS: Final = 256
"""In one piece, unless the engine gives one with more: no frame grows with the context."""


class Pacing:
    """What the engine made, on its way out. What is held leaves with the next step that is due, or with its end."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._held: dict[tuple[int, int], list[ChoiceDelta]] = {}
        self._left: dict[tuple[int, int], float] = {}
        """When the last piece of each choice left."""

    def paced(self, events: Iterable[EngineEvent]) -> Iterator[EngineEvent]:
        """What leaves after a step that made ``events``: those of one choice in their order, none is lost."""
        for event in events:
            if isinstance(event, Delta):
                yield from self._add(event)
            elif isinstance(event, Ended):
                key = event.ticket, event.index
                yield from self._release(key)
                self._left.pop(key, None)
                yield event
            else:
                yield event
        now = self._monotonic()
        for key in tuple(self._held):
            if now - self._left.get(key, -EVERY_S) >= EVERY_S:
                yield from self._release(key)
                self._left[key] = now

    def called_off(self, ticket: int) -> Iterator[Delta]:
        """What was held of a request that is given up."""
        for key in tuple(self._held):
            if key[0] == ticket:
                yield from self._release(key)
        for key in tuple(self._left):
            if key[0] == ticket:
                del self._left[key]

    def _add(self, event: Delta) -> Iterator[Delta]:
        key = event.ticket, event.delta.index
        held = self._held.get(key, [])
        if sum(len(delta.token_ids) for delta in held) + len(event.delta.token_ids) > MOST_TOKENS:
            yield from self._release(key)
        self._held.setdefault(key, []).append(event.delta)

    def _release(self, key: tuple[int, int]) -> Iterator[Delta]:
        held = self._held.pop(key, None)
        if held:
            yield Delta(key[0], joined(held))
