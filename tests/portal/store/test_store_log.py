"""Evidence, consistency and tiles from a store verify with nothing but the verifier key."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agreements.errors import Invalid, NotFound
from agreements.inclusion import verify
from agreements.log_head import open_head
from agreements.merkle import EMPTY_ROOT, verify_consistency
from portal.store import Append, Store
from tests.portal.store.store_boxes import ADA, NOON, Broken, open_store, put


def test_the_empty_log_has_a_signed_head(store: Store) -> None:
    head = open_head(store.log.head(), store.log.vkey)
    assert (head.size, head.root) == (0, EMPTY_ROOT)


def test_every_entry_has_evidence(store: Store, fill: Callable[[int], None]) -> None:
    fill(7)
    for position in range(7):
        entry = verify(store.log.evidence(position), store.log.vkey)
        assert entry == store.log.entry(position)
        assert entry["stream"] == f"test_box/b{position}"
        assert entry["actor"] == {"id": "per_ada", "channel": "api"}
        assert entry["at"] == "2026-03-01T12:00:00.123456Z"


def test_entries_name_no_person_and_cannot_be_guessed(store: Store) -> None:
    store.commit([put("a", "pen", "pen")], actor=ADA, at=NOON)
    assert "Ada" not in str(store.log.entry(0))
    assert store.log.entry(0)["salt"] != store.log.entry(1)["salt"]


def test_evidence_outlives_a_restart(path: Path) -> None:
    with open_store(path) as store:
        store.commit([put("a", "pen", "ink")], actor=ADA, at=NOON)
        evidence, head = store.log.evidence(0), store.log.head()
    with open_store(path) as store:
        assert store.log.head() == head
        assert store.log.evidence(0) == evidence


def test_later_heads_contain_earlier_ones(store: Store, fill: Callable[[int], None]) -> None:
    fill(5)
    old = open_head(store.log.head(), store.log.vkey)
    store.commit([put("c", *"abcdefgh")], actor=ADA, at=NOON)
    new = open_head(store.log.head(), store.log.vkey)
    proof = store.log.consistency(old.size, new.size)
    verify_consistency(old_size=5, old_root=old.root, new_size=13, new_root=new.root, proof=proof)
    assert store.log.consistency(5) == proof


def test_what_is_not_there_is_not_found(store: Store, fill: Callable[[int], None]) -> None:
    fill(2)
    for position in (-1, 2):
        with pytest.raises(NotFound):
            store.log.evidence(position)
        with pytest.raises(NotFound):
            store.log.entry(position)
    with pytest.raises(NotFound):
        store.log.consistency(1, 3)
    with pytest.raises(Invalid):
        store.log.consistency(3, 2)
    for place in ((0, 0, 3), (0, 1, 1), (1, 0, 1), (-1, 0, 1), (0, -1, 1), (10**9, 0, 1)):
        with pytest.raises(NotFound):
            store.log.tile(*place)


def test_tiles_hold_the_leaf_hashes(store: Store) -> None:
    store.commit([put("a", *map(str, range(300)))], actor=ADA, at=NOON)
    hashes = [row["leaf_hash"] for row in store.query("SELECT leaf_hash FROM event ORDER BY position")]
    assert store.log.tile(0, 0) == b"".join(hashes[:256])
    assert store.log.tile(0, 1, 44) == b"".join(hashes[256:])
    assert len(store.log.tile(1, 0, 1)) == hashlib.sha256().digest_size
    with pytest.raises(NotFound):
        store.log.tile(1, 0, 2)


def test_a_failed_transaction_leaves_the_log_as_it_was(store: Store, fill: Callable[[int], None]) -> None:
    fill(3)
    head = store.log.head()
    failed = store.submit([put("x", "pen"), Append("test_box/y", 0, (Broken(),))], actor=ADA, at=NOON)
    assert isinstance(failed.exception(), RuntimeError)
    assert (store.log.size, store.log.head()) == (3, head)
    store.commit([put("z", "pen")], actor=ADA, at=NOON)
    assert verify(store.log.evidence(3), store.log.vkey)["stream"] == "test_box/z"
