"""Idempotency keys: what was recorded under one, so that a repeated request changes nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from agreements.canonical import canonical_bytes, digest_of
from portal.store.projections import insert
from portal.store.records import Committed

_COLUMNS = ("actor_id", "key", "request_digest", "first_position", "event_count", "versions")


LoggedEvent = tuple[str, int, str, dict[str, Any]]
"""Stream, version, type and body of an event."""


def digest_of_events(events: Iterable[LoggedEvent]) -> str:
    """What makes two requests the same, whenever they come and by whichever door: the events they would add."""
    return digest_of([list(event) for event in events])


@dataclass(frozen=True)
class Remembered:
    """A request that was recorded under a key."""

    request_digest: str
    committed: Committed

    def replayed(self) -> Committed:
        """What repeating the request comes to."""
        return replace(self.committed, replayed=True)


def recall(connection: duckdb.DuckDBPyConnection, actor_id: str, key: str) -> Remembered | None:
    """What the actor's key stands for."""
    row = connection.execute(
        "SELECT request_digest, first_position, event_count, versions FROM idempotency WHERE actor_id = ? AND key = ?",
        [actor_id, key],
    ).fetchone()
    if row is None:
        return None
    digest, first, count, versions = row
    return Remembered(digest, Committed(range(first, first + count), json.loads(versions)))


def remember(connection: duckdb.DuckDBPyConnection, remembered: Mapping[tuple[str, str], Remembered]) -> None:
    """Keep what keys stand for."""
    insert(
        connection,
        "idempotency",
        _COLUMNS,
        [
            (
                actor_id,
                key,
                known.request_digest,
                known.committed.positions.start,
                len(known.committed.positions),
                canonical_bytes(dict(known.committed.versions)).decode(),
            )
            for (actor_id, key), known in remembered.items()
        ],
    )
