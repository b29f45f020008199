"""The one DuckDB file: who may open it, how it is read, and what its errors mean to everybody else."""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb

from agreements.errors import Invalid, Unavailable

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "lock_configuration": True,
}
"""No statement reaches another file, and none can lift that."""

_FAILURES = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.OutOfMemoryException)
"""What is wrong with the machine rather than with the statement."""

_OWNER = re.compile(r"Conflicting lock is held in (.+?) \(PID (\d+)\)")

_OWNER_ALONE = 0o077

_open_paths: dict[Path, bool] = {}
"""By path, whether it is written to."""
_open_paths_lock = threading.Lock()
_usual_mask: list[int] = []
"""What the process kept from others before it owned a store; empty while it owns none."""


class Database:
    """An open file. DuckDB keeps other processes out; this class keeps out a second opening in the same one."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Use ``Database.open``."""
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._read_to_the_end = threading.Condition(self._lock)
        self._readers = 0
        self._open = True

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open or, unless ``read_only``, create the file, readable by its owner alone.

        Raises Unavailable ``store_in_use`` (naming the process that has it) or ``store_unreadable``.
        """
        path = path.resolve()
        with _open_paths_lock:
            if path in _open_paths:
                raise _in_use(path, f"this process ({os.getpid()})")
            # DuckDB makes its write-ahead log anew now and then, as any file is made: the newest events are in it.
            if not read_only:
                mask = os.umask(_OWNER_ALONE)
                if not _usual_mask:
                    _usual_mask.append(mask)
            try:
                connection = _connect(path, read_only=read_only)
                _open_paths[path] = not read_only
            finally:
                _loosen()
        return cls(path, connection)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same file. Raises Unavailable ``store_closed``."""
        with self._lock, refusals():
            return self._cursor()

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees one unchanging state of the file and cannot write."""
        with self._counted() as opened, refusals(), opened as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            yield cursor

    @contextmanager
    def _counted(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that ``close`` waits for."""
        with self._lock, refusals():
            cursor = self._cursor()
            self._readers += 1
        try:
            yield cursor
        finally:
            with self._lock:
                self._readers -= 1
                self._read_to_the_end.notify_all()

    def query(self, sql: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows of a SELECT by column name, from whichever thread."""
        with self.snapshot() as cursor:
            return rows_of(cursor.execute(sql, list(params)))

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if not self._open:
            raise closed()
        return self._connection.cursor()

    def close(self) -> None:
        """Let no more be read, wait for what is being read, then let go of the file.

        DuckDB refuses to close a connection while one that came from it is at work.
        """
        with self._lock:
            self._open = False
            self._read_to_the_end.wait_for(lambda: not self._readers)
            self._connection.close()
        with _open_paths_lock:
            _open_paths.pop(self.path, None)
            _loosen()


def closed() -> Unavailable:
    """The refusal of a store that was closed."""
    return Unavailable("store_closed", "The store is closed.", hint="Start the portal again.")


@contextmanager
def refusals() -> Iterator[None]:
    """Raise what DuckDB raises as a refusal: Invalid ``bad_query`` or Unavailable."""
    try:
        yield
    except duckdb.ConnectionException as error:
        raise closed() from error
    except _FAILURES as error:
        raise Unavailable(
            "store_failed",
            f"The database failed ({type(error).__name__}).",
            hint="Check the disk's free space, then start the portal again.",
        ) from error
    except duckdb.Error as error:
        raise Invalid("bad_query", f"The database refuses a statement ({type(error).__name__}).") from error


def rows_of(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows of an executed statement, by column name."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit at the end of the block, or roll back if it raises."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _loosen() -> None:
    """Make files as before, once no store is written to. Asked while the paths are locked."""
    if _usual_mask and not any(_open_paths.values()):
        os.umask(_usual_mask.pop())


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        # A commit that failed has ended the transaction already; the first error is the one to report.
        return


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        if not read_only:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = duckdb.connect(path, read_only=read_only, config=_SETTINGS)
        if not read_only:
            path.chmod(0o600)
    except (duckdb.Error, OSError) as error:
        if owner := _OWNER.search(str(error)):
            raise _in_use(path, f"process {owner[2]} ({owner[1]})") from None
        raise Unavailable(
            "store_unreadable",
            f"The store {path.name} cannot be opened ({type(error).__name__}).",
            hint="Check that the file is a store, is readable and that its disk has space; else restore a backup.",
        ) from error
    return connection


def _in_use(path: Path, owner: str) -> Unavailable:
    return Unavailable(
        "store_in_use",
        f"The store {path.name} is in use by {owner}.",
        hint="Talk to the running portal, or stop it first.",
    )
