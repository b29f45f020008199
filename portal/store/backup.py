"""A copy of the store's file at one moment, made while the portal runs."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

from agreements.errors import Conflict, Unavailable
from portal import durable
from portal.store.store import Store


def backup(store: Store, target: Path) -> Path:
    """Copy the store to ``target`` between two transactions, durable on return; the copy opens like the original.

    Raises Conflict ``backup_exists`` rather than overwrite anything, Unavailable ``backup_failed`` if the file cannot
    be written; then nothing is left at ``target``.
    """
    target = target.resolve()
    part = target.with_name(f"{target.name}.part")

    def copy(connection: duckdb.DuckDBPyConnection) -> None:
        # Readers may keep a checkpoint from emptying the write-ahead log; what it still holds belongs to the copy.
        connection.execute("CHECKPOINT")
        _copy(store.database.path, part)
        log = _write_ahead_log(store.database.path)
        if log.exists():
            _copy(log, _write_ahead_log(part))

    if target.exists():
        raise _exists(target)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.between_transactions(copy)
        _absorb(part)
        os.link(part, target)
        durable.sync(target.parent)
    except (OSError, duckdb.Error) as error:
        if target.exists():
            raise _exists(target) from None
        raise Unavailable(
            "backup_failed",
            f"The backup could not be written ({type(error).__name__}).",
            hint="Check the folder's permissions and free space.",
        ) from error
    finally:
        for leftover in (part, _write_ahead_log(part)):
            with suppress(OSError):
                leftover.unlink()
    return target


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def _absorb(part: Path) -> None:
    """Make one file of the copy and its write-ahead log, proving that it opens, and put it on the disk."""
    duckdb.connect(part).close()
    durable.sync(part)


def _write_ahead_log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _exists(target: Path) -> Conflict:
    return Conflict("backup_exists", f"There is something at {target} already.", hint="Choose another name.")
