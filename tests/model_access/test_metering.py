"""Meters: what is settled and held together never passes the budget, whatever the order and however many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agreements.access import Draw
from agreements.errors import Limited
from model_access.metering import RATE_WINDOW_S, Left, Meter, Settled


def draw(account: str, budget: int | None, per_minute: int | None) -> Draw:
    """What a run takes from an account."""
    return Draw(account=account, says="the grant", budget=budget, per_minute=per_minute)


BUDGET = 100
PER_MINUTE = 5


class Metering(RuleBasedStateMachine):
    """One account, held against a plain reckoning of what it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.meter = Meter({"a": Settled(10)}, lambda: self.now)
        self.settled = 10
        self.open: list[int] = []
        self.starts: list[float] = []

    @rule(tokens=st.integers(min_value=0, max_value=60))
    def reserve(self, tokens: int) -> None:
        recent = [start for start in self.starts if self.now - start < RATE_WINDOW_S]
        fits = self.settled + sum(self.open) + tokens <= BUDGET
        try:
            self.meter.reserve([draw("a", BUDGET, PER_MINUTE)], tokens)
        except Limited as refusal:
            expected = "rate_limited" if len(recent) >= PER_MINUTE else "budget_exhausted"
            assert refusal.code == expected
            assert len(recent) >= PER_MINUTE or not fits
        else:
            assert fits
            assert len(recent) < PER_MINUTE
            self.open.append(tokens)
            self.starts.append(self.now)

    @precondition(lambda self: bool(self.open))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        held = self.open.pop(data.draw(st.integers(min_value=0, max_value=len(self.open) - 1)))
        used = data.draw(st.integers(min_value=0, max_value=held))
        self.meter.settle(["a"], reserved=held, used=used)
        self.settled += used

    @rule(seconds=st.floats(min_value=0, max_value=90))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(tokens=st.integers(min_value=0, max_value=1000))
    def another_account(self, tokens: int) -> None:
        self.meter.reserve([draw("b", None, None)], tokens)
        self.meter.settle(["b"], reserved=tokens, used=tokens)

    @invariant()
    def never_beyond(self) -> None:
        usage = self.meter.usage("a")
        assert (usage.settled, usage.reserved) == (self.settled, sum(self.open))
        assert usage.settled + usage.reserved <= BUDGET


TestMetering = Metering.TestCase


def test_many_threads_together_stay_within_the_budget() -> None:
    meter, start = Meter({}, lambda: 0.0), threading.Barrier(32)

    def spend(_: int) -> int:
        start.wait()
        won = 0
        for _ in range(50):
            try:
                meter.reserve([draw("a", 1000, None)], 7)
            except Limited:
                continue
            assert meter.usage("a").settled + meter.usage("a").reserved <= 1000
            meter.settle(["a"], reserved=7, used=5)
            won += 1
        return won

    with ThreadPoolExecutor(32) as crowd:
        won = sum(crowd.map(spend, range(32)))
    usage = meter.usage("a")
    assert (usage.settled, usage.reserved) == (5 * won, 0)
    assert 1000 - 7 < usage.settled <= 1000


def test_the_window_of_a_rate_slides() -> None:
    now = 0.0
    meter = Meter({}, lambda: now)
    for second in (0.0, 30.0):
        now = second
        meter.reserve([draw("a", None, 2)], 1)
    now = 45.0
    with pytest.raises(Limited) as refusal:
        meter.reserve([draw("a", None, 2)], 1)
    assert (refusal.value.code, refusal.value.retry_after_s) == ("rate_limited", 15.0)
    now = 60.0
    meter.reserve([draw("a", None, 2)], 1)
    with pytest.raises(Limited):
        meter.reserve([draw("a", None, 2)], 1)


def test_by_another_clock_rates_begin_anew_and_nothing_else_does() -> None:
    meter = Meter({}, lambda: 0.0)
    for _ in range(2):
        meter.reserve([draw("a", None, 2)], 1)
    now = 1_000.0
    meter.timed_by(lambda: now)
    meter.reserve([draw("a", None, 2)], 1)
    meter.reserve([draw("a", None, 2)], 1)
    with pytest.raises(Limited):
        meter.reserve([draw("a", None, 2)], 1)
    assert (meter.usage("a").reserved, meter.usage("a").requests, meter.usage("a").recent) == (4, 4, 2)


def test_what_is_refused_holds_nothing_and_counts_towards_no_rate() -> None:
    meter = Meter({"a": Settled(95)}, lambda: 0.0)
    for _ in range(10):
        with pytest.raises(Limited) as refusal:
            meter.reserve([draw("a", 100, 2)], 6)
        assert refusal.value.code == "budget_exhausted"
        assert refusal.value.hint
    meter.reserve([draw("a", 100, 2)], 5)
    assert meter.usage("a").reserved == 5


def test_an_account_nobody_used_is_empty() -> None:
    assert (Meter({}, lambda: 0.0).usage("new").settled, Meter({}, lambda: 0.0).usage("new").reserved) == (0, 0)


def test_a_run_is_held_to_every_account_it_draws_on_or_holds_nothing() -> None:
    meter = Meter({"agreement": Settled(95)}, lambda: 0.0)
    path = [draw("grant", 50, None), draw("agreement", 100, None)]
    with pytest.raises(Limited) as refused:
        meter.reserve(path, 6)
    assert refused.value.code == "budget_exhausted"
    assert meter.usage("grant").reserved == 0
    meter.reserve(path, 5)
    meter.settle(["grant", "agreement"], reserved=5, used=3)
    assert (meter.usage("grant").settled, meter.usage("agreement").settled) == (3, 98)


ALL = "This run may use up to 5 tokens; 4 of 10, the budget of the grant, are left (6 are held for runs under way)."
GENERATED = (
    "This run may generate up to 4 tokens; 3 of 5 that the grant lets be generated are left (2 are held for runs under "
    "way)."
)


@pytest.mark.parametrize(
    ("limits", "code", "said", "left"),
    [
        ({"budget": 10}, "budget_exhausted", ALL, Left(tokens=4)),
        ({"budget": None, "outputs": 5}, "outputs_exhausted", GENERATED, Left(outputs=3)),
    ],
)
def test_tokens_in_all_and_those_generated_are_held_to_one_rule(
    limits: dict[str, int | None], code: str, said: str, left: Left
) -> None:
    meter = Meter({}, lambda: 0.0)
    limited = Draw.model_validate({"account": "a", "says": "the grant", "per_minute": None, **limits})
    meter.reserve([limited], 6, outputs=2)
    with pytest.raises(Limited) as refusal:
        meter.reserve([limited], 5, outputs=4)
    assert (refusal.value.code, refusal.value.message) == (code, said)
    assert meter.left([limited]) == left
    meter.settle(["a"], reserved=6, used=6, outputs_reserved=2, outputs=0)
    meter.reserve([limited], 4, outputs=4)


def test_what_is_left_of_a_limit_that_was_lowered_is_nothing() -> None:
    meter = Meter({"a": Settled(tokens=50, requests=5, outputs=20)}, lambda: 0.0)
    lowered = Draw(account="a", says="the grant", per_minute=None, budget=10, requests=1, outputs=1)
    assert meter.left([lowered, draw("b", 100, None)]) == Left(tokens=0, requests=0, outputs=0)
    assert meter.left([draw("a", 60, None), draw("b", 5, None)]) == Left(tokens=5)
