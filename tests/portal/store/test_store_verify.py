"""Whatever is changed behind the store's back is found and named."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from agreements.errors import Invalid, Unavailable, VerificationError
from agreements.keys import SigningKey
from agreements.log_head import LogHead, NoteSigner, sign_head
from agreements.merkle import Tree
from portal.store import Append, VerifyReport, verify_store
from portal.store.append_only import TABLES
from portal.store.leaves import LEAF_COLUMNS, Leaf
from tests.portal.store.store_boxes import ADA, BOXES, GRACE, NOON, SIGNER, Taken, open_store, put


@pytest.fixture
def closed(path: Path) -> Path:
    """A closed store: six events in four transactions, by two actors, two of them under idempotency keys."""
    with open_store(path) as store:
        store.commit([put("a", "pen", "ink")], actor=ADA, at=NOON, idempotency_key="k1")
        store.commit([put("b", "cup")], actor=GRACE, at=NOON)
        store.commit([Append("test_box/a", 2, (Taken(thing="pen"),)), put("c", "hat")], actor=ADA, at=NOON)
        store.commit([put("d", "key")], actor=ADA, at=NOON, idempotency_key="k2")
    return path


def tamper(path: Path, statement: str, params: Sequence[object] = ()) -> None:
    with duckdb.connect(path) as connection:
        for table in TABLES:
            for verb in ("update", "delete"):
                connection.execute(f"DROP TRIGGER {table}_refuses_{verb} ON {table}")
        connection.execute(statement, list(params))


def check(path: Path, *known_heads: str) -> VerifyReport:
    return verify_store(path, SIGNER.vkey, aggregates=[BOXES], known_heads=known_heads)


def test_an_untouched_store_holds(closed: Path) -> None:
    report = check(closed)
    report.require()
    assert (report.entries, report.heads, report.objects, report.rows) == (6, 5, 4, 8)
    with open_store(closed) as store:
        assert report.head == store.log.head()


def test_a_running_store_verifies_itself(closed: Path) -> None:
    with open_store(closed) as store:
        seen: list[tuple[int, int]] = []
        report = verify_store(store, SIGNER.vkey, progress=lambda done, total: seen.append((done, total)))
        assert report.ok
        assert seen == [(12, 12)]
        with pytest.raises(Unavailable) as refused:
            check(closed)
        assert refused.value.code == "store_in_use"


def test_a_new_store_holds(path: Path) -> None:
    open_store(path).close()
    assert check(path).ok


TAMPERED = [
    ('UPDATE event SET body = \'{"thing":"gun","weight":1}\' WHERE position = 2', "event", "2"),
    ("UPDATE event SET body = body || ' ' WHERE position = 2", "event", "2"),
    ("UPDATE event SET body = '[]' WHERE position = 2", "event", "2"),
    ("UPDATE event SET body = 'no json' WHERE position = 2", "event", "2"),
    ("UPDATE event SET stream = 'test_box/z' WHERE position = 2", "event", "2"),
    ("UPDATE event SET version = 9 WHERE position = 2", "event", "2"),
    ("UPDATE event SET type = 'test_box:taken' WHERE position = 2", "event", "2"),
    ("UPDATE event SET actor_id = 'per_ada' WHERE position = 2", "event", "2"),
    ("UPDATE event SET channel = 'api' WHERE position = 2", "event", "2"),
    ("UPDATE event SET recorded_at = recorded_at + INTERVAL 1 MICROSECOND WHERE position = 2", "event", "2"),
    ("UPDATE event SET salt = repeat('0', 32) WHERE position = 2", "event", "2"),
    ("UPDATE event SET leaf_hash = sha256('x')::BLOB WHERE position = 2", "event", "2"),
    ("UPDATE event SET position = 99 WHERE position = 5", "event", "5"),
    ("UPDATE event SET position = -1 WHERE position = 5", "event", "-1"),
    ("DELETE FROM event WHERE position = 3", "event", "3"),
    ("DELETE FROM event WHERE position >= 4", "event", "4"),
    ("DELETE FROM event", "event", "0"),
    ("INSERT INTO event SELECT * REPLACE (6 AS position, 'test_box/x' AS stream) FROM event LIMIT 1", "event", "6"),
    ("UPDATE log_head SET note = replace(note, 'test', 'best') WHERE number = 2", "log_head", "2"),
    ("UPDATE log_head SET size = 4 WHERE number = 2", "log_head", "2"),
    ("UPDATE log_head SET number = 9 WHERE number = 4", "log_head", "4"),
    ("DELETE FROM log_head WHERE number = 0", "log_head", "0"),
    ("DELETE FROM log_head WHERE number = 2", "log_head", "2"),
    ("DELETE FROM log_head WHERE number = 4", "event", "5"),
    ("DELETE FROM log_head", "log_head", "0"),
    ("INSERT INTO log_head SELECT 5, 7, note FROM log_head WHERE number = 4", "log_head", "5"),
    ("UPDATE state SET body = '{\"things\":{}}' WHERE stream = 'test_box/b'", "state", "test_box/b"),
    ("UPDATE state SET body = '{' WHERE stream = 'test_box/b'", "state", "test_box/b"),
    ("UPDATE state SET version = 2 WHERE stream = 'test_box/b'", "state", "test_box/b"),
    ("DELETE FROM state WHERE stream = 'test_box/b'", "state", "test_box/b"),
    ("INSERT INTO state VALUES ('test_box/bb', 1, '{}')", "state", "test_box/bb"),
    ("UPDATE test_box SET weight = 7 WHERE box_id = 'c'", "test_box", "c"),
    ("UPDATE test_box SET seen_at = now()::TIMESTAMP WHERE box_id = 'c'", "test_box", "c"),
    ("DELETE FROM test_box WHERE box_id = 'c'", "test_box", "c"),
    ("UPDATE test_thing SET thing = 'pin' WHERE thing = 'ink'", "test_thing", "a, pin"),
    ("DELETE FROM test_thing WHERE box_id = 'c'", "test_thing", "c, hat"),
    ("INSERT INTO test_thing VALUES ('a', 'zip')", "test_thing", "a, zip"),
    ("UPDATE idempotency SET request_digest = 'sha256:0' WHERE key = 'k1'", "idempotency", "per_ada, k1"),
    ("UPDATE idempotency SET first_position = 1 WHERE key = 'k1'", "idempotency", "per_ada, k1"),
    ("UPDATE idempotency SET event_count = 1 WHERE key = 'k1'", "idempotency", "per_ada, k1"),
    ("UPDATE idempotency SET versions = '{}' WHERE key = 'k2'", "idempotency", "per_ada, k2"),
    ("UPDATE idempotency SET actor_id = 'per_grace' WHERE key = 'k2'", "idempotency", "per_grace, k2"),
    ("DELETE FROM actor WHERE actor_id = 'per_grace'", "actor", "per_grace"),
    ("INSERT INTO actor VALUES ('per_eve', 'Eve')", "actor", "per_eve"),
]


@pytest.mark.parametrize(("statement", "table", "key"), TAMPERED)
def test_the_first_row_that_was_tampered_with_is_named(closed: Path, statement: str, table: str, key: str) -> None:
    tamper(closed, statement)
    fault = check(closed).fault
    assert fault is not None
    assert (fault.table, fault.key) == (table, key)


def test_the_fault_is_raised_on_request(closed: Path) -> None:
    tamper(closed, "DELETE FROM event WHERE position = 3")
    with pytest.raises(VerificationError, match="event 3: it is missing"):
        check(closed).require()


def rewrite(path: Path, position: int) -> None:
    """Change an event and give it the leaf hash it should have then."""
    with duckdb.connect(path, read_only=True) as connection:
        row = connection.execute(f"SELECT {LEAF_COLUMNS} FROM event WHERE position = ?", [position]).fetchone()  # noqa: S608 - constants and placeholders only
    assert row is not None
    changed = Leaf(*row)._replace(body='{"thing":"gun","weight":1}')
    leaf_hash = changed.computed_hash()
    tamper(path, "UPDATE event SET body = ?, leaf_hash = ? WHERE position = ?", [changed.body, leaf_hash, position])


@pytest.mark.parametrize(("position", "key"), [(0, "0-1"), (1, "0-1"), (2, "2"), (4, "3-4"), (5, "5")])
def test_an_event_rewritten_with_its_hash_contradicts_a_signed_head(closed: Path, position: int, key: str) -> None:
    rewrite(closed, position)
    fault = check(closed).fault
    assert fault is not None
    assert (fault.table, fault.key) == ("event", key)
    with pytest.raises(VerificationError) as refused:
        open_store(closed)
    assert refused.value.code == "log_head_mismatch"


def test_heads_signed_by_another_key_do_not_pass(closed: Path) -> None:
    with duckdb.connect(closed, read_only=True) as connection:
        hashes = [
            leaf_hash for (leaf_hash,) in connection.execute("SELECT leaf_hash FROM event ORDER BY position").fetchall()
        ]
    forger = NoteSigner(SIGNER.name, SigningKey.from_seed(b"f" * 32))
    note = sign_head(LogHead(origin=forger.name, size=6, root=Tree(hashes).root()), forger)
    tamper(closed, "UPDATE log_head SET note = ? WHERE number = 4", [note])
    fault = check(closed).fault
    assert fault is not None
    assert (fault.table, fault.key) == ("log_head", "4")


def test_a_store_put_back_to_an_earlier_moment_shows_against_a_kept_head(closed: Path) -> None:
    earlier = closed.read_bytes()
    with open_store(closed) as store:
        store.commit([put("e", "map")], actor=ADA, at=NOON)
        kept = store.log.head()
    assert check(closed, kept).ok
    closed.write_bytes(earlier)
    assert check(closed).ok
    fault = check(closed, kept).fault
    assert fault is not None
    assert (fault.table, fault.key) == ("event", "6")


def test_another_history_shows_against_a_kept_head(closed: Path) -> None:
    earlier = closed.read_bytes()
    with open_store(closed) as store:
        store.commit([put("e", "map")], actor=ADA, at=NOON)
        kept = store.log.head()
    closed.write_bytes(earlier)
    with open_store(closed) as store:
        store.commit([put("e", "map")], actor=ADA, at=NOON)
    fault = check(closed, kept).fault
    assert fault is not None
    assert "forked" in fault.what


def test_a_bad_verifier_key_is_refused(closed: Path) -> None:
    with pytest.raises(Invalid):
        verify_store(closed, "not a key", aggregates=[BOXES])


def test_verifying_a_closed_file_leaves_it_as_it_is(closed: Path) -> None:
    before = closed.read_bytes()
    check(closed)
    assert closed.read_bytes() == before
    assert [path.name for path in closed.parent.iterdir()] == [closed.name]
