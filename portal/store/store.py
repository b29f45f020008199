"""The store: what services open, write through and read from."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb

from agreements.actors import Actor
from agreements.deciders import Event
from agreements.errors import Invalid
from agreements.log_head import NoteSigner
from portal.store import append_only
from portal.store.database import Database, refusals
from portal.store.idempotency import recall
from portal.store.kinds import Kinds
from portal.store.leaves import read_body
from portal.store.log import Log
from portal.store.migrate import Migration, migrate, shipped
from portal.store.projections import ReadTables
from portal.store.reading import note
from portal.store.rebuild import rebuild_if_migrated
from portal.store.records import Aggregate, Append, Committed, Guard, Held, Listener, RecordedEvent, Request, S
from portal.store.states import States
from portal.store.writer import Writer

DEFAULT_PAGE = 1000

T = TypeVar("T")


class Store:
    """One DuckDB file, owned by this process. Every method may be called from any thread."""

    def __init__(self, database: Database, log: Log, kinds: Kinds, writer: Writer, states: States) -> None:
        """Use ``Store.open``."""
        self.database = database
        self.log = log
        self.kinds = kinds
        self._writer = writer
        self._states = states

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        signer: NoteSigner,
        aggregates: Sequence[Aggregate[Any]],
        migrations: Sequence[Migration] | None = None,
    ) -> Self:
        """Open or create the store, bring its tables up to date and check the log against its head.

        ``migrations`` are by default those of this release.

        What a crash left behind is recovered from DuckDB's write-ahead log. Raises Unavailable ``store_in_use`` or
        ``store_unreadable``, Conflict ``migration_changed`` or ``store_too_new``, VerificationError
        ``log_head_mismatch`` or ``log_key_mismatch``.
        """
        kinds = Kinds(aggregates)
        database = Database.open(path)
        try:
            with refusals():
                connection = database.cursor()
                migrate(connection, shipped() if migrations is None else migrations)
                append_only.protect(connection)
                log = Log(database, signer)
                tables = ReadTables(connection)
                rebuild_if_migrated(connection, kinds, tables)
                states = States()
                return cls(database, log, kinds, Writer(connection, log, kinds, tables, states), states)
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was submitted and let go of the file."""
        self._writer.close()
        self.database.close()

    def listen(self, listener: Listener) -> None:
        """Let the listener hear of all that is written from now on."""
        self._writer.listen(listener)

    def submit(
        self,
        appends: Sequence[Append],
        *,
        actor: Actor,
        at: datetime,
        idempotency_key: str | None = None,
        guard: Guard | None = None,
        received: float | None = None,
    ) -> Future[Committed]:
        """Record the appends together or not at all; the future resolves when they are durable.

        It raises StaleVersion if a stream is not at its expected version, Conflict ``idempotency_key_reused``, Invalid
        for what cannot be recorded, TooLarge ``event_too_large``, Unavailable if the disk fails. A key that the same
        actor used before for the same appends resolves to what that came to. Also what ``guard`` raises.
        """
        return self._writer.submit(Request(tuple(appends), actor, at, idempotency_key, guard, received))

    def commit(
        self,
        appends: Sequence[Append],
        *,
        actor: Actor,
        at: datetime,
        idempotency_key: str | None = None,
        guard: Guard | None = None,
        received: float | None = None,
    ) -> Committed:
        """``submit``, and wait until it is durable."""
        return self.submit(
            appends, actor=actor, at=at, idempotency_key=idempotency_key, guard=guard, received=received
        ).result()

    def committed_under(self, actor_id: str, idempotency_key: str) -> Committed | None:
        """What was recorded under an actor's idempotency key, as a repeated request would be answered."""
        with self.database.snapshot() as cursor:
            known = recall(cursor, actor_id, idempotency_key)
        return known.replayed() if known else None

    def state(self, aggregate: Aggregate[S], object_id: str) -> tuple[S, int]:
        """An object's state and version; the initial state and 0 if nothing ever happened to it."""
        stream = aggregate.decider.stream(object_id)
        held = self._states.get(stream) or self._stored(stream)
        if not isinstance(held.state, aggregate.state_type):
            raise Invalid("unknown_category", f"{stream} is not an object of the kind that was asked for.")
        note(stream, held.version)
        return held.state, held.version

    def version(self, stream: str) -> int:
        """At which version a stream is now; 0 if nothing ever happened to it."""
        return (self._states.get(stream) or self._stored(stream)).version

    def _stored(self, stream: str) -> Held:
        epoch = self._states.epoch
        with self.database.snapshot() as cursor:
            row = cursor.execute("SELECT version, body FROM state WHERE stream = ?", [stream]).fetchone()
        held = self.kinds.read(stream, *row) if row is not None else self.kinds.begin(stream)
        self._states.add(stream, held, epoch)
        return held

    def events(
        self,
        stream: str | None = None,
        *,
        after: int = -1,
        limit: int = DEFAULT_PAGE,
        types: Collection[str] | None = None,
    ) -> list[RecordedEvent]:
        """Events in log order, from the first position behind ``after``; of one stream or types, or of all."""
        conditions: list[str] = ["e.position > ?"]
        after = max(after, -1)
        params: list[object] = [after]
        if stream is not None:
            conditions.append("e.stream = ?")
            params.append(stream)
        if types is not None:
            conditions.append("list_contains(?::VARCHAR[], e.type)")
            params.append(sorted(types))
        if stream is None and types is None:
            # Positions have no gaps: the bound spares sorting all that follows.
            conditions.append("e.position <= ?")
            params.append(after + limit)
        rows = self.query(
            f"""
            SELECT e.position, e.stream, e.version, e.type, e.body, e.actor_id, a.name, e.channel, e.recorded_at
            FROM event e LEFT JOIN actor a USING (actor_id)
            WHERE {" AND ".join(conditions)}
            ORDER BY e.position LIMIT ?
            """,  # noqa: S608 - only the conditions above are spliced in
            [*params, limit],
        )
        return [_recorded(row) for row in rows]

    def between_transactions(self, run: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run something on the writer's connection while nothing is being written. For upkeep, never to change rows."""
        return self._writer.between_transactions(run)

    def query(self, sql: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows of a SELECT by column name. Raises Invalid ``bad_query`` for anything that is not one."""
        return self.database.query(sql, params)


def _recorded(row: dict[str, Any]) -> RecordedEvent:
    return RecordedEvent(
        position=row["position"],
        stream=row["stream"],
        version=row["version"],
        event=Event.parse(row["type"], read_body(row["body"])),
        actor_id=row["actor_id"],
        actor_name=row["name"] or "",
        channel=row["channel"],
        at=row["recorded_at"].replace(tzinfo=UTC),
    )
