"""The clock the demonstration's history is told by: moved from date to date, running in between, never backwards."""

import time
from datetime import datetime, timedelta

from agreements.errors import Conflict


class StoryClock:
    """Callable like every clock of the portal. Between two moves it runs with the real one, so runs take their time."""

    def __init__(self, now: datetime, days_ago: float) -> None:
        """``now`` is where the story ends, timezone-aware UTC; it begins ``days_ago`` before."""
        self._end = now
        self._set = now - timedelta(days=days_ago)
        self._since = time.monotonic()

    def __call__(self) -> datetime:
        """The present moment of the story."""
        return self._set + timedelta(seconds=time.monotonic() - self._since)

    def moment(self, days_ago: float) -> datetime:
        """So many days before the story's end; after it where negative."""
        return self._end - timedelta(days=days_ago)

    def move_to(self, days_ago: float) -> None:
        """Go on to a later moment. Raises Conflict ``story_out_of_order`` for an earlier one."""
        moment = self.moment(days_ago)
        if moment < self():
            raise Conflict("story_out_of_order", "The demonstration's history is told in the order it happened.")
        self._set, self._since = moment, time.monotonic()
