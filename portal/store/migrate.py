"""Numbered SQL files that bring a store's tables up to date, each applied once, in order, in its own transaction."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb

from agreements.canonical import sha256_hex
from agreements.errors import Conflict, Invalid
from portal.store.database import transaction

_NAME = re.compile(r"^([0-9]{4})_([a-z][a-z0-9_]*)\.sql$")

_RECORD = """
    CREATE TABLE IF NOT EXISTS migration (
        number     INTEGER PRIMARY KEY,
        name       VARCHAR NOT NULL,
        sha256     VARCHAR NOT NULL,
        applied_at TIMESTAMP NOT NULL,
        rebuilt    BOOLEAN NOT NULL  -- whether states and read rows were made again since
    )
"""


@dataclass(frozen=True)
class Migration:
    """One file ``NNNN_name.sql``."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What tells whether an applied file was changed."""
        return sha256_hex(self.sql.encode())


def shipped() -> tuple[Migration, ...]:
    """The migrations of this release in order. Raises Invalid ``bad_migration``."""
    with resources.as_file(resources.files("portal.store") / "migrations") as folder:
        return in_folder(folder)


def in_folder(folder: Path) -> tuple[Migration, ...]:
    """The migrations in a folder in order. Raises Invalid ``bad_migration`` for a bad name or a number used twice."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if not match or int(match[1]) in found:
            raise Invalid("bad_migration", f"{path.name} is not NNNN_name.sql with a number of its own.")
        number = int(match[1])
        found[number] = Migration(number, match[2], path.read_text(encoding="utf-8"))
    return tuple(found[number] for number in sorted(found))


def migrate(connection: duckdb.DuckDBPyConnection, migrations: Sequence[Migration]) -> None:
    """Apply what is missing.

    Raises Conflict ``migration_changed`` if an applied file is not the same any more, and ``store_too_new`` if the
    store knows one that this release does not.
    """
    connection.execute(_RECORD)
    applied = {
        number: (name, sha256)
        for number, name, sha256 in connection.execute("SELECT number, name, sha256 FROM migration").fetchall()
    }
    by_number = {migration.number: migration for migration in migrations}
    for number, (name, sha256) in applied.items():
        if number not in by_number:
            raise Conflict(
                "store_too_new",
                f"The store has migration {number:04d}_{name}, which this release does not know.",
                hint="Use the release that wrote it, or a newer one.",
            )
        if by_number[number].sha256 != sha256:
            raise Conflict(
                "migration_changed",
                f"Migration {number:04d}_{name} is not the file that was applied to this store.",
                hint="Restore the file, and put changes into a new migration.",
            )
    for migration in migrations:
        if migration.number in applied:
            continue
        with transaction(connection):
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO migration VALUES (?, ?, ?, ?, false)",
                [migration.number, migration.name, migration.sha256, datetime.now(UTC).replace(tzinfo=None)],
            )
