"""How far budgets reach, and which days are unusual: plain rules that say when they have too little to go by."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import NotFound
from portal.services.usage import UNUSUAL_DAYS
from portal.services.usage_budgets import LEAST_ACTIVE_DAYS, LEAST_DAYS, PACE_DAYS, pace_of
from tests.portal.services.usage_world import Past, delegated, record
from tests.portal.services.world import START, World

TODAY = START.date()
END = TODAY + timedelta(days=30)


def _days(*ago: int, tokens: int = 70) -> dict[date, int]:
    return {TODAY - timedelta(days=one): tokens for one in ago}


def test_a_pace_says_when_the_budget_is_used_up() -> None:
    pace, why = pace_of(_days(6, 3, 0), 300, END, TODAY)
    assert why == ""
    assert pace is not None
    assert (pace.tokens_per_day, pace.over_days) == (30.0, 7)
    assert (pace.used_up_on, pace.before_end) == (TODAY + timedelta(days=10), True)
    later, _ = pace_of(_days(6, 3, 0), 30 * 40, END, TODAY)
    assert later is not None
    assert (later.used_up_on, later.before_end) == (TODAY + timedelta(days=40), False)
    never, _ = pace_of(_days(6, 3, 0, tokens=1), 10**12, END, TODAY)
    assert never is not None
    assert (never.used_up_on, never.before_end) == (None, False)


@pytest.mark.parametrize(
    ("daily", "says"),
    [
        ({}, "no run"),
        (_days(0), "1 day with runs in the last 1 day"),
        (_days(5, 4, 3, 0), "4 days with runs in the last 6 days"),
        (_days(27, 0), "2 days with runs in the last 28 days"),
        (_days(27, 5, 0, tokens=0), "nothing was charged"),
    ],
)
def test_too_little_gives_no_pace_and_says_so(daily: dict[date, int], says: str) -> None:
    pace, why = pace_of(daily, 100, END, TODAY)
    assert pace is None
    assert says in why


@given(
    st.dictionaries(st.integers(0, PACE_DAYS - 1), st.integers(0, 10**9), max_size=PACE_DAYS),
    st.integers(1, 10**12),
)
def test_a_pace_never_says_what_the_days_do_not(ago: dict[int, int], left: int) -> None:
    daily = {TODAY - timedelta(days=one): tokens for one, tokens in ago.items()}
    pace, why = pace_of(daily, left, END, TODAY)
    assert (pace is None) == bool(why)
    if pace is None:
        return
    assert len(daily) >= LEAST_ACTIVE_DAYS
    assert LEAST_DAYS <= pace.over_days <= PACE_DAYS
    assert pace.tokens_per_day * pace.over_days == pytest.approx(sum(daily.values()))
    if pace.used_up_on is not None:
        ahead = (pace.used_up_on - TODAY).days
        assert pace.tokens_per_day * ahead >= left * (1 - 1e-9)
        assert pace.tokens_per_day * (ahead - 1) < left * (1 + 1e-9)
        assert pace.before_end == (pace.used_up_on < END)


def test_budgets_come_as_a_tree_with_what_each_has_used(world: World) -> None:
    root = world.grant(token_budget=1000)
    child = delegated(world, root, "cleo", "Cleo's part")
    south = world.grant("south", token_budget=500)
    path = (child.id, root.id)
    record(
        world,
        [Past(world.people["cleo"].id, START - timedelta(days=one), grants=path, prompt_tokens=6) for one in range(10)],
    )
    world.reopen()
    listed = world.portal.usage_budgets.list(world.actor("ada"))
    assert [(one.grant_id, one.used_tokens, one.left_tokens, one.depth) for one in listed] == [
        (root.id, 100, 900, 0),
        (child.id, 100, 400, 1),
        (south.id, 0, 500, 0),
    ]
    pace = listed[1].pace
    assert pace is not None
    assert (pace.tokens_per_day, pace.used_up_on) == (10.0, TODAY + timedelta(days=40))
    assert "no run" in listed[2].no_pace


def test_budgets_are_for_who_may_see_the_grants(world: World) -> None:
    root = world.grant()
    child = delegated(world, root, "cleo", "Cleo's part")
    seen = {
        who: [one.grant_id for one in world.portal.usage_budgets.list(world.actor(who))]
        for who in ("ben", "cleo", "nina", "dan", "eve", "rae")
    }
    assert seen == {
        "ben": [root.id, child.id],
        "cleo": [root.id, child.id],
        "nina": [root.id],
        "dan": [],
        "eve": [],
        "rae": [],
    }
    service = world.portal.usage_budgets
    assert [one.grant_id for one in service.list(world.actor("ben"), grant_id=child.id)] == [child.id]
    assert service.list(world.actor("ada"), institution_id="south") == ()
    for who, grant_id in (("dan", root.id), ("nina", child.id), ("ada", "grt_none")):
        with pytest.raises(NotFound):
            service.list(world.actor(who), grant_id=grant_id)
    with pytest.raises(NotFound):
        service.list(world.actor("ada"), grant_id=root.id, institution_id="south")


def test_a_grant_that_ended_is_left_out_unless_asked_for(world: World) -> None:
    grant = world.grant()
    world.portal.grants.revoke(world.actor("ada"), grant.id, reason="it is over")
    service, ada = world.portal.usage_budgets, world.actor("ada")
    assert service.list(ada) == ()
    ended = service.list(ada, ended=True)
    assert [(one.grant_id, one.active, one.no_pace) for one in ended] == [(grant.id, False, "it opens nothing now")]


def _steady(world: World, who: str, days: int, tokens: int = 100) -> list[Past]:
    return [
        Past(world.people[who].id, START - timedelta(days=one), prompt_tokens=tokens, completion_tokens=one % 3)
        for one in range(1, days + 1)
    ]


def test_a_day_far_above_what_is_usual_is_found_and_explained(world: World) -> None:
    wild = Past(world.people["cleo"].id, START, prompt_tokens=5000, completion_tokens=0)
    record(world, [*_steady(world, "cleo", 10), *_steady(world, "ben", 10), wild])
    report = world.portal.usage.unusual(world.actor("ben"))
    (day,) = report.items
    assert (day.day, day.person_name, day.institution_name, day.tokens) == (TODAY, "Cleo", "North University", 5000)
    assert (day.usual_tokens, day.spread_tokens, day.days) == (101.0, 1.0, 11)
    assert day.limit_tokens == 202.0
    assert str(UNUSUAL_DAYS) in report.rule
    assert report.too_few_days == 0
    assert world.portal.usage.unusual(world.actor("dan")).items == ()


def test_too_few_days_say_nothing(world: World) -> None:
    wild = Past(world.people["cleo"].id, START, prompt_tokens=5000)
    record(world, [*_steady(world, "cleo", UNUSUAL_DAYS - 2), wild])
    report = world.portal.usage.unusual(world.actor("ada"))
    assert (report.items, report.too_few_days) == ((), 1)


def test_a_rise_within_twice_what_is_usual_is_not_unusual(world: World) -> None:
    """Without the second half of the rule, days that are all alike would make any other day unusual."""
    alike = [Past(world.people["cleo"].id, START - timedelta(days=one), prompt_tokens=100) for one in range(1, 9)]
    more = Past(world.people["cleo"].id, START, prompt_tokens=150)
    record(world, [*alike, more])
    assert world.portal.usage.unusual(world.actor("ada")).items == ()
