"""When a token was last used, to the minute: noted in memory, written to a small file now and then.

It is a convenience, not a record: what was noted since the last writing is lost in a crash, and nothing of it is in the
log. The file holds ids of tokens and no token.
"""

import json
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

WRITTEN_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=60)


class LastUsed:
    """Notes uses of tokens by id. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """``path`` is read if it is there; a file that cannot be read is begun anew."""
        self._path = path
        self._minutes: dict[str, int] = {}
        with suppress(OSError, ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(known, dict):
                self._minutes = {str(name): minute for name, minute in known.items() if isinstance(minute, int)}
        self._written_at: datetime | None = None
        self._changed = False
        self._lock = threading.Lock()

    def note(self, token_id: str, now: datetime) -> None:
        """The token was used."""
        minute = int(now.timestamp()) // 60
        with self._lock:
            if self._minutes.get(token_id) == minute:
                return
            self._minutes[token_id] = minute
            self._changed = True
            if self._written_at is None:
                self._written_at = now
            if now - self._written_at >= WRITTEN_EVERY:
                self._write(now)

    def at(self, token_id: str) -> datetime | None:
        """When it was last used, to the minute; None if that is not known."""
        with self._lock:
            minute = self._minutes.get(token_id)
        return None if minute is None else datetime.fromtimestamp(minute * 60, UTC)

    def close(self, now: datetime) -> None:
        """Write what was noted."""
        with self._lock:
            if self._changed:
                self._write(now)

    def _write(self, now: datetime) -> None:
        oldest = int((now - KEPT).timestamp()) // 60
        self._minutes = {name: minute for name, minute in self._minutes.items() if minute >= oldest}
        self._written_at, self._changed = now, False
        part = self._path.with_suffix(".part")
        with suppress(OSError):  # a full disk must not refuse a request that is otherwise good
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self._minutes, file)
            part.replace(self._path)
