"""States in memory are never older than the last commit."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from portal.store import Store
from portal.store.records import Held
from portal.store.states import ABSENT_CAPACITY, States
from tests.portal.store.store_boxes import ADA, BOXES, NOON, Box, put


def held(version: int) -> Held:
    return Held(version, Box())


def test_what_was_published_is_kept() -> None:
    states = States()
    states.publish({"a": held(1)})
    assert states.get("a") == held(1)
    assert states.get("b") is None


def test_what_a_reader_brings_late_is_not_taken() -> None:
    states = States()
    epoch = states.epoch
    states.publish({"a": held(2)})
    states.add("a", held(1), epoch)
    assert states.get("a") == held(2)


def test_those_not_used_for_longest_go_first() -> None:
    states = States(capacity=2)
    states.publish({"a": held(1), "b": held(1)})
    states.get("a")
    states.publish({"c": held(1)})
    assert (states.get("a"), states.get("b"), states.get("c")) == (held(1), None, held(1))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["begin", "add", "commit"])), max_size=60))
def test_no_order_of_reads_and_commits_leaves_something_old(steps: list[tuple[str, str]]) -> None:
    states = States(capacity=2)
    file: dict[str, Held] = {}
    reading: dict[str, tuple[int, Held]] = {}
    for stream, step in steps:
        if step == "begin":
            reading[stream] = (states.epoch, file.get(stream, held(0)))
        elif step == "add" and stream in reading:
            epoch, found = reading.pop(stream)
            states.add(stream, found, epoch)
        elif step == "commit":
            file[stream] = held(file[stream].version + 1 if stream in file else 1)
            states.publish({stream: file[stream]})
        assert states.get(stream) in (None, file.get(stream, held(0)))


def test_asking_for_what_is_not_there_displaces_nothing() -> None:
    states = States(capacity=2)
    states.publish({"a": held(1), "b": held(1)})
    for number in range(ABSENT_CAPACITY + 1):
        states.add(f"absent-{number}", held(0), states.epoch)
    assert (states.get("a"), states.get("b")) == (held(1), held(1))
    assert (states.get("absent-0"), states.get("absent-1")) == (None, held(0))


def test_what_was_absent_is_there_once_it_is_published() -> None:
    states = States(capacity=1)
    states.add("a", held(0), states.epoch)
    assert states.get("a") == held(0)
    states.publish({"a": held(1)})
    states.publish({"b": held(1)})
    assert states.get("a") is None


def test_a_reader_sees_its_own_commit_at_once(store: Store) -> None:
    def work(worker: int) -> None:
        for version in range(15):
            store.commit([put(f"{worker}", f"{version}", expected=version)], actor=ADA, at=NOON)
            assert store.state(BOXES, f"{worker}")[1] == version + 1

    threads = [threading.Thread(target=work, args=[worker]) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.state(BOXES, str(worker))[1] for worker in range(4)] == [15] * 4
