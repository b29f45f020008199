"""The server winds the clockwork for as long as it serves, as often as the operator said."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agreements.errors import Invalid
from portal.api.server import _clockwork
from portal.config import load


def portal_with(minutes: int) -> tuple[Any, list[str]]:
    """A stand-in for a portal, and what becomes of its clockwork."""
    told: list[str] = []

    @contextmanager
    def running(every_s: float) -> Iterator[None]:
        told.append(f"every {every_s}")
        yield
        told.append("ended")

    settings = SimpleNamespace(clockwork_minutes=minutes)
    return cast("Any", SimpleNamespace(settings=settings, clockwork=SimpleNamespace(running=running))), told


def test_it_runs_while_the_portal_is_served() -> None:
    portal, told = portal_with(5)
    with _clockwork(portal):
        assert told == ["every 300"]
    assert told == ["every 300", "ended"]


def test_it_can_be_left_to_a_timer() -> None:
    portal, told = portal_with(0)
    with _clockwork(portal):
        pass
    assert told == []


@pytest.mark.parametrize("minutes", [-1, 1441])
def test_other_intervals_are_refused(minutes: int, tmp_path: Any) -> None:
    assert load(tmp_path).clockwork_minutes == 5
    with pytest.raises(Invalid) as refusal:
        load(tmp_path, clockwork_minutes=minutes)
    assert refusal.value.param == "clockwork_minutes"
