"""What one commit does, what it refuses, and that requests sharing a transaction do not touch one another."""

import threading
from datetime import datetime

import pytest

from agreements.errors import Conflict, Invalid, StaleVersion, TooLarge, Unavailable
from portal.store import Append, Committed, Store
from tests.portal.store.store_boxes import ADA, BOXES, GRACE, NOON, Box, Broken, Put, Taken, put


def things(store: Store, box: str) -> list[str]:
    rows = store.query("SELECT thing FROM test_thing WHERE box_id = ? ORDER BY thing", [box])
    return [row["thing"] for row in rows]


def test_a_commit_is_events_state_and_rows(store: Store) -> None:
    committed = store.commit([put("a", "pen", "ink"), put("b", "cup")], actor=ADA, at=NOON)
    assert committed == Committed(range(3), {"test_box/a": 2, "test_box/b": 1})
    assert store.state(BOXES, "a") == (Box(things={"pen": 1.0, "ink": 1.0}), 2)
    assert things(store, "a") == ["ink", "pen"]
    assert store.query("SELECT * FROM test_box WHERE box_id = 'a'") == [
        {"box_id": "a", "changes": 2, "weight": 2.0, "seen_at": NOON.replace(tzinfo=None)}
    ]


def test_nothing_happened_to_an_unknown_object(store: Store) -> None:
    assert store.state(BOXES, "nowhere") == (Box(), 0)


def test_events_come_back_as_they_were_recorded(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON)
    store.commit([Append("test_box/a", 1, (Taken(thing="pen"),)), put("b", "cup")], actor=GRACE, at=NOON)
    first, second, third = store.events()
    assert (first.position, first.stream, first.version, first.event) == (0, "test_box/a", 1, Put(thing="pen"))
    assert (second.actor_id, second.actor_name, second.channel, second.at) == ("per_grace", "Grace", "cli", NOON)
    assert store.events("test_box/a") == [first, second]
    assert store.events(types=["test_box:put"]) == [first, third]
    assert store.events(after=0, limit=1) == [second]


def test_the_name_of_an_actor_is_the_present_one(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON)
    store.commit([put("b", "pen")], actor=ADA.model_copy(update={"name": "Ada L."}), at=NOON)
    assert {event.actor_name for event in store.events()} == {"Ada L."}


def test_a_stale_append_is_refused_and_says_so(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON)
    with pytest.raises(StaleVersion) as refused:
        store.commit([put("b", "cup"), put("a", "ink")], actor=ADA, at=NOON)
    assert (refused.value.stream, refused.value.expected, refused.value.actual) == ("test_box/a", 0, 1)
    assert store.state(BOXES, "b") == (Box(), 0)
    assert len(store.events()) == 1


def test_requests_that_share_a_transaction_stand_or_fall_alone(store: Store) -> None:
    gate = threading.Event()
    blocked = threading.Thread(target=store.between_transactions, args=[lambda _: gate.wait()])
    blocked.start()
    futures = [
        store.submit([put("a", "pen")], actor=ADA, at=NOON),
        store.submit([put("a", "late")], actor=ADA, at=NOON),
        store.submit([put("a", "ink", expected=1)], actor=ADA, at=NOON),
        store.submit([put("b", "cup")], actor=ADA, at=NOON),
    ]
    gate.set()
    blocked.join()
    assert futures[0].result().positions == range(1)
    assert isinstance(futures[1].exception(), StaleVersion)
    assert futures[2].result().positions == range(1, 2)
    assert futures[3].result().positions == range(2, 3)
    assert store.query("SELECT max(size) AS size FROM log_head") == [{"size": 3}]


def test_a_request_that_breaks_its_transaction_does_not_poison_the_others(store: Store) -> None:
    gate = threading.Event()
    blocked = threading.Thread(target=store.between_transactions, args=[lambda _: gate.wait()])
    blocked.start()
    good = store.submit([put("a", "pen")], actor=ADA, at=NOON)
    bad = store.submit([Append("test_box/b", 0, (Broken(),))], actor=ADA, at=NOON)
    later = store.submit([put("c", "cup")], actor=ADA, at=NOON)
    gate.set()
    blocked.join()
    assert good.result().positions == range(1)
    assert isinstance(bad.exception(), RuntimeError)
    assert later.result().positions == range(1, 2)
    assert store.log.size == 2


def test_many_changes_to_one_row_in_one_transaction(store: Store) -> None:
    gate = threading.Event()
    blocked = threading.Thread(target=store.between_transactions, args=[lambda _: gate.wait()])
    blocked.start()
    swap = [Append("test_box/a", v, (Put(thing="pen"),) if v % 2 == 0 else (Taken(thing="pen"),)) for v in range(51)]
    futures = [store.submit([change], actor=ADA, at=NOON) for change in swap]
    gate.set()
    blocked.join()
    assert [future.result().versions["test_box/a"] for future in futures] == list(range(1, 52))
    assert things(store, "a") == ["pen"]


def test_a_row_that_went_can_come_back_while_someone_reads(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON)
    with store.database.snapshot() as reader:
        assert reader.execute("SELECT thing FROM test_thing").fetchall() == [("pen",)]
        for version in (1, 3, 5):
            store.commit([Append("test_box/a", version, (Taken(thing="pen"),))], actor=ADA, at=NOON)
            store.commit([put("a", "pen", expected=version + 1)], actor=ADA, at=NOON)
        assert reader.execute("SELECT thing FROM test_thing").fetchall() == [("pen",)]
    assert things(store, "a") == ["pen"]


