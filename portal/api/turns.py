"""Whose request begins a run next, where many come at once: of the institution that has the fewest being begun.

Beginning a run takes a thread of the server's, and there are few, given out first come first served. Without turns an
institution's flood would stand before everybody else there, and the fair queues of the workers come after it. Whoever
waits for a turn holds no thread. Not thread-safe: turns belong to one event loop, as the threads do.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from agreements.actors import Actor
from agreements.errors import Fixer, Limited
from model_access.worker import Share

MOST_WAITING: Final = 512
"""Requests of one institution that may wait for a turn."""


class Turns:
    """``at_once`` turns, of which one institution has ``of_one`` at most: one that is stuck leaves others theirs."""

    def __init__(self, at_once: int, *, of_one: int, most_waiting: int = MOST_WAITING) -> None:
        self._free, self._of_one, self._most_waiting = at_once, of_one, most_waiting
        self._waiting: dict[Share, deque[asyncio.Future[None]]] = {}
        self._held: Counter[Share] = Counter()
        self._last: dict[Share, int] = {}
        self._number = 0

    @asynccontextmanager
    async def turn(self, actor: Actor) -> AsyncIterator[None]:
        """Wait for a turn of the actor's institution, and within it of the actor's own, and hold it.

        Which grant a request is under is found out only in its turn, so a person's first institution stands for them.
        Raises Limited ``queue_full``.
        """
        asker = Share(next(iter(actor.institution_ids), ""), actor.person_id)
        await self._take(asker)
        try:
            yield
        finally:
            self._give_back(asker)

    async def _take(self, asker: Share) -> None:
        before = sum(len(line) for other, line in self._waiting.items() if other.institution == asker.institution)
        if before >= self._most_waiting:
            raise Limited(
                "queue_full",
                f"{before:,} requests of your institution wait to be begun already; no more may.",
                hint="Send fewer at once.",
                fixer=Fixer.CALLER,
                retry_after_s=1.0,
            )
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asker, deque()).append(mine)
        self._next()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._forget(asker, mine)
            else:
                self._give_back(asker)
            raise

    def _next(self) -> None:
        while self._free and (asker := self._whose()) is not None:
            mine = self._waiting[asker][0]
            self._forget(asker, mine)
            if mine.cancelled():
                continue
            self._number += 1
            for one in (asker, _institution(asker)):
                self._held[one] += 1
                self._last[one] = self._number
            self._free -= 1
            mine.set_result(None)

    def _whose(self) -> Share | None:
        """Who has the fewest turns; of two, whoever has not had one for longer."""
        may = [asker for asker in self._waiting if self._held[_institution(asker)] < self._of_one]
        return min(may, key=lambda asker: (*self._had(_institution(asker)), *self._had(asker)), default=None)

    def _had(self, one: Share) -> tuple[int, int]:
        return self._held[one], self._last.get(one, 0)

    def _give_back(self, asker: Share) -> None:
        self._free += 1
        self._held -= Counter((asker, _institution(asker)))
        self._next()
        if not self._held:
            self._last.clear()

    def _forget(self, asker: Share, mine: "asyncio.Future[None]") -> None:
        line = self._waiting.get(asker, deque())
        if mine in line:
            line.remove(mine)
        if not line:
            self._waiting.pop(asker, None)


def _institution(asker: Share) -> Share:
    return Share(asker.institution)


class _Both:
    """A conversation's beginning waits for a worker to lay it out, so that such have turns of their own.

    Together they leave some of the server's threads to everything else: of 40, or of 28 beside the screens.
    """

    def __init__(self) -> None:
        self.beginnings = Turns(16, of_one=12)
        self.layouts = Turns(8, of_one=6)


_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, _Both] = WeakKeyDictionary()


def beginnings() -> Turns:
    """Turns to begin what needs no worker to be begun."""
    return _both().beginnings


def layouts() -> Turns:
    """Turns to begin what a worker may have to lay out first."""
    return _both().layouts


def _both() -> _Both:
    return _OF_LOOP.setdefault(asyncio.get_running_loop(), _Both())
