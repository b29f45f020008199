"""Read rows as statements: which columns identify them, and how a set of rows is put into or taken out of a table."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import duckdb

from agreements.errors import Invalid
from portal.store.leaves import to_utc
from portal.store.records import Row

T = TypeVar("T")

RowKey = tuple[str, tuple[object, ...]]
"""A table and the values of its primary key, in the key's order."""

OWN_TABLES = frozenset({"event", "log_head", "append_only_refusal", "state", "actor", "idempotency", "migration"})
"""The store's own tables; every other one holds read rows."""

_ROWS_PER_STATEMENT = 200

_UPDATED_SINGLY = 2
"""As many rows as cost less updated one by one than in one statement."""


class Standing(Enum):
    """What is known of rows before they are put into their table."""

    NEW = "new"
    KNOWN = "known"
    EITHER = "either"


class ReadTables:
    """The tables that hold read rows, with their primary keys."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the keys off the catalog."""
        found = connection.execute(
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        ).fetchall()
        self._keys: dict[str, tuple[str, ...]] = {
            table: tuple(columns) for table, columns in found if table not in OWN_TABLES
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Every table, sorted."""
        return tuple(sorted(self._keys))

    def primary_key(self, table: str) -> tuple[str, ...]:
        """The columns that identify a row. Raises Invalid ``unknown_table``."""
        try:
            return self._keys[table]
        except KeyError:
            raise Invalid("unknown_table", f"No table of read rows with a primary key is called {table!r}.") from None

    def keyed(self, rows: Iterable[Row]) -> dict[RowKey, dict[str, Any]]:
        """Rows by key, with values as DuckDB returns them. Raises Invalid if one has no key or two have the same."""
        found: dict[RowKey, dict[str, Any]] = {}
        for row in rows:
            values = {column: _stored(value) for column, value in row.values.items()}
            columns = self.primary_key(row.table)
            if any(values.get(column) is None for column in columns):
                raise Invalid("row_without_key", f"A row of {row.table} lacks a value of {', '.join(columns)}.")
            key = (row.table, tuple(values[column] for column in columns))
            if key in found:
                raise Invalid("row_named_twice", f"An object has two rows of {row.table} with the same key.")
            found[key] = values
        return found

    def remove(self, connection: duckdb.DuckDBPyConnection, keys: Collection[RowKey]) -> None:
        """Delete rows by key; those that are not there are no error."""
        for table in sorted({table for table, _ in keys}):
            columns = self.primary_key(table)
            chosen = [key for name, key in keys if name == table]
            for chunk in _chunks(chosen):
                connection.execute(
                    f"DELETE FROM {table} WHERE ({', '.join(columns)}) IN "  # noqa: S608 - names from the catalog
                    f"(VALUES {_places(len(chunk), len(columns))})",
                    [value for key in chunk for value in key],
                )

    def upsert(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: dict[RowKey, dict[str, Any]],
        *,
        new: Collection[RowKey] = (),
        known: Collection[RowKey] = (),
    ) -> None:
        """Insert rows, or set the named columns of those that exist.

        ``new`` are those that are not there, as the caller knows, and ``known`` those that are.
        """
        shapes: dict[tuple[str, tuple[str, ...], Standing], list[dict[str, Any]]] = {}
        for key, values in rows.items():
            standing = Standing.NEW if key in new else Standing.KNOWN if key in known else Standing.EITHER
            shapes.setdefault((key[0], tuple(sorted(values)), standing), []).append(values)
        for (table, columns, standing), alike in shapes.items():
            chosen = [[values[column] for column in columns] for values in alike]
            put(connection, table, self.primary_key(table), columns, chosen, standing)


def put(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    standing: Standing = Standing.EITHER,
) -> None:
    """Insert rows that differ in ``key``, or set the other columns of those that exist.

    DuckDB plans an insert that may conflict as a join, which costs three times what the plain statement does.
    """
    if standing is Standing.NEW:
        insert(connection, table, columns, rows)
        return
    rest = [column for column in columns if column not in key]
    if standing is Standing.KNOWN and rest and len(rows) <= _UPDATED_SINGLY:
        sets, where = ", ".join(f"{c} = ?" for c in rest), " AND ".join(f"{c} = ?" for c in key)
        for row in rows:
            values = dict(zip(columns, row, strict=True))
            connection.execute(
                f"UPDATE {table} SET {sets} WHERE {where}",  # noqa: S608 - names from the catalog
                [values[column] for column in (*rest, *key)],
            )
        return
    action = f"UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in rest)}" if rest else "NOTHING"
    insert(connection, table, columns, rows, f" ON CONFLICT ({', '.join(key)}) DO {action}")


def insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    conflict: str = "",
) -> None:
    """Insert rows, many per statement: one by one is an order of magnitude slower.

    Several go as a list per column: DuckDB plans a placeholder for each value no faster than it inserts a row.
    """
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    for chunk in _chunks(rows):
        if len(chunk) == 1:
            values, given = f"VALUES {_places(1, len(columns))}", list(chunk[0])
        else:
            values = f"SELECT {', '.join(['unnest(?)'] * len(columns))}"
            given = [list(column) for column in zip(*chunk, strict=True)]
        connection.execute(f"{into} {values}{conflict}", given)


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        yield rows[start : start + _ROWS_PER_STATEMENT]


def _places(rows: int, columns: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


def _stored(value: object) -> object:
    """A column's value as DuckDB gives it back."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return to_utc(value)
        case tuple() | list():
            return [_stored(item) for item in value]
    return value
