"""Stores that hold boxes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.store import Store
from tests.portal.store.store_boxes import ADA, NOON, open_store, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "concordat.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened


@pytest.fixture
def fill(store: Store) -> Callable[[int], None]:
    """Commit so many boxes, one transaction each, with one thing in each."""

    def committed(count: int) -> None:
        for number in range(count):
            store.commit([put(f"b{number}", "pen")], actor=ADA, at=NOON)

    return committed
