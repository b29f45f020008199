"""What is under way, and whether it still may be: asked again when something that it rests on has changed.

Whatever runs for somebody is entered here with the question that allowed it. What the portal looked up to answer is
what it rests on. The store tells of each change before whoever asked for the change hears that it is made; from then
on nothing that rests on it goes one step further without the question being asked again, whole, of the live record.
Nothing positive is kept: a yes is good until the next change, and for a second at most, since access also ends by time.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agreements.errors import ConcordatError, Conflict, Unavailable
from portal.services.kernel import ATTEMPTS, Clock
from portal.store import Change, Store, reading

logger = logging.getLogger(__name__)

ASKED_EVERY = timedelta(seconds=1)
"""How long an answer is relied on where nothing changes: by so much may something go on past an end that was known."""

CHANGED_MEANWHILE = "access_changed_meanwhile"
"""The code of what the writer refuses because something changed since the question was asked last."""

Ask = Callable[[], None]
"""Asks anew whether it may go on, of the live record alone. Raises the refusal where it may not."""


class UnderWay:
    """One thing under way: a run, or a job of many. Thread-safe; once refused, it stays refused."""

    def __init__(self, watch: "Watch", name: str, ask: Ask, stop: Callable[[], None]) -> None:
        """Use ``Watch.enter``."""
        self.name = name
        self.given = 0
        """Tokens handed on to whoever asked; counted by the one thread that hands them on."""
        self.refusal: ConcordatError | None = None
        """Why it had to stop, once it had to."""
        self.refused_at: float | None = None
        """When that was known, by ``time.perf_counter``."""
        self._watch = watch
        self._ask = ask
        self._stop = stop
        self._changed = True
        self._asked_at: datetime | None = None
        self._asking = threading.Lock()  # one question at a time, and its answer with what it rests on

    def holds(self) -> ConcordatError | None:
        """Why it may not go on, or None. Asks again where something changed or a second has passed."""
        with self._asking:
            if self.refusal is not None or not self._due():
                return self.refusal
            refusal = self._answer()
            if refusal is None:
                return None
            self.refusal, self.refused_at = refusal, time.perf_counter()
        self._stop()
        return refusal

    def guard(self) -> None:
        """For what it writes. Raises Conflict ``access_changed_meanwhile`` where it has to ask again first."""
        if self._changed or self.refusal is not None:
            raise Conflict(CHANGED_MEANWHILE, "What this rests on changed meanwhile.", hint="Send the request again.")

    def leave(self) -> None:
        """It is over."""
        self._watch.leave(self)

    def changed(self) -> None:
        """Something that it rests on has changed, or is about to."""
        self._changed = True

    def _due(self) -> bool:
        if self._changed or self._asked_at is None:
            return True
        return not timedelta(0) <= self._watch.clock() - self._asked_at < ASKED_EVERY

    def _answer(self) -> ConcordatError | None:
        for _ in range(ATTEMPTS):
            self._changed = False
            self._asked_at = self._watch.clock()
            with reading() as read:
                refusal = _refusal_of(self._ask)
            if refusal is not None:
                return refusal
            # From here on the watch tells of every change to what was read; what changed before that, versions tell.
            new = self._watch.rests_on(self, read)
            if all(self._watch.store.version(stream) == read[stream] for stream in new) and not self._changed:
                return None
        # It was allowed each time; with so much going on it is asked again at the next step.
        self._changed = True
        return None


@dataclass(frozen=True)
class Felt:
    """A change that was made, when, and what was under way on it."""

    change: Change
    committed_at: float
    """By ``time.perf_counter``."""
    under_way: tuple[tuple[UnderWay, int], ...]
    """Each with the tokens that it had handed on by then."""


class Measures(Protocol):
    """Who wants to know what changes came to."""

    def concerns(self, change: Change) -> bool:
        """Whether it is told of this one. Asked by the store's writer: it only looks at the change itself."""
        ...

    def measure(self, felt: Felt) -> None:
        """Told by the watch's own thread, when what had to stop was stopped."""
        ...


