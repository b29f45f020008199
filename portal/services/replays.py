"""What was proved once and must not be proved with again: the ``jti`` of DPoP proofs and client assertions.

They are remembered in memory for as long as they would be good, within a bound. What was made before the portal started
is refused, so that nothing needs to survive a restart.
"""

import heapq
import threading
from collections import Counter
from datetime import datetime

from agreements.errors import Limited, Unauthenticated
from agreements.proofs import Proven

MOST = 200_000
"""Proofs remembered at most."""
MOST_OF_ONE = 20_000
"""Of these, by one key or program: nobody fills the memory for everybody."""


class OnceOnly:
    """Remembers proofs. Thread-safe."""

    def __init__(self, opened_at: datetime, *, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        """``opened_at``: nothing made before this is taken."""
        # Proofs count whole seconds: one of the second in which the portal started may have been made after it did.
        self._opened_at = opened_at.replace(microsecond=0)
        self._most, self._most_of_one = most, most_of_one
        self._seen: set[tuple[str, str]] = set()
        self._ends: list[tuple[datetime, tuple[str, str]]] = []
        self._by: Counter[str] = Counter()
        self._lock = threading.Lock()  # looking and remembering are one step

    def take(self, proven: Proven, now: datetime) -> None:
        """Remember a proof. Raises Unauthenticated ``proof_replayed`` for one seen before, Limited ``too_many_proofs``.

        To be called when everything else about the request holds: strangers must not fill the memory.
        """
        name = (proven.by, proven.jti)
        with self._lock:
            self._forget(now)
            if name in self._seen or proven.made_at < self._opened_at:
                raise Unauthenticated(
                    "proof_replayed",
                    "This proof or assertion was used before, or was made before the portal started.",
                    hint="Make a fresh one, with a jti of its own, for each request.",
                )
            if len(self._seen) >= self._most or self._by[proven.by] >= self._most_of_one:
                raise Limited(
                    "too_many_proofs",
                    "More proofs came within a minute than the portal remembers.",
                    hint="Send fewer requests a second.",
                    retry_after_s=10,
                )
            self._seen.add(name)
            self._by[proven.by] += 1
            heapq.heappush(self._ends, (proven.ends_at, name))

    def _forget(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, name = heapq.heappop(self._ends)
            self._seen.discard(name)
            self._by[name[0]] -= 1
            if not self._by[name[0]]:
                del self._by[name[0]]
