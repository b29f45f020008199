"""One group of requests on its way into one transaction: what is admitted, and what that changes.

Admission happens in memory, request by request, so that a stale one is refused without touching the others; writing
happens once, with one statement per table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from agreements.canonical import digest_of
from agreements.deciders import Event, Value
from agreements.errors import ConcordatError, Conflict, Invalid, StaleVersion
from portal.store.idempotency import Remembered, recall, remember
from portal.store.leaves import LEAF_COLUMNS, Leaf, new_leaf
from portal.store.projections import ReadTables, RowKey, insert, upsert
from portal.store.records import Aggregate, Committed, Request

Aggregates = Mapping[str, Aggregate[Any]]
"""Every kind of object by its category."""


@dataclass(frozen=True)
class Held:
    """An object at a version."""

    version: int
    state: Value


class Group:
    """Requests that are about to share a transaction on ``connection``."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, aggregates: Aggregates, tables: ReadTables, *, size: int
    ) -> None:
        """``size`` is how many events are recorded already."""
        self._connection = connection
        self._aggregates = aggregates
        self._tables = tables
        self._size = size
        self._before: dict[str, Held] = {}
        self._now: dict[str, Held] = {}
        self._names: dict[str, str] = {}
        self._remembered: dict[tuple[str, str], Remembered] = {}
        self.leaves: list[Leaf] = []
        """What the admitted requests add to the log."""

    def load(self, requests: Iterable[Request]) -> None:
        """Read the states that the requests are about, in one query."""
        streams = {append.stream for request in requests for append in request.appends}
        found = self._connection.execute(
            "SELECT stream, version, body FROM state WHERE list_contains(?::VARCHAR[], stream)", [sorted(streams)]
        ).fetchall()
        for stream, version, body in found:
            if aggregate := self._aggregates.get(stream.partition("/")[0]):
                self._before[stream] = Held(version, aggregate.state_type.model_validate_json(body))

    def admit(self, request: Request) -> Committed | ConcordatError:
        """What the request comes to if the transaction commits, or why it is refused."""
        try:
            digest = digest_of(_content(request))
            return self._replay(request, digest) or self._record(request, digest)
        except ConcordatError as refusal:
            return refusal

    def write(self) -> None:
        """Put everything that was admitted into the transaction."""
        connection = self._connection
        insert(connection, "event", LEAF_COLUMNS.split(", "), self.leaves)
        upsert(connection, "actor", ["actor_id"], ["actor_id", "name"], list(self._names.items()))
        upsert(
            connection,
            "state",
            ["stream"],
            ["stream", "version", "body"],
            [(stream, held.version, held.state.model_dump_json()) for stream, held in self._now.items()],
        )
        self._write_rows()
        remember(connection, self._remembered)

    def _record(self, request: Request, digest: str) -> Committed:
        drafted: dict[str, Held] = {}
        leaves: list[Leaf] = []
        first = self._size + len(self.leaves)
        for append in request.appends:
            aggregate = self._aggregate(append.stream)
            held = drafted.get(append.stream) or self._held(append.stream, aggregate)
            if held.version != append.expected_version:
                raise StaleVersion(append.stream, append.expected_version, held.version)
            for event in append.events:
                body = event.body()
                leaf = new_leaf(
                    position=first + len(leaves),
                    stream=append.stream,
                    version=held.version + 1,
                    type_name=event.type_name,
                    actor_id=request.actor.person_id,
                    channel=request.actor.channel.value,
                    at=request.at,
                    body=body,
                )
                # The event as it will be read back, so that the state is exactly the fold of what is stored.
                held = Held(leaf.version, aggregate.decider.evolve(held.state, Event.parse(leaf.type, body)))
                leaves.append(leaf)
            drafted[append.stream] = held
        committed = Committed(
            range(first, first + len(leaves)), {stream: held.version for stream, held in drafted.items()}
        )
        self._now.update((stream, held) for stream, held in drafted.items() if held != self._before.get(stream))
        self.leaves.extend(leaves)
        self._names[request.actor.person_id] = request.actor.name
        if request.idempotency_key is not None:
            self._remembered[request.actor.person_id, request.idempotency_key] = Remembered(digest, committed)
        return committed

    def _replay(self, request: Request, digest: str) -> Committed | None:
        if request.idempotency_key is None:
            return None
        place = (request.actor.person_id, request.idempotency_key)
        known = self._remembered.get(place) or recall(self._connection, *place)
        if known is None:
            return None
        if known.request_digest != digest:
            raise Conflict(
                "idempotency_key_reused",
                "Another request was recorded under the same idempotency key.",
                hint="Use a new key for a new request.",
            )
        return known.replayed()

    def _aggregate(self, stream: str) -> Aggregate[Any]:
        category, _, object_id = stream.partition("/")
        if category not in self._aggregates or not object_id:
            raise Invalid("unknown_category", f"{stream!r} is not a stream of any kind of object in this store.")
        return self._aggregates[category]

    def _held(self, stream: str, aggregate: Aggregate[Any]) -> Held:
        return self._now.get(stream) or self._before.get(stream) or Held(0, aggregate.decider.initial)

    def _write_rows(self) -> None:
        gone: dict[RowKey, dict[str, Any]] = {}
        put: dict[RowKey, dict[str, Any]] = {}
        for stream, held in self._now.items():
            before = self._rows(stream, self._before.get(stream))
            after = self._rows(stream, held)
            gone.update((key, row) for key, row in before.items() if key not in after)
            put.update((key, row) for key, row in after.items() if before.get(key) != row)
        # A row that passes from one object to another in this transaction is set, not removed.
        self._tables.remove(self._connection, [key for key in gone if key not in put])
        self._tables.upsert(self._connection, put)

    def _rows(self, stream: str, held: Held | None) -> dict[RowKey, dict[str, Any]]:
        if held is None:
            return {}
        category, _, object_id = stream.partition("/")
        return self._tables.keyed(self._aggregates[category].project(object_id, held.version, held.state))


def _content(request: Request) -> list[Any]:
    """What makes two requests the same: all but when they came and through which door."""
    return [
        [append.stream, append.expected_version, [[event.type_name, event.body()] for event in append.events]]
        for append in request.appends
    ]


def aggregates_by_category(aggregates: Sequence[Aggregate[Any]]) -> dict[str, Aggregate[Any]]:
    """The aggregates by category. Raises Invalid ``category_taken`` if two have the same."""
    found = {aggregate.decider.category: aggregate for aggregate in aggregates}
    if len(found) != len(aggregates):
        raise Invalid("category_taken", "Two kinds of objects have the same category.")
    return found
