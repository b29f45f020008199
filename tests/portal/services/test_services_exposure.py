"""Exposure on a real file: added up once from runs, for whoever may see them, and told at each threshold."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.scopes import Operation
from model_access.exposure import Level
from model_access.stages import Stage
from portal.services.exposure import InstitutionExposure
from tests.portal.services.usage_world import Past, record
from tests.portal.services.world import PURPOSE, World, ask

VOCABULARY, HIDDEN = 320, 32
WHOLE = VOCABULARY * HIDDEN
"""Values that recover the output layer of the world's checkpoints."""

TOP: Mapping[str, Any] = {"logprobs": 0}
"""One value per token."""


def past(world: World, who: str, values: int, institution: str = "north", **more: Any) -> Past:
    """A run under a grant that told so many values."""
    fields = {"parameters": TOP, "completion_tokens": values, "grants": ("grt_past",), **more}
    return Past(world.people[who].id, world.clock.now, institution, **fields)


def seen(world: World, name: str = "ada") -> dict[str, InstitutionExposure]:
    """What each institution saw, as somebody is told it."""
    report = world.portal.exposure.report(world.actor(name))
    return {one.institution_id: one for found in report.checkpoints for one in found.institutions}


def told(world: World, name: str) -> list[str]:
    """The kinds of notices on exposure that somebody has."""
    return sorted(one.kind for one in world.portal.notices.inbox(world.actor(name)) if one.kind.startswith("exposure"))


def test_a_run_counts_when_it_is_settled_and_once_however_often_the_portal_starts(world: World) -> None:
    world.checkpoint("ladder-l")
    world.grant()
    asked: tuple[dict[str, Any], ...] = ({"logprobs": 2}, {}, {"echo": True, "logprobs": 2})
    for more in asked:
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(**more), purpose=PURPOSE).result()
    # Four tokens generated with three values each, then eight of them.
    expected = 4 * 3 + 8 * 3
    assert seen(world)["north"].values == expected
    for crash in (False, True):
        world.reopen(crash=crash)
        (north,) = seen(world).values()
        assert (north.values, [holder.name for holder in north.holders]) == (expected, ["Cleo"])
        assert north.vectors == pytest.approx(expected / VOCABULARY)
        assert north.share == pytest.approx(expected / WHOLE)


def embedded(world: World, who: str, inputs: int, institution: str = "north") -> Past:
    """A run under a grant that gave so many embeddings."""
    more: dict[str, Any] = {"operation": Operation.EMBED, "completion_tokens": 0, "choices": inputs}
    return past(world, who, 0, institution, parameters={"embed": True}, **more)


def test_embeddings_and_log_probabilities_are_one_sum(world: World) -> None:
    world.checkpoint("ladder-l")
    values = 2 * VOCABULARY
    record(world, [past(world, "ben", values), embedded(world, "cleo", 2), embedded(world, "cleo", 1)])
    for again in (False, True):
        if again:
            world.reopen()
        north = seen(world)["north"]
        assert (north.values, north.states, north.vectors) == (values, 3, 5)
        assert north.share == pytest.approx(5 / HIDDEN)
        assert [(one.name, one.runs, one.states) for one in north.holders] == [("Cleo", 2, 3), ("Ben", 1, 0)]
    # Of the 32 that recover it, neither kind alone is 10 %.
    world.portal.clockwork.carry_out()
    assert told(world, "ada") == told(world, "ben") == ["exposure.warn"]


def test_runs_from_before_embeddings_were_counted_count_once_the_rows_are_made_again(world: World) -> None:
    world.checkpoint("ladder-l")
    record(world, [embedded(world, "cleo", 3)])
    world.portal.store.between_transactions(
        lambda connection: connection.execute(
            "UPDATE run SET seen_states = 0; UPDATE migration SET rebuilt = false WHERE number = 177"
        )
    )
    assert not seen(world)
    world.reopen()
    assert seen(world)["north"].states == 3


