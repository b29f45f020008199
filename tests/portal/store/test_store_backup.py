"""A backup is the whole store at one moment, and overwrites nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agreements.errors import Conflict, Unavailable
from portal.store import Store, backup, verify_store
from tests.portal.store.store_boxes import ADA, BOXES, NOON, SIGNER, open_store, put


def test_a_backup_opens_and_goes_on(store: Store, fill: Callable[[int], None], tmp_path: Path) -> None:
    fill(3)
    target = backup(store, tmp_path / "kept" / "copy.duckdb")
    store.commit([put("later", "pen")], actor=ADA, at=NOON)
    assert verify_store(target, SIGNER.vkey, aggregates=[BOXES]).ok
    with open_store(target) as copy:
        assert copy.log.size == 3
        assert copy.commit([put("x", "pen")], actor=ADA, at=NOON).positions == range(3, 4)
    assert [path.name for path in target.parent.iterdir()] == ["copy.duckdb"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.duckdb"
    target.write_text("precious")
    with pytest.raises(Conflict) as refused:
        backup(store, target)
    assert refused.value.code == "backup_exists"
    assert target.read_text() == "precious"


def test_a_backup_that_cannot_be_written_leaves_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as refused:
        backup(store, tmp_path / "file" / "copy.duckdb")
    assert refused.value.code == "backup_failed"


def test_a_backup_while_others_write_and_read(store: Store, fill: Callable[[int], None], tmp_path: Path) -> None:
    fill(1)
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            store.commit([put(f"w{number}", "pen")], actor=ADA, at=NOON)
            number += 1

    writing = threading.Thread(target=write)
    writing.start()
    with store.database.snapshot() as reader:
        reader.execute("SELECT * FROM event").fetchall()
        targets = [backup(store, tmp_path / f"copy{number}.duckdb") for number in range(3)]
    done.set()
    writing.join()
    for target in targets:
        assert verify_store(target, SIGNER.vkey, aggregates=[BOXES], known_heads=()).ok
