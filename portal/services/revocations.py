"""How fast what was taken away was gone: measured at each act, from the click to the first refusal.

It is a measurement of this machine, not a record of governance: the act itself and every run that it stopped are in the
log. It is kept in a small file beside the database, the latest acts only. The file holds ids, numbers and times.
"""

import json
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import ConcordatError, Forbidden
from portal.services.probes import Probes
from portal.services.under_way import Felt
from portal.services.withdrawals import called, losing
from portal.store import Change

KEPT = 500
"""Acts that are remembered."""
_STREAMS = 100
_BATCH = "batch_"


class Revocation(Value):
    """One act that took access away, and how long that took. Times are in milliseconds from the click."""

    position: int = Field(ge=0)
    """The log entry with which it begins."""
    what: str
    about: str
    """The object it was done to, as ``kind/id``."""
    others: tuple[str, ...] = ()
    """What else lost access by it, below that object."""
    by: str
    """Who did it, by id."""
    at: datetime
    commit_ms: float
    """Until it was durable."""
    refused_ms: float | None
    """Until the portal first refused what was open before; None where nobody was there to be refused."""
    everywhere_ms: float | None
    """Until everything that was asked again had been refused."""
    asked: int = 0
    """How many were asked about again, holders and tokens."""
    still_open: int = 0
    """How many of those were allowed all the same: on another ground, or by what a narrowing left."""
    runs: tuple[str, ...] = ()
    """What was stopped under way: runs, and whole batches, by their ids."""
    tokens_after: int = 0
    """Tokens that those handed on after the act was durable."""

    @property
    def stopped_runs(self) -> tuple[str, ...]:
        """Single runs, a batch's lines among them."""
        return tuple(one for one in self.runs if not one.startswith(_BATCH))

    @property
    def stopped_batches(self) -> tuple[str, ...]:
        """Batches that were under way, each besides its lines."""
        return tuple(one for one in self.runs if one.startswith(_BATCH))


class Spread(Value):
    """How a measure is spread over the acts, in milliseconds."""

    median: float
    p95: float
    most: float


class RevocationReport(Value):
    """The latest acts, newest first, and how fast they were."""

    items: tuple[Revocation, ...]
    commit: Spread | None
    refused: Spread | None
    runs_stopped: int
    tokens_after: int


class Revocations:
    """Measures, remembers and reports. Thread-safe."""

    def __init__(self, path: Path, probes: Probes, settled: Callable[[float], bool]) -> None:
        """``path`` is read if it is there; lines that cannot be read are left out. ``settled`` waits for the watch."""
        self._path = path
        self._probes = probes
        self._settled = settled
        self._lock = threading.Lock()
        lines: list[str] = []
        with suppress(OSError, ValueError):
            lines = path.read_text(encoding="utf-8").splitlines()
        self._acts = deque((act for line in lines if (act := _read(line)) is not None), maxlen=KEPT)
        if len(lines) > 2 * KEPT:
            self._write_all()

    def concerns(self, change: Change) -> bool:
        """Whether a change takes access away."""
        return called(change) is not None

    def measure(self, felt: Felt) -> None:
        """Ask again who has lost access, and note how long it took until they were refused."""
        change = felt.change
        name = called(change)
        received = change.request.received
        stopped = [
            (one, given) for one, given in felt.under_way if one.refused_at and one.refused_at >= felt.committed_at
        ]
        if received is None or (name is None and not stopped):
            return
        refusals = [one.refused_at for one, _ in stopped if one.refused_at is not None]
        asked = still_open = 0
        for ask in self._probes.of(change):
            asked += 1
            try:
                ask()
            except ConcordatError:
                refusals.append(time.perf_counter())
            else:
                still_open += 1
        streams = losing(change) or tuple(change.after)
        self._note(
            Revocation(
                position=change.committed.positions.start,
                what=name or "Other change",
                about=streams[0],
                others=streams[1:_STREAMS],
                by=change.request.actor.person_id,
                at=change.request.at,
                commit_ms=_ms(felt.committed_at - received),
                refused_ms=_ms(min(refusals) - received) if refusals else None,
                everywhere_ms=_ms(max(refusals) - received) if refusals else None,
                asked=asked,
                still_open=still_open,
                runs=tuple(sorted(one.name for one, _ in stopped))[:_STREAMS],
                tokens_after=sum(one.given - given for one, given in stopped),
            )
        )

    def report(self, actor: Actor) -> RevocationReport:
        """The latest acts, for coordinators. Raises Forbidden ``not_coordinator``."""
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator sees how fast revocations took effect.")
        with self._lock:
            acts = tuple(reversed(self._acts))
        return RevocationReport(
            items=acts,
            commit=_spread([act.commit_ms for act in acts]),
            refused=_spread([act.refused_ms for act in acts if act.refused_ms is not None]),
            runs_stopped=sum(len(act.stopped_runs) for act in acts),
            tokens_after=sum(act.tokens_after for act in acts),
        )

    def latest(self, stream: str, *, wait_s: float = 0.0) -> Revocation | None:
        """The latest act by which an object lost access, for who may see that object.

        ``wait_s`` waits that long at most for what was done just now.
        """
        if wait_s:
            self._settled(wait_s)
        with self._lock:
            return next((act for act in reversed(self._acts) if stream == act.about or stream in act.others), None)

    def _note(self, act: Revocation) -> None:
        with self._lock:
            self._acts.append(act)
            with suppress(OSError), os.fdopen(os.open(self._path, _APPEND, 0o600), "a", encoding="utf-8") as file:
                file.write(_line(act))

    def _write_all(self) -> None:
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            with os.fdopen(os.open(part, _ANEW, 0o600), "w", encoding="utf-8") as file:
                file.writelines(map(_line, self._acts))
            part.replace(self._path)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def says(act: Revocation) -> str:
    """How fast it was, in one sentence."""
    batches = [_number(act.stopped_batches, "batch", "batches")] if act.stopped_batches else []
    single = [_number(act.stopped_runs, "run", "runs")] if act.stopped_runs or not batches else []
    runs = f"{' and '.join(batches + single)} stopped"
    if act.refused_ms is None or act.everywhere_ms is None:
        return f"In force {act.commit_ms:.0f} ms after the click; nobody was there to be refused."
    if act.still_open:
        return f"First refused {act.refused_ms:.0f} ms after the click; {runs}."
    return f"Refused everywhere {act.everywhere_ms:.0f} ms after the click; {runs}."


def _number(found: Sequence[str], one: str, many: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else many}"


def _spread(values: Sequence[float]) -> Spread | None:
    """Median, 95th percentile and maximum, by nearest rank."""
    if not values:
        return None
    ordered = sorted(values)

    def rank(share: float) -> float:
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]

    return Spread(median=rank(0.5), p95=rank(0.95), most=ordered[-1])


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)


def _line(act: Revocation) -> str:
    return json.dumps(act.model_dump(mode="json"), separators=(",", ":")) + "\n"


def _read(line: str) -> Revocation | None:
    try:
        return Revocation.model_validate_json(line)
    except ValidationError:
        return None
