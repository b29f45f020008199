"""States and read rows, made again from the events: after migrations, which may bring tables that are empty yet."""

import duckdb

from portal.store.database import transaction
from portal.store.kinds import Kinds
from portal.store.leaves import read_body
from portal.store.projections import ReadTables, insert
from portal.store.records import Held

_EVENTS_AT_ONCE = 1000


def rebuild_if_migrated(connection: duckdb.DuckDBPyConnection, kinds: Kinds, tables: ReadTables) -> None:
    """If a migration is new, fold every event again and write what follows, in one transaction.

    Raises Invalid for an event that nobody knows any more.
    """
    if not connection.execute("SELECT 1 FROM migration WHERE NOT rebuilt LIMIT 1").fetchall():
        return
    objects: dict[str, Held] = {}
    events = connection.execute("SELECT stream, type, body FROM event ORDER BY position")
    while chunk := events.fetchmany(_EVENTS_AT_ONCE):
        for stream, type_name, text in chunk:
            held = objects.get(stream) or kinds.begin(stream)
            objects[stream] = kinds.advance(held, stream, type_name, read_body(text))
    with transaction(connection):
        for table in ("state", *tables.names):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the catalog
        states = [(stream, held.version, held.state.model_dump_json()) for stream, held in objects.items()]
        insert(connection, "state", ["stream", "version", "body"], states)
        for stream, held in objects.items():
            tables.upsert(connection, tables.keyed(kinds.rows(stream, held)))
        connection.execute("UPDATE migration SET rebuilt = true")
