"""Runs that a screen follows: their pieces gathered in the background, so that the screen stays free to say stop."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from agreements.errors import ConcordatError
from model_access.generation import ChoiceDelta, ChoiceResult, assemble
from model_access.presets import Recipe
from portal.services.active import ActiveRun

Clock = Callable[[], float]
"""Seconds that only grow."""

_REDRAW_S = 0.08
_WAITS_PER_LOOK = 5
"""Where nothing comes a screen draws all the same now and then: a click on Stop is heard only while it draws."""


class Followed(Protocol):
    """What a screen follows until it is over."""

    @property
    def pieces(self) -> int:
        """How many pieces have come."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether it came."""
        ...


def looks(followed: Followed) -> Iterator[None]:
    """Once for every time that it is to be drawn; ends when it is over."""
    drawn, waits = -1, 0
    while not followed.wait(_REDRAW_S):
        waits += 1
        if followed.pieces != drawn or not waits % _WAITS_PER_LOOK:
            drawn = followed.pieces
            yield


@dataclass(frozen=True)
class Asked:
    """What was asked, of each checkpoint alike."""

    prompt: str
    recipe: Recipe
    seed: int
    purpose: str | None


@dataclass(frozen=True)
class Pace:
    """How far a run has come, and how fast. Seconds."""

    tokens: int
    waited_s: float
    """Until the first piece; until now while there is none."""
    took_s: float

    @property
    def per_second(self) -> float | None:
        """Tokens a second from the first piece on; None before there is a second one."""
        writing = self.took_s - self.waited_s
        return (self.tokens - 1) / writing if self.tokens > 1 and writing > 0 else None


@dataclass
class Playing:
    """One run under way in one browser tab. It goes on when the tab closes, and settles by itself."""

    run: ActiveRun
    budget_before: int | None
    clock: Clock = time.monotonic
    stopped: bool = False
    """Whether somebody at the screen stopped it."""
    _deltas: list[ChoiceDelta] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _begun: float = 0.0
    _first: float | None = None
    _last: float | None = None

    def __post_init__(self) -> None:
        self._begun = self.clock()
        threading.Thread(target=self._gather, name=f"follow-{self.run.run_id}", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether the last piece has come and the run is settled."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether it came."""
        return self._over.wait(seconds)

    def stop(self) -> None:
        """Stop between two tokens, unless it is over."""
        if not self.over:
            self.stopped = True
            self.run.cancel()

    def answers(self) -> tuple[ChoiceResult, ...]:
        """The choices as far as they have come."""
        return assemble(tuple(self._deltas))

    @property
    def pieces(self) -> int:
        """How many pieces have come."""
        return len(self._deltas)

    def pace(self) -> Pace:
        """How it goes, or went."""
        tokens = sum(len(delta.token_ids) for delta in tuple(self._deltas))
        until = self.clock() if self._last is None else self._last
        first = until if self._first is None else self._first
        return Pace(tokens=tokens, waited_s=first - self._begun, took_s=until - self._begun)

    def _gather(self) -> None:
        for delta in self.run.deltas():
            if self._first is None:
                self._first = self.clock()
            self._deltas.append(delta)
        self._last = self.clock()
        self._over.set()


@dataclass(frozen=True)
class Column:
    """One checkpoint's part: its run, or why there is none."""

    checkpoint_id: str
    playing: Playing | None = None
    refusal: ConcordatError | None = None


@dataclass(frozen=True)
class Played:
    """The same question to one checkpoint or to several side by side."""

    asked: Asked
    at: datetime
    columns: tuple[Column, ...]

    @property
    def id(self) -> str:
        """The id of its first run; nothing is played without one."""
        return self.run_ids[0]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run, in the order of the columns."""
        return tuple(column.playing.run.run_id for column in self.columns if column.playing is not None)

    @property
    def pieces(self) -> int:
        """How many pieces have come of all runs."""
        return sum(column.playing.pieces for column in self.columns if column.playing is not None)

    @property
    def over(self) -> bool:
        """Whether every run has ended."""
        return all(column.playing is None or column.playing.over for column in self.columns)

    def wait(self, seconds: float) -> bool:
        """Wait for the first run that has not ended, at most so long; whether all have."""
        under_way = next((c.playing for c in self.columns if c.playing is not None and not c.playing.over), None)
        if under_way is not None:
            under_way.wait(seconds)
        return self.over

    def stop(self) -> None:
        """Stop whatever is under way."""
        for column in self.columns:
            if column.playing is not None:
                column.playing.stop()


def begin_each(checkpoint_ids: Sequence[str], begin: Callable[[str], Playing]) -> tuple[Column, ...]:
    """Begin a run of each. One that is refused stands beside the others; raises the refusal if all are."""
    columns = []
    for checkpoint_id in checkpoint_ids:
        try:
            columns.append(Column(checkpoint_id, begin(checkpoint_id)))
        except ConcordatError as refusal:
            columns.append(Column(checkpoint_id, refusal=refusal))
    refusals = [column.refusal for column in columns if column.refusal is not None]
    if len(refusals) == len(columns):
        raise refusals[0]
    return tuple(columns)