def test_holders_of_one_institution_are_added_up(world: World) -> None:
    world.checkpoint("ladder-l")
    part = WHOLE * 6 // 100
    record(world, [past(world, "ben", part), past(world, "cleo", part), past(world, "eve", part, "south")])
    found = seen(world)
    assert (found["north"].level, found["south"].level) == (Level.WARN, Level.LOW)
    assert found["north"].values == sum(holder.values for holder in found["north"].holders) == 2 * part
    (both,) = world.portal.exposure.report(world.actor("ada")).checkpoints
    assert both.together == pytest.approx(3 * part / WHOLE)


def test_each_sees_its_own_institution_alone(world: World) -> None:
    world.checkpoint("ladder-l")
    record(world, [past(world, "cleo", 100), past(world, "eve", 50, "south")])
    assert set(seen(world, "ada")) == {"north", "south"}
    assert set(seen(world, "ben")) == set(seen(world, "cleo")) == {"north"}
    assert set(seen(world, "dan")) == {"south"}
    assert not seen(world, "rae")
    (own,) = world.portal.exposure.report(world.actor("ben")).checkpoints
    assert own.together == pytest.approx(100 / WHOLE)
    asked = world.portal.exposure.report(world.actor("ben"), institution_id="south")
    assert not asked.checkpoints
    assert not world.portal.exposure.report(world.actor("ada"), checkpoint_id="ladder-m").checkpoints


def test_both_thresholds_are_told_once_to_coordinators_and_leads(world: World) -> None:
    world.checkpoint("ladder-l")
    tick = world.portal.clockwork.carry_out
    record(world, [past(world, "cleo", WHOLE // 11)])
    tick()
    assert told(world, "ada") == []
    record(world, [past(world, "ben", WHOLE // 50)])
    for _ in range(2):
        assert tick().failed == ()
    assert told(world, "ada") == told(world, "ben") == ["exposure.warn"]
    assert told(world, "cleo") == told(world, "dan") == []
    record(world, [past(world, "ben", WHOLE // 2)])
    world.clock.advance(days=1)
    world.reopen()
    for _ in range(2):
        world.portal.clockwork.carry_out()
    assert told(world, "ada") == ["exposure.alert", "exposure.warn"]
    notice = next(one for one in world.portal.notices.inbox(world.actor("ada")) if one.kind == "exposure.alert")
    assert "North University" in notice.subject
    assert "Ben" in notice.body
    assert notice.link == "/usage?view=exposure&checkpoint=ladder-l"


def test_institutions_that_are_low_each_are_told_of_together(world: World) -> None:
    world.checkpoint("ladder-l")
    part = WHOLE * 6 // 100
    record(world, [past(world, "cleo", part), past(world, "eve", part, "south")])
    world.portal.clockwork.carry_out()
    assert told(world, "ada") == ["exposure.warn"]
    assert told(world, "ben") == told(world, "dan") == []


def test_a_public_checkpoint_alerts_nobody(world: World) -> None:
    world.checkpoint("ladder-l", to=Stage.PUBLIC)
    record(world, [past(world, "cleo", WHOLE)])
    world.portal.clockwork.carry_out()
    assert told(world, "ada") == []


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["ben", "cleo"]), st.integers(0, WHOLE // 4)), min_size=1, max_size=6))
def test_no_threshold_is_passed_silently(world: World, runs: list[tuple[str, int]]) -> None:
    # Of a checkpoint of its own each time, since what was seen is never forgotten.
    name = world.checkpoint(f"ladder-{world.size}")
    for who, values in runs:
        record(world, [past(world, who, values, checkpoint_id=name)])
        world.clock.now += timedelta(minutes=5)
        world.portal.clockwork.carry_out()
        level = next(
            (
                one.level
                for found in world.portal.exposure.report(world.actor("ada"), checkpoint_id=name).checkpoints
                for one in found.institutions
            ),
            Level.LOW,
        )
        mine = [one.kind for one in world.portal.notices.inbox(world.actor("ada")) if name in one.subject]
        assert level is Level.LOW or f"exposure.{level.value}" in mine
        assert level is not Level.LOW or not mine
