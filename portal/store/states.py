"""Current states in memory: what was read or written lately, never older than the last commit."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from portal.store.records import Held

CAPACITY = 20_000
"""Most objects that are kept; those not used for longest go first."""

ABSENT_CAPACITY = 1_000
"""Most objects of which it is kept that there is none; few, so that asking for what is not there displaces nothing."""


class States:
    """Objects by stream. The writer publishes what it committed; readers add what they found in the file.

    A reader may have looked at the file before a commit that is published by the time it comes to add what it found.
    It therefore says at which epoch it began, and what it brings from an earlier one is not taken.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Nothing is kept at first."""
        self._capacity = capacity
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._absent: OrderedDict[str, Held] = OrderedDict()
        self._lock = threading.Lock()
        self._epoch = 0

    def get(self, stream: str) -> Held | None:
        """The object as of the last commit, if it is kept."""
        with self._lock:
            for kept in (self._held, self._absent):
                held = kept.get(stream)
                if held is not None:
                    kept.move_to_end(stream)
                    return held
            return None

    @property
    def epoch(self) -> int:
        """How often something was published."""
        with self._lock:
            return self._epoch

    def add(self, stream: str, held: Held, epoch: int) -> None:
        """Keep what a reader found in the file, which it began to look at in ``epoch``; version 0 for nothing."""
        with self._lock:
            if epoch == self._epoch:
                self._keep(stream, held)

    def publish(self, changed: Mapping[str, Held]) -> None:
        """Keep what has just been committed."""
        with self._lock:
            self._epoch += 1
            for stream, held in changed.items():
                self._keep(stream, held)

    def _keep(self, stream: str, held: Held) -> None:
        kept, most = (self._held, self._capacity) if held.version else (self._absent, ABSENT_CAPACITY)
        if held.version:
            self._absent.pop(stream, None)
        kept[stream] = held
        kept.move_to_end(stream)
        if len(kept) > most:
            kept.popitem(last=False)
