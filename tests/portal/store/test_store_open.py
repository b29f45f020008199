"""Opening: one owner, tables up to date, and no start on a log that does not hold."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import duckdb
import pytest

from agreements.errors import Conflict, Invalid, Unavailable, VerificationError
from agreements.keys import SigningKey
from agreements.log_head import NoteSigner
from portal.store import Store
from portal.store.migrate import Migration, in_folder, shipped
from tests.portal.store.store_boxes import ADA, BOXES, MIGRATIONS, NOON, SIGNER, TABLES, open_store, put

EXTRA = Migration(9001, "labels", "CREATE TABLE test_label (box_id VARCHAR PRIMARY KEY, label VARCHAR);")


def open_with(path: Path, migrations: Sequence[Migration]) -> Store:
    return Store.open(path, signer=SIGNER, aggregates=[BOXES], migrations=migrations)


def test_a_store_is_only_its_owners(store: Store) -> None:
    assert store.database.path.stat().st_mode & 0o777 == 0o600
    assert store.database.path.parent.stat().st_mode & 0o777 == 0o700


BESIDE_OTHERS = """
import os, sys
from pathlib import Path
from tests.portal.store.store_boxes import ADA, NOON, open_store, put
path = Path(sys.argv[1])
os.umask(0o022)
path.parent.mkdir(mode=0o755)
with open_store(path) as store:
    store.commit([put("a", "first")], actor=ADA, at=NOON)
    print(*(oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()))
