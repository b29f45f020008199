"""Recurrence rules: what is read, what is refused, and that every answer lies where it was asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Invalid
from agreements.recurrence import MAX_OCCURRENCES, occurrences, weekly

ANCHOR = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - a bound, zoned by the strategy


def test_every_four_weeks_is_first_due_after_four_weeks() -> None:
    found = occurrences(weekly(4), ANCHOR, ANCHOR, ANCHOR + timedelta(days=60))
    assert found == (ANCHOR + timedelta(days=28), ANCHOR + timedelta(days=56))


def test_a_moment_asked_for_as_the_end_is_included_and_one_as_the_start_is_not() -> None:
    first = ANCHOR + timedelta(weeks=2)
    assert occurrences(weekly(2), ANCHOR, ANCHOR, first) == (first,)
    assert occurrences(weekly(2), ANCHOR, first, first + timedelta(days=1)) == ()


@given(st.integers(1, 52), MOMENTS, MOMENTS, st.integers(0, 600))
def test_occurrences_are_whole_steps_from_the_anchor(weeks: int, anchor: datetime, after: datetime, days: int) -> None:
    until = after + timedelta(days=days)
    found = occurrences(weekly(weeks), anchor, after, until)
    assert list(found) == sorted(set(found))
    assert all(max(anchor, after) < moment <= until for moment in found)
    assert all((moment - anchor) % timedelta(weeks=weeks) == timedelta() for moment in found)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=SECONDLY",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;INTERVAL=521",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30",
        "DTSTART:20260301\nRRULE:FREQ=DAILY",
        "FREQ=WEEKLY\n",
        "freq=weekly",
    ],
)
def test_other_rules_are_refused(rule: str) -> None:
    with pytest.raises(Invalid) as refusal:
        occurrences(rule, ANCHOR, ANCHOR, ANCHOR + timedelta(days=1))
    assert refusal.value.code == "bad_recurrence"


@pytest.mark.parametrize("weeks", [0, -1, 521])
def test_a_step_that_is_none_is_refused(weeks: int) -> None:
    with pytest.raises(Invalid):
        weekly(weeks)


@given(st.text(max_size=60))
def test_whatever_the_rule_says_only_our_refusals_leave(rule: str) -> None:
    try:
        occurrences(rule, ANCHOR, ANCHOR, ANCHOR + timedelta(days=9))
    except Invalid as refusal:
        assert refusal.code == "bad_recurrence"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        occurrences(weekly(1), ANCHOR, ANCHOR, datetime(2026, 4, 1))  # noqa: DTZ001 - what is refused
    assert refusal.value.code == "bad_recurrence"


def test_more_than_anybody_could_do_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        occurrences("FREQ=DAILY", ANCHOR, ANCHOR, ANCHOR + timedelta(days=MAX_OCCURRENCES + 1))
    assert refusal.value.code == "too_many_occurrences"


def test_the_end_of_the_calendar_is_the_end_of_the_answers() -> None:
    late = datetime(9999, 12, 1, tzinfo=UTC)
    assert len(occurrences(weekly(1), late, late, datetime.max.replace(tzinfo=UTC))) == 4