class Watch:
    """Everything under way, by what it rests on. It listens to the store, and has a thread that asks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.measures: Measures | None = None
        self._all: dict[UnderWay, set[str]] = {}
        self._by_stream: dict[str, set[UnderWay]] = {}
        self._felt: list[Felt] = []
        self._busy = False
        self._lock = threading.Lock()  # guards the four above; held for looking up only, never while asking
        self._quiet = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="access-watch", daemon=True)
        self._thread.start()
        store.listen(self)

    def enter(self, name: str, ask: Ask, stop: Callable[[], None]) -> UnderWay:
        """Something begins. It has to be asked once before it does anything, and ``leave`` when it is over.

        ``stop`` is called once, from any thread, when the answer is no; it must not wait.
        """
        one = UnderWay(self, name, ask, stop)
        with self._lock:
            first = not self._all
            self._all[one] = set()
        if first:
            self._wake.set()
        return one

    def leave(self, one: UnderWay) -> None:
        """It is over; leaving twice is leaving once."""
        with self._lock:
            for stream in self._all.pop(one, ()):
                there = self._by_stream[stream]
                there.discard(one)
                if not there:
                    del self._by_stream[stream]

    def rests_on(self, one: UnderWay, streams: Iterable[str]) -> tuple[str, ...]:
        """Note what it rests on; returns what was not known before. Nothing is forgotten until it leaves."""
        with self._lock:
            known = self._all.get(one)
            if known is None:
                return ()
            new = tuple(stream for stream in streams if stream not in known)
            known.update(new)
            for stream in new:
                self._by_stream.setdefault(stream, set()).add(one)
            return new

    def admitted(self, streams: Collection[str]) -> None:
        """What rests on these has to ask again. For the store's writer."""
        with self._lock:
            for one in self._resting_on(streams):
                one.changed()

    def committed(self, changes: Sequence[Change]) -> None:
        """What rests on what was changed has to ask again, and is asked. For the store's writer."""
        now = time.perf_counter()
        with self._lock:
            for change in changes:
                resting = self._resting_on(change.after)
                for one in resting:
                    one.changed()
                if resting or (self.measures is not None and self.measures.concerns(change)):
                    self._felt.append(Felt(change, now, tuple((one, one.given) for one in resting)))
            waiting = bool(self._felt)
        if waiting:
            self._wake.set()

    def look(self) -> None:
        """Ask everything under way that is due. The thread does it; a test does it to see the outcome at once."""
        with self._lock:
            present = list(self._all)
        for one in present:
            one.holds()

    def settled(self, timeout_s: float) -> bool:
        """Wait until everything that was changed before this is asked about and measured; whether it was in time."""
        with self._quiet:
            return self._quiet.wait_for(lambda: self._closed or not (self._felt or self._busy), timeout_s)

    def close(self) -> None:
        """Ask no more."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _resting_on(self, streams: Iterable[str]) -> set[UnderWay]:
        return {one for stream in streams for one in self._by_stream.get(stream, ())}

    def _work(self) -> None:
        while not self._closed:
            with self._lock:
                # With nothing under way there is nothing to be asked about; whoever enters first wakes the thread.
                pause = ASKED_EVERY.total_seconds() if self._all else None
            self._wake.wait(pause)
            self._wake.clear()
            with self._lock:
                felt, self._felt, self._busy = self._felt, [], True
            try:
                self.look()
                for one in felt:
                    if self.measures is not None:
                        self.measures.measure(one)
            except Exception as error:  # noqa: BLE001 - the watch goes on, whatever one look came to
                logger.warning("a look at what is under way failed: %s", type(error).__name__)
            with self._quiet:
                self._busy = False
                self._quiet.notify_all()


def _refusal_of(ask: Ask) -> ConcordatError | None:
    """What the question comes to. Where it cannot be answered, the answer is no."""
    try:
        ask()
    except ConcordatError as refusal:
        return refusal
    except Exception as error:  # noqa: BLE001 - whatever keeps the portal from looking, it must not let it go on
        logger.warning("access could not be looked up again: %s", type(error).__name__)
        return Unavailable(
            "access_not_checked", "The portal could not look up the access again.", hint="Send the request again."
        )
    return None
