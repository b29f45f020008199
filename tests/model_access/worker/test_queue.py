"""What waits in front of a worker: in whose turn it begins, where it stands, and what its end leaves."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agreements.errors import Limited
from model_access.generation import Failed, Finished, GenerationRequest, RunEvent
from model_access.worker import Share, Ticket, WorkerPool, WorkerState
from model_access.worker.fairness import equal_weights
from model_access.worker.line import Line, Waiting
from model_access.worker.pace import Pace, Served
from model_access.worker.tickets import InFlight
from tests.model_access.worker.queue_stand import DEAF, ENDLESS, LYING, SILENT, WAIT_S, Asked, quick_pool

NORTH, SOUTH = Share("north", "ben"), Share("south", "cleo")
BATCH = Share("south", "cleo", batch=True)
ORDER: list[Asked] = []
"""In which order requests were first heard of."""


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPool]:
    """One request runs at a time."""
    with quick_pool(tmp_path, monkeypatch, slots=1) as pool:
        yield pool


def held(pool: WorkerPool, share: Share = NORTH) -> Asked:
    """A request that runs until it is cancelled."""
    asked = Asked(pool, share, seed=ENDLESS)
    assert asked.begun.wait(WAIT_S)
    return asked


def in_turn(asked: dict[str, Asked]) -> list[str]:
    """The names of requests in the order in which they began, when all are over."""
    for one in asked.values():
        assert one.ticket.wait(WAIT_S)
    return sorted(asked, key=lambda name: ORDER.index(asked[name]))


class Noted(Asked):
    """Notes when it is heard of first."""

    def _hear(self, event: RunEvent) -> None:
        if self not in ORDER:
            ORDER.append(self)
        super()._hear(event)


def test_a_question_passes_another_institutions_flood_and_its_own_batch(pool: WorkerPool) -> None:
    running = held(pool)
    asked: dict[str, Asked] = {f"flood {number}": Noted(pool, NORTH) for number in range(5)}
    asked["line"] = Noted(pool, BATCH)
    asked["question"] = Noted(pool, SOUTH)
    places = {name: one.ticket.place() for name, one in asked.items()}
    assert places["question"] is not None
    assert (places["question"].position, places["question"].waiting) == (1, 7)
    assert running.ticket.place() is None
    running.ticket.cancel()
    order = in_turn(asked)
    assert order[0] == "question"
    assert order.index("line") < order.index("flood 4")
    assert all(isinstance(one.last, Finished) for one in asked.values())
    assert asked["line"].ticket.place() is None


def test_what_is_cancelled_while_it_waits_costs_nothing_and_holds_nobody_up(pool: WorkerPool) -> None:
    running = held(pool)
    first, second = Asked(pool, SOUTH), Asked(pool, SOUTH)
    first.ticket.cancel()
    assert isinstance(first.last, Failed)
    assert (first.last.code, first.last.completion_tokens, first.last.retriable) == ("cancelled", 0, False)
    place = second.ticket.place()
    assert place is not None
    assert place.position == 1
    running.ticket.cancel()
    assert isinstance(second.last, Finished)


def test_a_worker_does_not_cancel_what_nobody_cancelled(pool: WorkerPool) -> None:
    asked = Asked(pool, NORTH, seed=LYING)
    assert isinstance(asked.last, Failed)
    assert (asked.last.code, asked.last.retriable) == ("worker_died", True)
    assert pool.status()[0].last_error == "bad_frame"


def test_a_worker_that_does_not_stop_what_it_is_told_to_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quick_pool(tmp_path, monkeypatch, stall_timeout_s=0.5) as pool:
        asked = Asked(pool, NORTH, seed=DEAF)
        asked.ticket.cancel()
        assert isinstance(asked.last, Failed)
        assert (asked.last.code, asked.last.retriable) == ("worker_stalled", True)


def test_what_is_cancelled_in_its_turn_has_taken_its_prompt_however_early_it_is(pool: WorkerPool) -> None:
    asked = Asked(pool, NORTH, seed=SILENT)
    assert asked.ticket.place() is None
    asked.ticket.cancel()
    assert isinstance(asked.last, Failed)
    assert (asked.last.code, asked.last.completion_tokens) == ("cancelled", 0)
    assert [(line.institution_id, line.served_tokens) for line in pool.queue("tiny")] == [("north", 2)]


def test_what_waits_outlives_the_worker(pool: WorkerPool) -> None:
    running = held(pool)
    waiting = [Asked(pool, SOUTH), Asked(pool, NORTH)]
    pid = pool.status()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert isinstance(running.last, Failed)
    assert (running.last.code, running.last.retriable) == ("worker_died", True)
    assert all(isinstance(one.last, Finished) for one in waiting)
    assert pool.status()[0].restarts == 1


def test_all_that_run_fail_each_by_itself_and_none_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with quick_pool(tmp_path, monkeypatch, slots=8) as pool:
        for _ in range(4):
            running = [held(pool) for _ in range(8)]
            waiting = [Asked(pool, SOUTH) for _ in range(4)]
            pid = pool.status()[0].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            for one in running:
                assert isinstance(one.last, Failed)
                assert (one.last.code, one.last.retriable) == ("worker_died", True)
            assert all(isinstance(one.last, Finished) for one in waiting)


def test_stopping_a_worker_fails_what_runs_and_what_waits_and_says_so(pool: WorkerPool) -> None:
    asked = [held(pool), Asked(pool, SOUTH)]
    status = pool.status()[0]
    assert (status.state, status.slots, status.slots_in_use, status.waiting) == (WorkerState.READY, 1, 1, 1)
    pool.stop("tiny")
    for one in asked:
        assert isinstance(one.last, Failed)
        assert (one.last.code, one.last.retriable) == ("stopped", True)
    status = pool.status()[0]
    assert (status.state, status.slots_in_use, status.waiting) == (WorkerState.COLD, 0, 0)


def test_the_queue_is_seen_by_institution(pool: WorkerPool) -> None:
    running = held(pool)
    for share in (SOUTH, BATCH):
        Asked(pool, share)
    north, south = pool.queue("tiny")
    assert (north.institution_id, north.running, north.waiting) == ("north", 1, 0)
    assert (south.institution_id, south.running, south.waiting, south.waiting_batch) == ("south", 0, 2, 1)
    assert (north.served_tokens, south.waiting_tokens) == (3, 12)
    running.ticket.cancel()


def test_weights_are_asked_for_when_a_turn_comes(pool: WorkerPool) -> None:
    pool.weight_of = {"north": 4.0, "south": 1.0}.__getitem__
    running = held(pool)
    asked: dict[str, Asked] = {}
    for number in range(4):
        asked[f"south {number}"] = Noted(pool, SOUTH, tokens=6)
        asked[f"north {number}"] = Noted(pool, NORTH, tokens=6)
    running.ticket.cancel()
    assert [name[:5] for name in in_turn(asked)][:5].count("north") == 4


def test_an_institution_may_not_let_any_number_wait() -> None:
    line = Line(equal_weights, most_waiting=0)
    with pytest.raises(Limited) as refusal:
        line.require_room(SOUTH)
    assert refusal.value.code == "queue_full"
    assert refusal.value.retry_after_s is not None


def test_what_there_is_no_room_for_is_known_before_it_is_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_access.worker.pool.Line", partial(Line, most_waiting=1))
    with quick_pool(tmp_path, monkeypatch, slots=1) as pool:
        running = held(pool)
        pool.require_room("tiny", NORTH)
        waiting = Asked(pool, NORTH)
        for refused in (lambda: pool.require_room("tiny", NORTH), lambda: Asked(pool, NORTH)):
            with pytest.raises(Limited) as refusal:
                refused()
            assert refusal.value.code == "queue_full"
        pool.require_room("tiny", SOUTH)
        running.ticket.cancel()
        assert isinstance(waiting.last, Finished)


def test_places_are_worked_out_once_a_second_and_those_that_left_are_gone_at_once() -> None:
    now = 0.0
    line = Line(equal_weights, slots=1, monotonic=lambda: now)
    asked = [waiting(number, NORTH) for number in range(3)]
    for one in asked:
        line.add(one)

    def stands(one: Waiting) -> tuple[int, int]:
        place = line.place(one)
        assert place is not None
        return place.position, place.waiting

    assert stands(asked[2]) == (3, 3)
    line.add(waiting(3, SOUTH))
    assert stands(asked[2]) == (3, 4)
    now = 1.0
    assert stands(asked[2]) == (4, 4)
    assert line.remove(asked[0])
    assert line.place(asked[0]) is None
    assert stands(asked[2]) == (3, 3)
    newest = waiting(4, SOUTH)
    line.add(newest)
    assert stands(newest) == (4, 4)


def waiting(number: int, share: Share) -> Waiting:
    """A request that nobody runs."""
    request = GenerationRequest(prompts=((1,),), seed=0)
    in_flight = InFlight(request, (1,), 10, lambda _: None)
    return Waiting(number, b"", in_flight, Ticket(lambda: None), share, cost=10, rows=1)


def test_a_pace_counts_the_time_of_work_alone() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    assert pace.tokens_per_s is None
    pace.begin()
    for _ in range(40):
        now += 0.1
        pace.made(5)
    pace.rest()
    assert pace.tokens_per_s == pytest.approx(50.0)
    now += 1000.0
    pace.begin()
    assert pace.tokens_per_s == pytest.approx(50.0)
    for _ in range(1000):
        now += 0.1
        pace.made(1)
    assert pace.tokens_per_s == pytest.approx(10.0, rel=0.2)


def test_what_was_served_is_told_of_ten_minutes() -> None:
    now = 0.0
    served = Served(lambda: now)
    served.add("north", 5)
    now = 300.0
    served.add("south", 7)
    served.add("south", 1)
    assert served.lately() == {"north": 5, "south": 8}
    now = 700.0
    assert served.lately() == {"south": 8}
