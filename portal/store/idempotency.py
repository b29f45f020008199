"""Idempotency keys: what was recorded under one, so that a repeated request changes nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import duckdb

from agreements.canonical import canonical_bytes, digest_of
from portal.store.projections import insert
from portal.store.records import Committed


class IdempotencyRow(NamedTuple):
    """One row of ``idempotency``, column by column."""

    actor_id: str
    key: str
    request_digest: str
    first_position: int
    event_count: int
    versions: str
    """JSON object: stream to version."""


COLUMNS = IdempotencyRow._fields

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


def versions_text(versions: Mapping[str, int]) -> str:
    """The versions that streams came to, as they are stored."""
    return canonical_bytes(dict(versions)).decode()


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
        COLUMNS,
        [
            IdempotencyRow(
                actor_id=actor_id,
                key=key,
                request_digest=known.request_digest,
                first_position=known.committed.positions.start,
                event_count=len(known.committed.positions),
                versions=versions_text(known.committed.versions),
            )
            for (actor_id, key), known in remembered.items()
        ],
    )
