"""The order in which requests are served, whatever comes in: fair, complete, and idle only when nothing waits."""

import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_access.worker.fairness import FairQueue, Share, Taken

MOST = 60
COSTS = st.integers(5, MOST)
ENOUGH = 60 * MOST
"""Tokens per institution after which the length of one request no longer shows."""


def jain(shares: Sequence[float]) -> float:
    """1 where all are alike, 1/n where one has it all (Jain, Chiu and Hawe, 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def backlogged(
    shares: Mapping[Share, Sequence[int]],
    weights: Mapping[str, float],
    *,
    slots: int = 1,
    chance: random.Random | None = None,
) -> Counter[Share]:
    """Tokens that each share was served while all of them had something waiting all the time.

    With ``chance`` requests take less than they may, at random.
    """
    queue: FairQueue[int] = FairQueue(lambda name: weights.get(name, 1.0))
    numbers, tokens = count(), Counter[Share]()
    running: deque[Taken[int]] = deque()

    def another(share: Share) -> None:
        number = next(numbers)
        queue.add(number, share, shares[share][number % len(shares[share])])

    for share in shares:
        for _ in range(3):
            another(share)
    while tokens.total() < ENOUGH * len(shares):
        taken = queue.take()
        assert taken is not None
        another(taken.share)
        running.append(taken)
        if len(running) == slots:
            done = running.popleft()
            used = done.cost if chance is None else chance.randint(1, done.cost)
            queue.settle(done, used)
            tokens[done.share] += used
    return tokens


@given(st.lists(st.lists(COSTS, min_size=1, max_size=5), min_size=2, max_size=4), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_backlogged_institutions_get_the_same_whatever_their_lengths(lengths: list[list[int]], slots: int) -> None:
    shares = {Share(f"institution {place}", "one"): costs for place, costs in enumerate(lengths)}
    tokens = backlogged(shares, {}, slots=slots)
    assert jain([tokens[share] for share in shares]) >= 0.95


@given(st.lists(st.lists(COSTS, min_size=1, max_size=5), min_size=2, max_size=3), st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_so_they_do_where_nobody_takes_what_they_asked_for(lengths: list[list[int]], seed: int) -> None:
    shares = {Share(f"institution {place}", "one"): costs for place, costs in enumerate(lengths)}
    tokens = backlogged(shares, {}, slots=3, chance=random.Random(seed))
    assert jain([tokens[share] for share in shares]) >= 0.95


def test_many_holders_and_many_requests_win_an_institution_nothing() -> None:
    flood = {Share("flood", f"holder {number}", batch=number % 2 == 1): [MOST] for number in range(20)}
    tokens = backlogged({**flood, Share("quiet", "one"): [7, 30]}, {})
    flooded = sum(tokens[share] for share in flood)
    assert jain([flooded, tokens[Share("quiet", "one")]]) >= 0.95


def test_weights_are_kept_to() -> None:
    tokens = backlogged({Share("a", "one"): [40], Share("b", "one"): [9, 60]}, {"a": 3.0, "b": 1.0})
    assert tokens[Share("a", "one")] / tokens[Share("b", "one")] == pytest.approx(3.0, rel=0.1)


def test_what_is_given_back_is_what_was_charged_though_the_weight_changed_meanwhile() -> None:
    weights = {"a": 10.0, "b": 1.0}
    queue: FairQueue[str] = FairQueue(weights.__getitem__)
    for name in weights:
        for number in range(20):
            queue.add(f"{name} {number}", Share(name, "one"), 100)
    taken = queue.take()
    assert taken is not None
    assert taken.key == "a 0"
    weights["a"] = 0.1
    queue.settle(taken, 0)
    weights["a"] = 1.0
    assert Counter(key[0] for key in islice(queue.order(), 10)) == {"a": 5, "b": 5}


def test_holders_of_one_institution_get_the_same() -> None:
    shares = {Share("a", "one"): [60], Share("a", "two"): [5], Share("a", "three"): [31, 8]}
    tokens = backlogged(shares, {})
    assert jain([tokens[share] for share in shares]) >= 0.95


def test_a_batch_beside_endless_questions_has_a_tenth() -> None:
    shares = {Share("a", "one"): [20], Share("a", "one", batch=True): [60]}
    tokens = backlogged(shares, {})
    assert tokens[Share("a", "one", batch=True)] / tokens.total() == pytest.approx(0.1, abs=0.02)


def test_a_question_goes_before_the_batch_that_was_there_first() -> None:
    queue: FairQueue[str] = FairQueue()
    for line in range(3):
        queue.add(f"line {line}", Share("a", "one", batch=True), 50)
    first = queue.take()
    assert first is not None
    queue.add("question", Share("a", "two"), 200)
    assert list(queue.order()) == ["question", "line 1", "line 2"]


def test_a_flood_is_passed_by_whoever_comes_later() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(10_000):
        queue.add(f"flood {number}", Share("flood", "one"), 100)
    for _ in range(40):
        queue.take()
    queue.add("question", Share("quiet", "one"), 100)
    assert "question" in list(islice(queue.order(), 2))


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "settle", "remove", "put back"]), st.integers(0, 3), COSTS), max_size=80
)


@given(ACTIONS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_it_works_while_anything_waits_and_serves_each_once(
    actions: list[tuple[str, int, int]],
) -> None:
    queue: FairQueue[int] = FairQueue()
    waiting, running, over = set[int](), list[Taken[int]](), set[int]()
    for number, (action, who, cost) in enumerate(actions):
        if action == "add":
            queue.add(number, Share(f"institution {who % 2}", f"holder {who}", batch=cost % 3 == 0), cost)
            waiting.add(number)
        elif action == "take":
            expected = next(queue.order(), None)
            taken = queue.take()
            assert (taken is None) == (not waiting)
            if taken is not None:
                assert taken.key == expected
                waiting.remove(taken.key)
                running.append(taken)
        elif action == "settle" and running:
            done = running.pop(who % len(running))
            queue.settle(done, cost % (done.cost + 1))
            over.add(done.key)
        elif action == "put back" and running:
            back = running.pop(who % len(running))
            queue.settle(back, 0)
            queue.add(back.key, back.share, back.cost, first=True)
            waiting.add(back.key)
        elif action == "remove":
            assert queue.remove(number - who) == (number - who in waiting)
            waiting.discard(number - who)
        assert len(queue) == len(waiting)
    assert set(queue.order()) == waiting
    while (taken := queue.take()) is not None:
        waiting.remove(taken.key)
    assert not waiting


@given(st.lists(COSTS, min_size=1, max_size=20), st.booleans())
@settings(max_examples=50, deadline=None)
def test_what_is_cancelled_leaves_no_debt(costs: list[int], begun: bool) -> None:
    def after(cancelled: Sequence[int]) -> list[str]:
        queue: FairQueue[str] = FairQueue()
        queue.add("running", Share("b", "one"), 10)
        queue.take()
        for number, cost in enumerate(cancelled):
            queue.add(f"cancelled {number}", Share("a", "one"), cost)
        for number in range(len(cancelled)):
            if begun:
                taken = queue.take()
                assert taken is not None
                queue.settle(taken, 0)
            else:
                assert queue.remove(f"cancelled {number}")
        for number in range(4):
            queue.add(f"a {number}", Share("a", "one"), 20)
            queue.add(f"b {number}", Share("b", "one"), 20)
        return list(queue.order())

    assert after(costs)[:2] == after([])[:2]
    assert jain([sum(name.startswith(who) for name in after(costs)[:4]) for who in "ab"]) == 1.0


def test_an_idle_machine_is_used_without_being_paid_for_later() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(100):
        queue.add(f"early {number}", Share("a", "one"), 50)
        taken = queue.take()
        assert taken is not None
        queue.settle(taken, 50)
    queue.add("a", Share("a", "one"), 50)
    queue.add("b", Share("b", "one"), 50)
    assert list(queue.order()) == ["a", "b"]


def test_nobody_saves_a_share_up() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(50):
        queue.add(f"a {number}", Share("a", "one"), 10)
    for _ in range(20):
        queue.take()
    for number in range(30):
        queue.add(f"b {number}", Share("b", "one"), 10)
    first = [name[0] for name in islice(queue.order(), 10)]
    assert abs(first.count("a") - first.count("b")) <= 2
