"""The story's clock never goes back, and never ahead of the present."""

from datetime import UTC, datetime, timedelta

import pytest

from agreements.errors import Conflict
from portal.demo.clock import StoryClock

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_it_begins_and_moves_where_it_is_told() -> None:
    clock = StoryClock(NOW, days_ago=10)
    assert NOW - timedelta(days=10) <= clock() < NOW - timedelta(days=9)
    clock.move_to(2.5)
    assert NOW - timedelta(days=2.5) <= clock() < NOW - timedelta(days=2)


def test_it_runs_on_between_two_moves() -> None:
    clock = StoryClock(NOW, days_ago=1)
    moments = [clock() for _ in range(100)]
    assert moments == sorted(moments)


def test_it_refuses_to_go_back() -> None:
    clock = StoryClock(NOW, days_ago=1)
    with pytest.raises(Conflict, match="in the order it happened"):
        clock.move_to(2)