print(oct(os.umask(0o022)))
"""
"""Writes a store, and says the modes of its files and, once it is closed, what the process keeps from others."""


def test_the_log_of_the_database_is_its_owners_too_in_a_folder_that_others_enter(path: Path) -> None:
    # In a process of its own: what a file is made with is the whole process's, and other tests' stores may be open.
    written = subprocess.run(
        [sys.executable, "-c", BESIDE_OTHERS, str(path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert written.stdout.splitlines() == ["0o600 0o600", "0o22"]


def test_the_log_of_the_database_is_its_owners_whatever_the_process_did_meanwhile(path: Path, store: Store) -> None:
    before = os.umask(0o022)
    try:
        with open_store(path.with_name("second.duckdb")) as second:
            second.commit([put("a", "first")], actor=ADA, at=NOON)
            assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_closing_waits_for_what_is_being_read(path: Path) -> None:
    store = open_store(path)
    reading, read = Event(), Event()

    def read_slowly() -> int:
        with store.database.snapshot() as cursor:
            reading.set()
            assert read.wait(60)
            return len(cursor.execute("SELECT * FROM event").fetchall())

    with ThreadPoolExecutor(2) as threads:
        count = threads.submit(read_slowly)
        assert reading.wait(60)
        closed = threads.submit(store.close)
        while True:
            try:
                store.query("SELECT 1")
            except Unavailable as refusal:
                assert refusal.code == "store_closed"
                break
        assert not closed.done()
        read.set()
        assert count.result() == 0
        closed.result()
    open_store(path).close()


def test_it_opens_once_in_a_process(path: Path, store: Store) -> None:
    with pytest.raises(Unavailable, match="in use by this process"):
        open_store(path)
    store.close()
    open_store(path).close()


def test_another_process_is_named(path: Path) -> None:
    path.parent.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(Unavailable) as refused:
            open_store(path)
        holder.communicate("\n")
    assert refused.value.code == "store_in_use"
    assert f"process {holder.pid}" in refused.value.message
    open_store(path).close()


def test_a_file_that_is_no_store(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable) as refused:
        open_store(path)
    assert refused.value.code == "store_unreadable"


def test_migrations_are_applied_once_and_recorded(path: Path) -> None:
    for _ in range(2):
        with open_store(path) as store:
            rows = store.query("SELECT number, sha256, rebuilt FROM migration ORDER BY number")
    assert [row["number"] for row in rows] == [migration.number for migration in MIGRATIONS]
    assert rows[-1] == {"number": 9000, "sha256": TABLES.sha256, "rebuilt": True}


def test_a_changed_migration_is_refused(path: Path) -> None:
    open_store(path).close()
    with pytest.raises(Conflict) as refused:
        open_with(path, [*shipped(), Migration(9000, "boxes", TABLES.sql + " ")])
    assert refused.value.code == "migration_changed"
    open_store(path).close()


def test_a_store_of_a_newer_release_is_refused(path: Path) -> None:
    open_with(path, [*MIGRATIONS, EXTRA]).close()
    with pytest.raises(Conflict) as refused:
        open_store(path)
    assert refused.value.code == "store_too_new"


def test_a_migration_that_fails_leaves_nothing(path: Path) -> None:
    broken = Migration(9001, "broken", "CREATE TABLE half (a INTEGER); CREATE TABLE half (a INTEGER);")
    with pytest.raises(Invalid):
        open_with(path, [*MIGRATIONS, broken])
    with open_store(path) as store:
        with pytest.raises(Invalid):
            store.query("SELECT * FROM half")
        assert store.commit([put("a", "pen")], actor=ADA, at=NOON).positions == range(1)


def test_a_new_migration_makes_states_and_rows_again(path: Path) -> None:
    with open_store(path) as store:
        store.commit([put("a", "pen", "ink")], actor=ADA, at=NOON)
        store.commit([put("b", "cup")], actor=ADA, at=NOON)
    emptying = Migration(9001, "emptying", "DELETE FROM test_thing; DELETE FROM state WHERE stream = 'test_box/b';")
    with open_with(path, [*MIGRATIONS, emptying]) as store:
        assert store.query("SELECT count(*) AS n FROM test_thing") == [{"n": 3}]
        assert store.state(BOXES, "b")[1] == 1
        assert store.commit([put("b", "hat", expected=1)], actor=ADA, at=NOON).versions == {"test_box/b": 2}


@pytest.mark.parametrize("names", [["1_x.sql"], ["0001_X.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_badly_named_migrations_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(Invalid) as refused:
        in_folder(tmp_path)
    assert refused.value.code == "bad_migration"


def test_the_shipped_migrations_are_in_order() -> None:
    numbers = [migration.number for migration in shipped()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


def test_a_store_opens_with_the_key_of_its_log_only(path: Path) -> None:
    open_store(path).close()
    other = NoteSigner(SIGNER.name, SigningKey.from_seed(b"o" * 32))
    with pytest.raises(VerificationError) as refused:
        Store.open(path, signer=other, aggregates=[BOXES], migrations=MIGRATIONS)
    assert refused.value.code == "log_key_mismatch"
    open_store(path).close()


def test_two_kinds_of_one_category_are_refused(path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        Store.open(path, signer=SIGNER, aggregates=[BOXES, BOXES], migrations=MIGRATIONS)
    assert refused.value.code == "category_taken"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET body = '{}'",
        "DELETE FROM event",
        "TRUNCATE event",
        "UPDATE log_head SET note = ''",
        "DELETE FROM log_head WHERE size > 0",
    ],
)
def test_what_was_logged_cannot_be_changed_by_a_statement(path: Path, statement: str) -> None:
    with open_store(path) as store:
        store.commit([put("a", "pen")], actor=ADA, at=NOON)
    with duckdb.connect(path) as connection, pytest.raises(duckdb.Error, match="append-only"):
        connection.execute(statement)


def test_triggers_that_were_dropped_are_put_back(path: Path) -> None:
    open_store(path).close()
    with duckdb.connect(path) as connection:
        connection.execute("DROP TRIGGER event_refuses_delete ON event")
    open_store(path).close()
    with duckdb.connect(path) as connection, pytest.raises(duckdb.Error, match="append-only"):
        connection.execute("DELETE FROM event")
