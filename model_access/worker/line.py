"""What waits in front of one checkpoint's worker, what runs in it, and when whose turn comes."""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from agreements.errors import Fixer, Limited
from model_access.worker.fairness import FairQueue, Share, Taken
from model_access.worker.pace import Pace, Served
from model_access.worker.status import InstitutionLine, Place
from model_access.worker.tickets import InFlight, Ticket

SLOTS = 32
"""How many choices a worker decodes at once."""
MOST_WAITING = 512
"""Requests of one institution that may wait for one checkpoint."""

_WIDEST = 8
"""Slots that one request counts as at most; the engine begins the rest of its choices in turn with other requests."""
_ORDER_KEPT_S = 1.0
"""For so long who is served in which order is not worked out anew, however many ask where they stand."""
_NEW = 0.1
"""How much the latest request tells of what requests take, out of what they may."""


@dataclass(eq=False)
class Waiting:
    """One request, from when it is handed in until it is over."""

    number: int
    frame: bytes
    in_flight: InFlight
    ticket: Ticket
    share: Share
    cost: int
    """Tokens it may take: its prompts', and all that it may generate."""
    rows: int
    """Choices it decodes at once, if all find room."""
    used: int = 0
    """Tokens it has taken so far."""
    taken: Taken[int] | None = field(default=None, repr=False)
    """Set while it runs."""


class Line:
    """Fair by ``fairness``, ``slots`` wide. Not thread-safe but for ``pace``: the pool's lock guards it."""

    def __init__(
        self,
        weight_of: Callable[[str], float],
        *,
        slots: int = SLOTS,
        most_waiting: int = MOST_WAITING,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = slots
        self.pace = Pace(monotonic)
        self._monotonic = monotonic
        self._most_waiting = most_waiting
        self._queue: FairQueue[int] = FairQueue(weight_of)
        self._waiting: dict[int, Waiting] = {}
        self._running: dict[int, Waiting] = {}
        self._served = Served(monotonic)
        self._thrift = 1.0
        self._order: tuple[int, ...] = ()
        self._ordered_at = -math.inf

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def slots_in_use(self) -> int:
        """How many of ``slots`` are taken; a wide request may go over by what it is wide."""
        return sum(self._width(one) for one in self._running.values())

    def require_room(self, share: Share) -> None:
        """Raises Limited ``queue_full`` where so many of the institution's requests wait that no more may."""
        before = sum(one.share.institution == share.institution for one in self._waiting.values())
        if before >= self._most_waiting:
            wait = self._seconds(sum(one.cost for one in self._waiting.values()) * self._thrift)
            raise Limited(
                "queue_full",
                f"{before:,} requests of your institution wait for this checkpoint already; no more may.",
                hint="Wait for some to end, or send fewer at once.",
                fixer=Fixer.CALLER,
                retry_after_s=max(1.0, min(wait or 5.0, 600.0)),
            )

    def add(self, one: Waiting, *, first: bool = False) -> None:
        """Let it wait for its turn."""
        self._waiting[one.number] = one
        self._queue.add(one.number, one.share, one.cost, first=first)

    def next(self) -> Waiting | None:
        """Whose turn it is, if there is room; it runs from now on."""
        if self.slots_in_use >= self.slots:
            return None
        taken = self._queue.take()
        if taken is None:
            return None
        if not self._running:
            self.pace.begin()
        one = self._waiting.pop(taken.key)
        one.taken = taken
        self._running[one.number] = one
        return one

    def put_back(self, one: Waiting) -> None:
        """It could not be begun after all: it is the next of its holder's."""
        self.ended(one)
        self.add(one, first=True)

    def remove(self, one: Waiting) -> bool:
        """Let it wait no more; False if it did not."""
        if self._waiting.pop(one.number, None) is None:
            return False
        return self._queue.remove(one.number)

    def drain(self) -> list[Waiting]:
        """Everything that waits; nothing does afterwards."""
        left = list(self._waiting.values())
        for one in left:
            self.remove(one)
        return left

    def made(self, one: Waiting, tokens: int) -> None:
        """It has taken so many tokens more."""
        one.used += tokens
        self.pace.made(tokens)
        self._served.add(one.share.institution, tokens)

    def ended(self, one: Waiting, *, well: bool = False) -> None:
        """It runs no more; whether it ran to its end by itself. Told twice, once counts."""
        if one.taken is None or self._running.pop(one.number, None) is None:
            return
        self._queue.settle(one.taken, one.used)
        one.taken = None
        if well:
            self._thrift += _NEW * (one.used / one.cost - self._thrift)
        if not self._running:
            self.pace.rest()

    def place(self, one: Waiting) -> Place | None:
        """Where it stands while it waits; None once it runs or is over. Who came since a second ago may not count."""
        if one.number not in self._waiting:
            return None
        ahead = [self._waiting[number] for number in self._ahead_of(one.number) if number in self._waiting]
        tokens = sum(other.cost for other in ahead)
        # Somebody has to end before the first in the queue begins: taken to be half done, as any of those that run.
        tokens += sum(max(0, running.cost - running.used) for running in self._running.values()) // (
            2 * max(1, len(self._running))
        )
        return Place(position=len(ahead) + 1, waiting=len(self._waiting), about_s=self._seconds(tokens * self._thrift))

    def _ahead_of(self, number: int) -> tuple[int, ...]:
        now = self._monotonic()
        if now - self._ordered_at >= _ORDER_KEPT_S or number not in self._order:
            self._order, self._ordered_at = tuple(self._queue.order()), now
        return self._order[: self._order.index(number)]

    def institutions(self) -> tuple[InstitutionLine, ...]:
        """Who waits, who runs, and what went to whom lately."""
        served = self._served.lately()
        waiting = Counter(one.share.institution for one in self._waiting.values())
        batch = Counter(one.share.institution for one in self._waiting.values() if one.share.batch)
        tokens: Counter[str] = Counter()
        for one in self._waiting.values():
            tokens[one.share.institution] += one.cost
        running = Counter(one.share.institution for one in self._running.values())
        return tuple(
            InstitutionLine(
                institution_id=name,
                waiting=waiting[name],
                waiting_batch=batch[name],
                waiting_tokens=tokens[name],
                running=running[name],
                served_tokens=served.get(name, 0),
            )
            for name in sorted({*served, *waiting, *running})
        )

    def _seconds(self, tokens: float) -> float | None:
        pace = self.pace.tokens_per_s
        return None if pace is None else tokens / pace

    def _width(self, one: Waiting) -> int:
        return min(one.rows, _WIDEST, self.slots)
