"""One group of requests on its way into one transaction: what is admitted, and what that changes.

Admission happens in memory, request by request, so that a stale one is refused without touching the others; writing
happens once, with one statement per table.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import duckdb

from agreements.errors import ConcordatError, Conflict, StaleVersion
from portal.store.idempotency import LoggedEvent, Remembered, digest_of_events, recall, remember
from portal.store.kinds import Kinds
from portal.store.leaves import LEAF_COLUMNS, Leaf, new_leaf
from portal.store.projections import ReadTables, RowKey, Standing, insert, put
from portal.store.records import Change, Committed, Held, Request
from portal.store.states import States


class Group:
    """Requests that are about to share a transaction on ``connection``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        kinds: Kinds,
        tables: ReadTables,
        states: States,
        *,
        size: int,
        known_names: Mapping[str, str],
        announce: Callable[[Collection[str]], None] = lambda _streams: None,
    ) -> None:
        """``size`` is how many events are recorded already; ``known_names`` what actors are recorded to be called.

        ``announce`` hears which streams a request changes as soon as it is admitted.

        Nobody else writes, so ``states`` is as good as the file for the objects it keeps.
        """
        self._connection = connection
        self._kinds = kinds
        self._tables = tables
        self._states = states
        self._size = size
        self._before: dict[str, Held] = {}
        self._known_names = known_names
        self._announce = announce
        self._remembered: dict[tuple[str, str], Remembered] = {}
        self.leaves: list[Leaf] = []
        """What the admitted requests add to the log."""
        self.changed: dict[str, Held] = {}
        """What they make of the objects, by stream."""
        self.names: dict[str, str] = {}
        """What actors are called who were not called so before, by id."""
        self.changes: list[Change] = []
        """What was admitted, in order."""

    def load(self, requests: Iterable[Request]) -> None:
        """Fetch the objects that the requests are about, in at most one query."""
        missing = []
        for stream in sorted({append.stream for request in requests for append in request.appends if not append.fresh}):
            if held := self._states.get(stream):
                self._before[stream] = held
            else:
                missing.append(stream)
        if not missing:
            return
        found = self._connection.execute(
            f"SELECT stream, version, body FROM state WHERE stream IN ({', '.join('?' * len(missing))})",  # noqa: S608 - constants and placeholders only
            missing,
        ).fetchall()
        for stream, version, body in found:
            self._before[stream] = self._kinds.read(stream, version, body)

    def admit(self, request: Request) -> Committed | ConcordatError:
        """What the request comes to if the transaction commits, or why it is refused."""
        try:
            if request.guard is not None:
                request.guard()
            if request.idempotency_key is None:
                return self._record(request)
            return self._record_once(request, (request.actor.person_id, request.idempotency_key))
        except ConcordatError as refusal:
            return refusal

    def write(self) -> None:
        """Put everything that was admitted into the transaction."""
        connection = self._connection
        insert(connection, "event", LEAF_COLUMNS.split(", "), self.leaves)
        put(connection, "actor", ["actor_id"], ["actor_id", "name"], list(self.names.items()))
        states: dict[Standing, list[tuple[str, int, str]]] = {}
        for stream, held in self.changed.items():
            standing = Standing.KNOWN if self._previous(stream).version else Standing.NEW
            states.setdefault(standing, []).append((stream, held.version, held.state.model_dump_json()))
        for standing, rows in states.items():
            put(connection, "state", ["stream"], ["stream", "version", "body"], rows, standing)
        self._write_rows()
        remember(connection, self._remembered)

    def _record(self, request: Request) -> Committed:
        drafted: dict[str, Held] = {}
        leaves: list[Leaf] = []
        first = self._size + len(self.leaves)
        for append in request.appends:
            held = drafted.get(append.stream) or self._held(append.stream)
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
                held = self._kinds.advance(held, leaf.stream, leaf.type, body)
                leaves.append(leaf)
            drafted[append.stream] = held
        versions = {append.stream: drafted[append.stream].version for append in request.appends if append.events}
        committed = Committed(range(first, first + len(leaves)), versions)
        after = {stream: drafted[stream] for stream in versions}
        self.changes.append(Change(request, committed, {stream: self._held(stream) for stream in versions}, after))
        self._announce(versions)
        self.changed.update(after)
        self.leaves.extend(leaves)
        if self._known_names.get(request.actor.person_id) != request.actor.name:
            self.names[request.actor.person_id] = request.actor.name
        return committed

    def _record_once(self, request: Request, place: tuple[str, str]) -> Committed:
        digest = digest_of_events(_events_of(request))
        known = self._remembered.get(place) or recall(self._connection, *place)
        if known is None:
            committed = self._record(request)
            self._remembered[place] = Remembered(digest, committed)
            return committed
        if known.request_digest != digest:
            raise Conflict(
                "idempotency_key_reused",
                "Another request was recorded under the same idempotency key.",
                hint="Use a new key for a new request.",
            )
        return known.replayed()

    def _held(self, stream: str) -> Held:
        return self.changed.get(stream) or self._previous(stream)

    def _previous(self, stream: str) -> Held:
        """The object as it was before this transaction."""
        return self._before.get(stream) or self._kinds.begin(stream)

    def _write_rows(self) -> None:
        gone: set[RowKey] = set()
        wanted: dict[RowKey, dict[str, Any]] = {}
        known: set[RowKey] = set()
        new: set[RowKey] = set()
        for stream, held in self.changed.items():
            before = self._tables.keyed(self._kinds.rows(stream, self._previous(stream)))
            after = self._tables.keyed(self._kinds.rows(stream, held))
            gone.update(key for key in before if key not in after)
            known.update(before)
            wanted.update((key, row) for key, row in after.items() if before.get(key) != row)
            # Where the key names the object, no other object can have left such a row behind.
            object_id = stream.partition("/")[2]
            new.update(key for key in after if key not in before and object_id in key[1])
        # A row that passes from one object to another in this transaction is set, not removed.
        self._tables.remove(self._connection, [key for key in gone if key not in wanted])
        self._tables.upsert(self._connection, wanted, new=new, known=known)


def _events_of(request: Request) -> list[LoggedEvent]:
    return [
        (append.stream, append.expected_version + number, event.type_name, event.body())
        for append in request.appends
        for number, event in enumerate(append.events, start=1)
    ]
