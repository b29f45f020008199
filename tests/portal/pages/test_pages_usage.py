"""Usage on screen: counted for whoever looks, filtered by the address, with what is unusual and what is left."""

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from agreements.scopes import Operation
from portal.pages.menu import SCREENS
from portal.pages.usage_picture import MEASURES, MOST_APART, by_group, by_hour, over_time
from portal.services.usage_views import Grouping, HourCount
from tests.portal.pages.pages_world import World, existing
from tests.portal.pages.pages_world import said as words_of
from tests.portal.services.usage_world import Past, record_in

DAYS = 12


def used(world: World, *, person: str = "member", days: int = DAYS, wild: int = 9000) -> None:
    """Somebody ran every day, wildly today."""
    now = world.portal.kernel.clock()
    who = getattr(world, person)
    past = [
        Past(who.id, now - timedelta(days=day), "northfield", prompt_tokens=100 + day % 3 if day else wild)
        for day in range(days)
    ]
    record_in(world.portal, past, now)


def said(app: AppTest) -> str:
    return words_of(app).replace("\\", "")


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: str(metric.value) for metric in app.metric}


@pytest.mark.parametrize("role", ["coordinator", "lead", "member", "observer"])
def test_the_tiles_count_what_the_reader_may_see(world: World, role: str) -> None:
    used(world)
    app = world.screen(getattr(world, role), "usage")
    assert not app.exception
    assert metrics(app)["Runs"] == str(DAYS)
    assert metrics(app)["People"] == "1"
    words = said(app)
    assert "1 unusual day" in words
    assert "9,004" in words
    assert "median" in words
    assert app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")


@pytest.mark.parametrize("role", ["rival", "researcher"])
def test_another_institution_sees_an_empty_screen_that_says_what_to_do(world: World, role: str) -> None:
    used(world)
    app = world.screen(getattr(world, role), "usage", institution="northfield")
    assert not app.metric
    assert "Look further back" in said(app)


def test_choices_stand_in_the_address(world: World) -> None:
    used(world)
    app = world.screen(world.lead, "usage", days="7", by="checkpoint", of="runs", per="month")
    assert metrics(app)["Runs"] == "7"
    assert "Runs by month and checkpoint" in said(app)
    app.selectbox(key="usage.filter.purpose").set_value("misuse-analysis").run()
    assert "misuse-analysis" in app.query_params["purpose"]
    assert metrics(app)["Runs"] == "7"
    other = world.screen(world.lead, "usage", grant="grt_none")
    assert "Only on grant" in said(other)
    assert not other.metric


def test_hours_of_the_week(world: World) -> None:
    used(world)
    app = world.screen(world.lead, "usage", view="hours")
    assert not app.exception
    assert "Runs by hour of the week, in UTC" in said(app)


def test_budgets_say_what_is_left_or_why_no_pace_is_given(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.lead, "usage", view="budgets")
    assert "No pace is given: no run in the last 28 days." in said(app)
    now = world.portal.kernel.clock()
    record_in(
        world.portal,
        [
            Past(world.member.id, now - timedelta(days=day), "northfield", grants=(grant.id,), prompt_tokens=60_000)
            for day in range(10)
        ],
        now,
    )
    words = said(world.screen(world.lead, "usage", view="budgets"))
    assert "60,004 tokens a day over 10 days" in words
    assert "used up before the end at the present pace" in words
    assert "no grant that you may see" in said(world.screen(world.rival, "usage", view="budgets"))


def test_a_picture_keeps_colours_for_the_largest_and_tells_the_rest_together(world: World) -> None:
    now = world.portal.kernel.clock()
    record_in(
        world.portal,
        [Past(world.member.id, now, "northfield", purpose=f"purpose-{number}") for number in range(MOST_APART + 3)],
        now,
    )
    report = world.portal.usage.report(world.actor(world.lead), group_by=Grouping.PURPOSE)
    for measure in MEASURES:
        chart, words = over_time(report, measure)
        assert "3 others" in chart.to_json()
        assert "by day and purpose" in words
        _, listed = by_group(report, measure)
        assert "purpose-1 " in listed
    _, words = by_hour([HourCount(weekday=6, hour=3, runs=2, charged_tokens=9)])
    assert "Sat from 03:00, 2 runs; 2 runs on Saturdays and Sundays" in words


def test_everybody_has_both_screens(world: World) -> None:
    mine = {screen.name for screen in SCREENS if screen.open_to(world.actor(world.observer))}
    assert {"usage", "access_log"} <= mine


@pytest.mark.parametrize("role", ["coordinator", "lead", "member"])
def test_exposure_is_drawn_against_what_recovers_the_layer(world: World, role: str) -> None:
    now, checkpoint = world.portal.kernel.clock(), "ladder-l"
    record_in(
        world.portal,
        [
            Past(
                world.member.id,
                now,
                "northfield",
                grants=("grt_past",),
                checkpoint_id=checkpoint,
                parameters={"logprobs": 4},
                completion_tokens=10_000,
            ),
            Past(
                world.member.id,
                now,
                "northfield",
                grants=("grt_past",),
                checkpoint_id=checkpoint,
                operation=Operation.EMBED,
                parameters={"embed": True},
                choices=2,
            ),
        ],
        now,
    )
    app = world.screen(getattr(world, role), "usage", view="exposure", checkpoint=checkpoint)
    assert not app.exception
    manifest = existing(world.portal.checkpoints.state(checkpoint).manifest)
    share = (50_000 / manifest.vocabulary_size + 2) / manifest.hidden_size
    words = said(app)
    assert f"{share:.1%}" in words
    assert f"recovered by **{manifest.hidden_size:,}** vectors" in words
    assert "upper bound" in words
    assert app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")
    (row,) = (row for table in app.table for _, row in table.value.iterrows())
    assert (row["Runs"], row["Values"], row["Embeddings"]) == ("2", "50,000", "2")


def test_exposure_of_others_is_not_there(world: World) -> None:
    app = world.screen(world.rival, "usage", view="exposure")
    assert "Nothing was seen" in said(app)
