"""Usage: groups and days that add up whatever is asked, meters that agree, and totals that tell nobody of others."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.actors import Actor
from agreements.errors import Invalid
from agreements.grants import Grant
from agreements.limits import Period
from agreements.scopes import Operation
from model_access.runs import RunStatus
from portal.services.usage import MOST_BUCKETS, label_of
from portal.services.usage_views import Counts, Grouping, UsageFilter, UsageReport
from tests.portal.services.usage_world import Past, delegated, record
from tests.portal.services.world import START, World, ask, make_world

TODAY = START.date()
SUMS = tuple(name for name in Counts.model_fields if name not in {"people", "programs"})
PROGRAM = "prg_nightly"


def _added(counts: Iterator[Counts]) -> dict[str, int]:
    found = dict.fromkeys(SUMS, 0)
    for one in counts:
        for name in SUMS:
            found[name] += getattr(one, name)
    return found


def _sums(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in SUMS}


def _adds_up(report: UsageReport) -> None:
    total = _sums(report.total)
    assert _added(group.counts for group in report.groups) == total
    assert _added(bucket.counts for bucket in report.buckets) == total
    for bucket in report.buckets:
        assert _added(iter(bucket.by_key.values())) == _sums(bucket.counts)
        assert set(bucket.by_key) <= set(report.labels)
    assert sum(failure.runs for failure in report.failures) == report.total.failed
    assert [bucket.start for bucket in report.buckets] == sorted({bucket.start for bucket in report.buckets})


class Crowd:
    """One portal with a tree of grants, and a fresh set of runs for each example of the property below."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.world = make_world(self.folder)
        self.root = self.world.grant(token_budget=2_000_000)
        self.child = delegated(self.world, self.root, "cleo", "Cleo's part")
        self.below = delegated(self.world, self.child, "nina", "Nina's part")
        self.paths = {
            "root": (self.root.id,),
            "child": (self.child.id, self.root.id),
            "below": (self.below.id, self.child.id, self.root.id),
            "none": (),
        }
        self.recorded: list[Past] = []

    def close(self) -> None:
        self.world.portal.close()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    yield made
    made.close()


RUNS = st.lists(
    st.tuples(
        st.sampled_from(["ben", "cleo", "eve", "rae", PROGRAM]),
        st.sampled_from(["north", "south", "lab", None]),
        st.sampled_from(["root", "child", "below", "none"]),
        st.integers(0, 100),
        st.integers(0, 50),
        st.integers(0, 50),
        st.sampled_from(list(RunStatus)),
        st.sampled_from(["ladder-s", "ladder-l"]),
        st.sampled_from(["a", "b", "'; DROP TABLE run; --"]),
        st.sampled_from(list(Operation)),
    ),
    max_size=12,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, data=st.data())