def test_an_append_without_events_only_holds_to_a_version(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON)
    guarded = store.commit([Append("test_box/a", 1, ()), put("b", "cup")], actor=ADA, at=NOON)
    assert guarded.versions == {"test_box/b": 1}
    with pytest.raises(StaleVersion):
        store.commit([Append("test_box/a", 0, ()), put("c", "cup")], actor=ADA, at=NOON)


def test_one_stream_twice_in_a_request(store: Store) -> None:
    committed = store.commit([put("a", "pen"), put("a", "ink", expected=1)], actor=ADA, at=NOON)
    assert committed.versions == {"test_box/a": 2}


def test_a_repeated_request_changes_nothing(store: Store) -> None:
    first = store.commit([put("a", "pen")], actor=ADA, at=NOON, idempotency_key="k1")
    store.commit([put("b", "pen")], actor=ADA, at=NOON)
    again = store.commit([put("a", "pen")], actor=ADA, at=NOON, idempotency_key="k1")
    assert again == Committed(first.positions, first.versions, replayed=True)
    assert store.committed_under("per_ada", "k1") == again
    assert store.committed_under("per_ada", "k2") is None
    assert store.log.size == 2


def test_a_key_stands_for_one_request(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON, idempotency_key="k1")
    with pytest.raises(Conflict) as refused:
        store.commit([put("a", "ink")], actor=ADA, at=NOON, idempotency_key="k1")
    assert refused.value.code == "idempotency_key_reused"


def test_a_key_belongs_to_one_actor(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON, idempotency_key="k1")
    other = store.commit([put("b", "pen")], actor=GRACE, at=NOON, idempotency_key="k1")
    assert not other.replayed


def test_the_same_request_twice_in_one_transaction(store: Store) -> None:
    gate = threading.Event()
    blocked = threading.Thread(target=store.between_transactions, args=[lambda _: gate.wait()])
    blocked.start()
    futures = [store.submit([put("a", "pen")], actor=ADA, at=NOON, idempotency_key="k") for _ in range(3)]
    gate.set()
    blocked.join()
    assert [future.result().replayed for future in futures] == [False, True, True]


@pytest.mark.parametrize("stream", ["unknown/x", "test_box/", "test_box", ""])
def test_a_stream_of_no_kind_is_refused(store: Store, stream: str) -> None:
    with pytest.raises(Invalid, match="not a stream"):
        store.commit([Append(stream, 0, (Put(thing="pen"),))], actor=ADA, at=NOON)


def test_a_time_without_zone_is_refused(store: Store) -> None:
    with pytest.raises(Invalid) as refused:
        store.commit([put("a", "pen")], actor=ADA, at=datetime(2026, 1, 1))  # noqa: DTZ001 - a naive time is the attempt
    assert refused.value.code == "naive_time"


def test_an_event_that_is_too_large_is_refused(store: Store) -> None:
    with pytest.raises(TooLarge):
        store.commit([put("a", "x" * (1 << 20))], actor=ADA, at=NOON)


def test_text_that_has_no_canonical_form_is_refused(store: Store) -> None:
    with pytest.raises(Invalid):
        store.commit([put("a", "\ud800")], actor=ADA, at=NOON)
    assert store.commit([put("a", "pen")], actor=ADA, at=NOON).positions == range(1)


def test_many_threads_write_and_read_at_once(store: Store) -> None:
    def work(worker: int) -> None:
        for number in range(20):
            store.commit([put(f"{worker}-{number}", "pen")], actor=ADA, at=NOON)
            assert store.state(BOXES, f"{worker}-{number}")[1] == 1

    threads = [threading.Thread(target=work, args=[worker]) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.position for event in store.events()] == list(range(120))


def test_one_of_many_rivals_wins_each_version(store: Store) -> None:
    outcomes: list[bool] = []

    def work(worker: int) -> None:
        for version in range(10):
            try:
                store.commit([put("a", f"{worker}", expected=version)], actor=ADA, at=NOON)
                outcomes.append(True)
            except StaleVersion:
                outcomes.append(False)

    threads = [threading.Thread(target=work, args=[worker]) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.state(BOXES, "a")[1] == sum(outcomes)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM event",
        "INSERT INTO actor VALUES ('x', 'y')",
        "SELECT * FROM nowhere",
        "SELECT (",
        "DROP TABLE state",
    ],
)
def test_a_query_only_reads(store: Store, sql: str) -> None:
    with pytest.raises(Invalid) as refused:
        store.query(sql)
    assert refused.value.code == "bad_query"


def test_no_statement_reaches_another_file(store: Store) -> None:
    with pytest.raises((Invalid, Unavailable)):
        store.query("SELECT * FROM read_text('/etc/hostname')")
    with pytest.raises((Invalid, Unavailable)):
        store.query("SET enable_external_access = true")


def test_a_closed_store_takes_nothing(store: Store) -> None:
    waiting = store.submit([put("a", "pen")], actor=ADA, at=NOON)
    store.close()
    assert waiting.result().positions == range(1)
    with pytest.raises(Unavailable):
        store.commit([put("b", "pen")], actor=ADA, at=NOON)
    with pytest.raises(Unavailable):
        store.query("SELECT 1")


def test_an_id_said_to_be_fresh_that_is_not_changes_nothing(store: Store) -> None:
    store.commit([put("a", "pen")], actor=ADA, at=NOON)
    before = store.log.head()
    with pytest.raises(Invalid):
        store.commit([Append("test_box/a", 0, (Put(thing="ink"),), fresh=True)], actor=ADA, at=NOON)
    assert (things(store, "a"), store.log.head()) == (["pen"], before)
    store.commit([Append("test_box/b", 0, (Put(thing="cup"),), fresh=True)], actor=ADA, at=NOON)
    assert things(store, "b") == ["cup"]
