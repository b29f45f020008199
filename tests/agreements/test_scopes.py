"""Scopes: a child within its parent, dimension by dimension."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.canonical import canonical_bytes
from agreements.limits import Apart, Hours, Period, PeriodBudget, Sampling, Weekday
from agreements.precision import Precision
from agreements.scopes import Operation, Scope, excesses, filled, meet
from tests.agreements.parties import NOW

NAMES = st.sampled_from(["a", "b", "c", "family/*"])
FEW = st.none() | st.integers(1, 3)
SAMPLINGS = st.builds(
    Sampling,
    max_tokens=st.integers(1, 3),
    choices=FEW,
    top_logprobs=st.none() | st.integers(0, 2),
    max_temperature=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    logprob_decimals=st.none() | st.integers(0, 2),
)
PERIODS = st.lists(
    st.builds(PeriodBudget, period=st.sampled_from(Period), tokens=st.integers(1, 3), requests=FEW),
    max_size=3,
    unique_by=lambda budget: budget.period,
).map(tuple)
HOURS = st.builds(
    Hours,
    weekdays=st.frozensets(st.sampled_from(list(Weekday)[:3]), min_size=1),
    opens=st.sampled_from(["00:00", "08:00", "09:30"]),
    closes=st.sampled_from(["12:00", "18:00", "24:00"]),
    zone=st.sampled_from(["UTC", "Europe/Zurich"]),
)
SCOPES = st.builds(
    Scope,
    checkpoints=st.frozensets(NAMES, min_size=1),
    operations=st.frozensets(st.sampled_from(Operation), min_size=1),
    purposes=st.frozensets(NAMES, min_size=1),
    token_budget=st.integers(1, 5),
    requests_per_minute=st.integers(1, 5),
    expires_at=st.integers(1, 5).map(lambda days: NOW + timedelta(days=days)),
    request_budget=FEW,
    periods=PERIODS,
    concurrency=FEW,
    sampling=st.none() | SAMPLINGS,
    hours=st.none() | HOURS,
    holder_bound=st.booleans(),
    output_budget=FEW,
    logit_bias=st.booleans(),
    precisions=st.none() | st.frozensets(st.sampled_from(Precision), min_size=1),
)


@given(SCOPES)
def test_a_scope_lies_within_itself(scope: Scope) -> None:
    assert excesses(scope, scope) == ()


@given(SCOPES, SCOPES, SCOPES)
def test_lying_within_is_transitive(a: Scope, b: Scope, c: Scope) -> None:
    if not excesses(a, b) and not excesses(b, c):
        assert not excesses(a, c)


@given(SCOPES, SCOPES)
def test_mutual_containment_is_equality(a: Scope, b: Scope) -> None:
    assert (not excesses(a, b) and not excesses(b, a)) == (a == b)


@given(SCOPES, SCOPES)
def test_every_wider_dimension_is_named(child: Scope, parent: Scope) -> None:
    named = {excess.dimension for excess in excesses(child, parent)}
    wider = {
        "checkpoints": not child.checkpoints <= parent.checkpoints,
        "operations": not child.operations <= parent.operations,
        "purposes": not child.purposes <= parent.purposes,
        "token_budget": child.token_budget > parent.token_budget,
        "requests_per_minute": child.requests_per_minute > parent.requests_per_minute,
        "expires_at": child.expires_at > parent.expires_at,
    }
    older = {name for name in named if name in wider}
    assert older == {dimension for dimension, is_wider in wider.items() if is_wider}


@given(SCOPES, SCOPES)
def test_what_two_scopes_have_in_common_lies_within_both(one: Scope, other: Scope) -> None:
    try:
        common = meet(one, other)
    except Apart as apart:
        # Then no scope lies within both, or none that hours of two zones could say.
        assert apart.args[0] in {"checkpoints", "operations", "purposes", "hours", "precisions"}
        assert excesses(one, other)
        return
    assert not excesses(common, one)
    assert not excesses(common, other)
    assert (common == one) == (not excesses(one, other))
    assert Scope.model_validate(common.model_dump()) == common


@given(SCOPES, SCOPES)
def test_filling_changes_nothing_that_was_said(scope: Scope, above: Scope) -> None:
    full = filled(scope, above)
    assert Scope.model_validate(full.model_dump()) == full
    assert not excesses(full, scope)
    said = scope.model_dump(exclude_defaults=True)
    for name in ("request_budget", "concurrency", "hours"):
        if name in said:
            assert getattr(full, name) == getattr(scope, name)
        else:
            assert getattr(full, name) == getattr(above, name)
    assert {excess.dimension for excess in excesses(full, above)} <= {
        excess.dimension for excess in excesses(scope, above)
    }


PLAIN = Scope(
    checkpoints=frozenset({"a"}),
    operations=frozenset({Operation.GENERATE}),
    purposes=frozenset({"a"}),
    token_budget=1,
    requests_per_minute=1,
    expires_at=NOW + timedelta(days=1),
)
INT8 = frozenset({Precision.INT8})
WEEKDAYS = Hours(weekdays=frozenset(list(Weekday)[:5]), opens="09:00", closes="17:30", zone="Europe/Zurich")


@pytest.mark.parametrize(
    ("limit", "wider", "dimension"),
    [
        ({"request_budget": 5}, {"request_budget": 6}, "request_budget"),
        ({"request_budget": 5}, {}, "request_budget"),
        ({"concurrency": 2}, {"concurrency": 3}, "concurrency"),
        ({"sampling": Sampling(max_tokens=9)}, {"sampling": Sampling(max_tokens=10)}, "sampling.max_tokens"),
        ({"sampling": Sampling(choices=1)}, {"sampling": Sampling(max_tokens=1)}, "sampling.choices"),
        ({"sampling": Sampling(top_logprobs=0)}, {}, "sampling.top_logprobs"),
        (
            {"sampling": Sampling(max_temperature=0.0)},
            {"sampling": Sampling(max_temperature=0.1)},
            "sampling.max_temperature",
        ),
        ({"periods": (PeriodBudget(period=Period.DAY, tokens=5),)}, {}, "periods.day.tokens"),
        (
            {"periods": (PeriodBudget(period=Period.WEEK, requests=5),)},
            {"periods": (PeriodBudget(period=Period.WEEK, requests=6),)},
            "periods.week.requests",
        ),
        ({"hours": WEEKDAYS}, {"hours": WEEKDAYS.model_copy(update={"closes": "18:00"})}, "hours"),
        ({"hours": WEEKDAYS}, {"hours": WEEKDAYS.model_copy(update={"zone": "UTC"})}, "hours"),
        ({"holder_bound": True}, {}, "holder_bound"),
        ({"sampling": Sampling(logprob_decimals=2)}, {"sampling": Sampling(choices=1)}, "sampling.logprob_decimals"),
        ({"output_budget": 5}, {"output_budget": 6}, "output_budget"),
        ({"precisions": INT8}, {}, "precisions"),
        ({"precisions": INT8}, {"precisions": frozenset(Precision)}, "precisions"),
    ],
)
def test_a_finer_limit_that_is_wider_or_missing_is_named(
    limit: dict[str, object], wider: dict[str, object], dimension: str
) -> None:
    parent, child = PLAIN.model_copy(update=limit), PLAIN.model_copy(update=wider)
    assert [excess.dimension for excess in excesses(child, parent)] == [dimension]
    assert not excesses(parent, PLAIN)


def test_biasing_logits_is_a_right_that_has_to_be_said() -> None:
    with_bias = PLAIN.model_copy(update={"logit_bias": True})
    assert [excess.dimension for excess in excesses(with_bias, PLAIN)] == ["logit_bias"]
    assert not excesses(PLAIN, with_bias)
    assert not filled(PLAIN, with_bias).logit_bias
    assert not Scope.model_validate(PLAIN.model_dump(mode="json")).logit_bias


def test_a_scope_from_before_finer_limits_reads_and_writes_as_it_did() -> None:
    assert set(PLAIN.model_dump(mode="json")) == {
        "checkpoints",
        "operations",
        "purposes",
        "token_budget",
        "requests_per_minute",
        "expires_at",
    }


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 3, 27, 8, 0, tzinfo=UTC), True),  # a Friday, 09:00 in winter time
        (datetime(2026, 3, 27, 7, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 27, 16, 30, tzinfo=UTC), False),
        (datetime(2026, 3, 28, 10, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 30, 7, 0, tzinfo=UTC), True),  # the Monday after clocks changed
    ],
)
def test_hours_are_those_on_the_wall_of_their_zone(moment: datetime, is_open: bool) -> None:
    assert WEEKDAYS.open_at(moment) is is_open


def test_hours_say_when_they_open_again() -> None:
    assert WEEKDAYS.next_opening(datetime(2026, 3, 28, 10, 0, tzinfo=UTC)) == datetime(2026, 3, 30, 7, 0, tzinfo=UTC)


@given(HOURS, st.integers(0, 40 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)))
def test_at_the_next_opening_requests_are_taken(hours: Hours, moment: datetime) -> None:
    opening = hours.next_opening(moment)
    assert opening >= moment
    assert hours.open_at(opening)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe", "", "/usr"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError):
        Hours(zone=zone)


@given(st.sampled_from(Period), st.integers(0, 10**7).map(lambda minutes: NOW + timedelta(minutes=minutes)))
def test_periods_follow_one_another_without_gap(period: Period, moment: datetime) -> None:
    start, end = period.start(moment), period.end(moment)
    assert start <= moment < end
    assert period.start(end) == end
    assert period.start(end - timedelta(microseconds=1)) == start


@given(SCOPES)
def test_canonical_bytes_do_not_depend_on_set_order(scope: Scope) -> None:
    again = Scope.model_validate(scope.model_dump(mode="json"))
    assert canonical_bytes(again.model_dump(mode="json")) == canonical_bytes(scope.model_dump(mode="json"))


def _ending(moment: datetime) -> Scope:
    return Scope(
        checkpoints=frozenset({"a"}),
        operations=frozenset({Operation.GENERATE}),
        purposes=frozenset({"a"}),
        token_budget=1,
        requests_per_minute=1,
        expires_at=moment,
    )


def test_the_end_of_a_scope_is_kept_in_utc() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert _ending(elsewhere).expires_at.utcoffset() == timedelta()
    assert _ending(elsewhere) == _ending(NOW)


@pytest.mark.parametrize(
    "moment", [NOW.replace(tzinfo=None), datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))]
)
def test_a_moment_that_is_none_is_refused(moment: datetime) -> None:
    with pytest.raises(ValidationError):
        _ending(moment)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ("mon tue wed thu fri sat sun", "daily"),
        ("mon tue wed thu fri", "Mon–Fri"),
        ("mon tue", "Mon, Tue"),
        ("mon wed fri sat sun", "Mon, Wed, Fri–Sun"),
        ("sun mon", "Mon, Sun"),
    ],
)
def test_hours_are_read_by_stretches_of_days(days: str, words: str) -> None:
    hours = Hours(weekdays=frozenset(Weekday(day) for day in days.split()), opens="09:00")
    assert str(hours) == f"{words} 09:00–24:00 UTC"