def test_groups_and_periods_add_up_whatever_is_asked(
    crowd: Crowd, runs: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    world = crowd.world
    fresh = [
        Past(
            person_id=who if who == PROGRAM else world.people[who].id,
            at=START - timedelta(days=days, hours=days % 24),
            institution_id=institution,
            grants=crowd.paths[path],
            prompt_tokens=prompt,
            completion_tokens=completion,
            status=status,
            checkpoint_id=checkpoint,
            purpose=purpose,
            operation=operation,
        )
        for who, institution, path, days, prompt, completion, status, checkpoint, purpose, operation in runs
    ]
    record(world, fresh)
    crowd.recorded += fresh
    service, ada = world.portal.usage, world.actor("ada")
    since, until = TODAY - timedelta(days=110), TODAY
    for grouping in Grouping:
        period = data.draw(st.sampled_from(list(Period)))
        report = service.report(ada, group_by=grouping, period=period, since=since, until=until)
        _adds_up(report)
        assert report.total.runs == len(crowd.recorded)
    charged = [p for p in crowd.recorded if p.status is not RunStatus.STARTED]
    assert report.total.charged_tokens == sum(p.prompt_tokens + p.completion_tokens for p in charged)
    # What the database counts for a grant and all below it is what its meter starts from after a restart.
    meters = world.portal.runs.settled_usage(world.portal.kernel)
    for grant_id in (crowd.root.id, crowd.child.id, crowd.below.id):
        of_grant = service.report(ada, since=since, until=until, where=UsageFilter(grant=grant_id)).total
        if grant_id in meters:
            assert (of_grant.charged_tokens, of_grant.runs) == (meters[grant_id].tokens, meters[grant_id].requests)
        else:
            assert of_grant.runs == 0
    hours = service.hours(ada, since=since, until=until)
    assert sum(hour.runs for hour in hours) == len(crowd.recorded)


def test_a_real_run_is_counted_as_its_meter_counts_it(world: World) -> None:
    world.checkpoint("ladder-l")
    root = world.grant(token_budget=1000)
    child = delegated(world, root, "cleo", "Cleo's part")
    world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose="misuse-analysis").result()
    world.portal.runs.begin(world.actor("ben"), "ladder-l", ask(), purpose="misuse-analysis").result()
    world.pool.holds = True
    world.portal.runs.begin(world.actor("ben"), "ladder-l", ask(), purpose="misuse-analysis")
    report = world.portal.usage.report(world.actor("ben"), group_by=Grouping.GRANT)
    _adds_up(report)
    assert report.total == Counts(
        runs=3,
        completed=2,
        under_way=1,
        prompt_tokens=8,
        completion_tokens=8,
        charged_tokens=16,
        held_tokens=8,
        people=2,
    )
    assert {group.label: group.counts.runs for group in report.groups} == {"A study": 2, "Cleo's part": 1}
    usage = world.portal.grants.usage(root.id)
    of_tree = world.portal.usage.report(world.actor("ben"), where=UsageFilter(grant=root.id)).total
    assert (usage.settled, usage.reserved, usage.requests) == (
        of_tree.charged_tokens,
        of_tree.held_tokens,
        of_tree.runs,
    )
    assert world.portal.grants.usage(child.id).settled == 8
    world.pool.asked[-1].fail(completion_tokens=1)


def test_a_failure_is_counted_by_its_code(world: World) -> None:
    ben = world.people["ben"].id
    record(world, [Past(ben, START, status=RunStatus.FAILED, code=code) for code in ("worker_died", "late", "late")])
    report = world.portal.usage.report(world.actor("ada"))
    assert [(one.code, one.runs) for one in report.failures] == [("late", 2), ("worker_died", 1)]
    only = UsageFilter(status=RunStatus.COMPLETED)
    assert world.portal.usage.report(world.actor("ada"), where=only).total == Counts()


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("ada", {"north", "south", "lab"}),
        ("rae", {"lab"}),
        ("olga", {"lab"}),
        ("ben", {"north"}),
        ("cleo", {"north"}),
        ("nina", {"north"}),
        ("dan", {"south"}),
        ("eve", {"south"}),
    ],
)
def test_totals_count_what_the_list_of_runs_shows(world: World, who: str, sees: set[str]) -> None:
    places = {"ben": "north", "cleo": "north", "dan": "south", "eve": "south", "rae": "lab", "ada": "lab"}
    ids = record(world, [Past(world.people[name].id, START, institution_id=place) for name, place in places.items()])
    actor = world.actor(who)
    report = world.portal.usage.report(actor)
    listed = world.portal.runs.list(actor)
    assert report.total.runs == len(listed) == sum(place in sees for place in places.values())
    assert {group.key for group in report.groups} == sees
    assert {run.terms.run_id for run in listed if run.terms} <= set(ids)
    for other in {"north", "south", "lab"} - sees:
        asked = world.portal.usage.report(actor, where=UsageFilter(institution=other))
        assert (asked.total, asked.groups) == (Counts(), ())
    assert sum(hour.runs for hour in world.portal.usage.hours(actor)) == len(listed)


def test_who_is_nobody_sees_nothing_and_ones_own_runs_stay_ones_own(world: World) -> None:
    cleo = world.people["cleo"].id
    record(world, [Past(cleo, START, institution_id="south"), Past(world.people["eve"].id, START, "south")])
    assert world.portal.usage.report(world.actor("cleo")).total.runs == 1
    assert world.portal.usage.report(Actor(person_id="per_nobody", name="Nobody")).total.runs == 0


