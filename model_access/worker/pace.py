"""How fast a worker has lately been, and who it worked for: measured, never assumed."""

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping

_MEMORY_S = 30.0
"""Busy seconds after which a measurement counts a third."""
_LEAST_BUSY_S = 0.2
"""Before that nothing is said."""
_SERVED_WINDOW_S = 600.0
_SERVED_STEP_S = 10.0


class Pace:
    """Tokens per busy second, prompt and generated alike. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._tokens = self._busy_s = 0.0
        self._since: float | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """There is work from now on."""
        with self._lock:
            self._since = self._monotonic()

    def made(self, tokens: int) -> None:
        """So many tokens more were worked off."""
        with self._lock:
            self._advance()
            self._tokens += tokens

    def rest(self) -> None:
        """There is no work any more."""
        with self._lock:
            self._advance()
            self._since = None

    @property
    def tokens_per_s(self) -> float | None:
        """None while too little was measured."""
        with self._lock:
            return self._tokens / self._busy_s if self._busy_s >= _LEAST_BUSY_S and self._tokens else None

    def _advance(self) -> None:
        now = self._monotonic()
        spent = 0.0 if self._since is None else max(0.0, now - self._since)
        fade = math.exp(-spent / _MEMORY_S)
        self._tokens *= fade
        self._busy_s = self._busy_s * fade + spent
        self._since = now


class Served:
    """Tokens by institution over the last ten minutes. Not thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._steps: deque[tuple[float, Counter[str]]] = deque()

    def add(self, institution: str, tokens: int) -> None:
        """So many tokens went to this institution."""
        now = self._monotonic()
        if not self._steps or now - self._steps[-1][0] >= _SERVED_STEP_S:
            self._steps.append((now, Counter()))
            self._drop(now)
        self._steps[-1][1][institution] += tokens

    def lately(self) -> Mapping[str, int]:
        """What went to whom."""
        self._drop(self._monotonic())
        total: Counter[str] = Counter()
        for _, tokens in self._steps:
            total.update(tokens)
        return total

    def _drop(self, now: float) -> None:
        while self._steps and now - self._steps[0][0] > _SERVED_WINDOW_S:
            self._steps.popleft()