def test_a_grant_is_called_by_its_label_only_for_who_may_see_it(world: World) -> None:
    root = world.grant()
    child = delegated(world, root, "cleo", "Secret work")
    record(world, [Past(world.people["cleo"].id, START, grants=(child.id, root.id))])
    labels = {
        who: world.portal.usage.report(world.actor(who), group_by=Grouping.GRANT).groups[0].label
        for who in ("ben", "cleo", "nina")
    }
    assert labels == {"ben": "Secret work", "cleo": "Secret work", "nina": child.id}


def test_periods_are_those_of_the_calendar_budgets(world: World) -> None:
    ben = world.people["ben"].id
    record(world, [Past(ben, START - timedelta(days=days)) for days in range(60)])
    for period in Period:
        report = world.portal.usage.report(
            world.actor("ben"), period=period, since=TODAY - timedelta(days=59), until=TODAY
        )
        assert report.buckets[0].start == period.start(START - timedelta(days=59)).date()
        assert report.buckets[-1].start == period.start(START).date()
        assert sum(bucket.counts.runs for bucket in report.buckets) == 60
    assert label_of(date(2027, 1, 1), Period.WEEK) == "2026-W53"
    assert label_of(date(2026, 3, 1), Period.MONTH) == "2026-03"
    assert label_of(date(2026, 3, 1), Period.DAY) == "2026-03-01"


@pytest.mark.parametrize(
    ("since", "until", "period", "code"),
    [
        (date(2026, 2, 2), date(2026, 2, 1), Period.DAY, "range_reversed"),
        (date(2024, 1, 1), date(2026, 1, 1), Period.DAY, "range_too_wide"),
        (date(2000, 1, 1), date(9000, 1, 1), Period.MONTH, "range_too_wide"),
        (date.min, None, Period.MONTH, "bad_date"),
        (None, date.max, Period.DAY, "bad_date"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    world: World, since: date | None, until: date | None, period: Period, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        world.portal.usage.report(world.actor("ada"), since=since, until=until, period=period)
    assert refused.value.code == code
    assert refused.value.param in {"from", "to"}
    assert refused.value.hint


def test_the_widest_range_is_taken(world: World) -> None:
    since = TODAY - timedelta(days=MOST_BUCKETS - 1)
    assert len(world.portal.usage.report(world.actor("ada"), since=since, until=TODAY).buckets) == MOST_BUCKETS


def test_ten_thousand_runs_are_counted_right(world: World) -> None:
    root: Grant = world.grant(token_budget=2_000_000)
    people = [world.people[name].id for name in ("ben", "cleo")]
    # By rows alone: as events they would take a minute, and counting asks nothing else.
    with world.portal.store.database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO run BY NAME SELECT 'run_' || n AS run_id, 'ladder-l' AS checkpoint_id,
                CASE WHEN n % 2 = 0 THEN ? ELSE ? END AS person_id, 'north' AS institution_id, ? AS grant_id,
                ? AS account, CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END AS status,
                'misuse-analysis' AS purpose, 'generate' AS operation, 99 AS reserved_tokens,
                n % 7 AS prompt_tokens, n % 11 AS completion_tokens, n % 7 + n % 11 AS charged_tokens,
                strftime(?::TIMESTAMP - to_hours((n % 600)::INTEGER), '%Y-%m-%dT%H:%M:%S.%f+00:00') AS started_at
            FROM range(10000) r(n)
            """,
            [*people, root.id, root.id, START.replace(tzinfo=None)],
        )
        cursor.execute("INSERT INTO run_account SELECT run_id, account, charged_tokens FROM run")
    report = world.portal.usage.report(world.actor("ben"), group_by=Grouping.PERSON)
    _adds_up(report)
    assert (report.total.runs, report.total.failed, report.total.people) == (10_000, 200, 2)
    assert report.total.charged_tokens == sum(number % 7 + number % 11 for number in range(10_000))
    assert {group.counts.runs for group in report.groups} == {5000}
    # The running meter was not asked for these runs; what the rows say is what it starts from next time.
    world.reopen()
    budget = world.portal.usage_budgets.list(world.actor("ben"))[0]
    assert (budget.used_tokens, budget.used_requests) == (report.total.charged_tokens, 10_000)
    assert budget.pace is not None
