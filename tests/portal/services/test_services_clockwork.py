"""The clockwork: half a year in seconds, with access right on every day, once each, and safe after any sleep."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from agreements.access import Denied
from agreements.agreement import Agreement, AgreementStatus
from agreements.duties import DutyState, IncidentKind
from agreements.errors import Conflict, Unavailable
from agreements.scopes import Operation
from portal.services.clockwork import APPEALS_CLOCK, DUTY_LADDER, Clockwork, Ticked
from portal.services.outbox import OutboxReport
from tests.portal.services.duty_world import MODEL, STATEMENT, amended, duty, granted, in_force, sign_by_both, terms
from tests.portal.services.world import START, World

DAY = timedelta(days=1)
FIRST, SECOND = "feedback/2026-12-21", "feedback/2027-01-18"
USES = {"checkpoints": [MODEL], "operations": ["generate", "score"], "purposes": ["misuse-analysis"], "uses": None}
ANYBODY = {"named_users": None, "vetting": None, "permitted_uses": USES}


def access(world: World, operation: Operation = Operation.GENERATE) -> str:
    """What a run of Cleo's would meet: allowed, or the code of the condition that failed."""
    checkpoint = world.portal.checkpoints.state(MODEL)
    answer = world.portal.checkpoints.access(world.actor("cleo"), checkpoint, frozenset({operation}), "misuse-analysis")
    return answer.code if isinstance(answer, Denied) else "allowed"


def opened(world: World, **changes: Any) -> Agreement:
    """An agreement in force under which Cleo may generate and score."""
    world.checkpoint(MODEL)
    agreement = in_force(world, **{**ANYBODY, **changes})
    granted(world, agreement)
    return agreement


def state(world: World, agreement: Agreement) -> Agreement:
    return world.portal.agreements.get(world.actor("ada"), agreement.id)


def kinds(world: World, name: str) -> list[str]:
    """The kinds of notices somebody has, oldest first."""
    return [notice.kind for notice in reversed(world.portal.notices.inbox(world.actor(name)))]


def do(world: World, agreement: Agreement, key: str) -> None:
    world.portal.duties.fulfil(world.actor("cleo"), agreement.id, key, statement=STATEMENT)


def test_half_a_year_in_which_feedback_is_missed_and_made_up_for(world: World) -> None:
    """Feedback due on days 28, 56, …; narrowed at 14 days late, suspended at 30 with three days' notice."""
    agreement = opened(world)
    seen: dict[int, tuple[str, str]] = {}
    for day in range(181):
        if day == 70:
            do(world, agreement, FIRST)
            do(world, agreement, SECOND)
        for due in (84, 112, 140, 168):
            if day == due - 1:
                do(world, agreement, f"feedback/{START + due * DAY:%Y-%m-%d}")
        assert world.portal.clockwork.tick().failed == ()
        seen[day] = (access(world), access(world, Operation.SCORE))
        world.clock.advance(days=1)

    open_, narrowed = ("allowed", "allowed"), ("access_narrowed", "allowed")
    suspended = (seen[61][0], seen[61][0])
    assert suspended[0] not in {"allowed", "access_narrowed"}
    expected = dict.fromkeys(range(180), open_)
    expected |= dict.fromkeys(range(42, 61), narrowed)
    expected |= dict.fromkeys(range(61, 70), suspended)
    assert {day: found for day, found in seen.items() if day < 180} == expected
    assert "allowed" not in seen[180]

    record = state(world, agreement)
    (narrowing,), (suspension,) = record.narrowings, record.suspensions
    assert (narrowing.at, narrowing.widened_at) == (START + 42 * DAY, START + 70 * DAY)
    assert (narrowing.by_id, narrowing.widened_by) == (DUTY_LADDER.person_id, DUTY_LADDER.person_id)
    assert (suspension.notified_at, suspension.takes_effect_at) == (START + 58 * DAY, START + 61 * DAY)
    assert (suspension.lifted_at, suspension.lifted_by) == (START + 70 * DAY, DUTY_LADDER.person_id)
    assert narrowing.duty_keys == suspension.duty_keys == (FIRST,)
    assert "is 14 days late. Access is suspended on 2027-01-20" in narrowing.statement
    assert record.status_on(world.clock()) is AgreementStatus.EXPIRED
    told = kinds(world, "ben")
    assert told.count("duty.due_soon") == 6
    assert told.count("duty.overdue") == 2
    assert told[-1] == "agreement.expired"
    for kind in ("agreement.narrowed", "agreement.suspended", "agreement.suspension_lifted", "agreement.widened"):
        assert told.count(kind) == 1


def test_a_second_tick_changes_nothing(world: World) -> None:
    opened(world)
    world.clock.advance(days=35)
    first = world.portal.clockwork.tick()
    assert (first.reminded, first.failed) == (1, ())
    size = world.size
    again = world.portal.clockwork.tick()
    assert again == Ticked(at=world.clock(), agreements=1)
    assert world.size == size


def test_after_a_long_sleep_one_tick_takes_every_rung_in_order_and_dates_none_back(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=100)
    ticked = world.portal.clockwork.tick()
    assert (ticked.narrowed, ticked.suspended, ticked.restored) == (1, 1, 0)
    record = state(world, agreement)
    assert record.narrowing is not None
    assert record.suspension is not None
    assert record.narrowing.at == record.suspension.notified_at == world.clock()
    happened = [
        entry.event.type_name
        for entry in world.portal.store.events(f"agreement/{agreement.id}")
        if entry.event.type_name in {"agreement:narrowed", "agreement:suspended"}
    ]
    assert happened == ["agreement:narrowed", "agreement:suspended"]
    assert access(world, Operation.SCORE) == "allowed"
    world.clock.advance(days=3)
    assert access(world, Operation.SCORE) != "allowed"


def test_what_was_made_up_for_while_nobody_ticked_leaves_no_trace(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=50)
    do(world, agreement, FIRST)
    ticked = world.portal.clockwork.tick()
    assert (ticked.narrowed, ticked.suspended) == (0, 0)
    assert state(world, agreement).narrowings == ()


def test_more_time_and_waivers_bring_access_down_the_ladder(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=45)
    assert world.portal.clockwork.tick().narrowed == 1
    world.portal.duties.postpone(world.actor("ada"), agreement.id, FIRST, due_at=START + 50 * DAY, reason="a holiday")
    assert world.portal.clockwork.tick().restored == 1
    assert access(world) == "allowed"
    world.clock.advance(days=20)
    assert world.portal.clockwork.tick().narrowed == 1
    world.portal.duties.waive(world.actor("ada"), agreement.id, FIRST, reason="one is enough")
    assert world.portal.clockwork.tick().restored == 1
    assert duty(world, agreement, SECOND).late_days == 9
    assert access(world) == "allowed"


def test_access_opens_when_the_duty_it_was_suspended_for_is_fulfilled(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=58 + 4)
    world.portal.clockwork.tick()
    world.clock.advance(days=4)
    world.portal.clockwork.tick()
    assert access(world) == "agreement_suspended"
    assert duty(world, agreement, SECOND).late_days == 10
    do(world, agreement, FIRST)
    assert world.portal.clockwork.tick().restored == 2
    assert access(world) == "allowed"
    assert "Late by now: Feedback (feedback/2027-01-18), 10 days." in state(world, agreement).suspensions[0].lift_reason


def test_a_suspension_steps_down_to_the_narrowing_that_another_duty_has_reached(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=70)
    world.portal.clockwork.tick()
    world.clock.advance(days=3)
    assert access(world, Operation.SCORE) == "agreement_suspended"
    do(world, agreement, FIRST)
    assert world.portal.clockwork.tick().restored == 1
    assert (access(world), access(world, Operation.SCORE)) == ("access_narrowed", "allowed")


def test_measures_of_people_are_theirs_to_end(world: World) -> None:
    agreement = opened(world)
    ada = world.actor("ada")
    world.portal.agreements.narrow(
        ada, agreement.id, operations=["score"], requests_per_minute=1, statement="A talk is being prepared."
    )
    world.portal.agreements.suspend(
        ada, agreement.id, reason="suspected_misuse", statement="Odd prompts were seen on Monday."
    )
    world.portal.clockwork.tick()
    world.clock.advance(days=100)
    ticked = world.portal.clockwork.tick()
    assert (ticked.narrowed, ticked.suspended, ticked.failed) == (0, 0, ())
    for key in (FIRST, SECOND, "feedback/2027-02-15"):
        do(world, agreement, key)
    assert world.portal.clockwork.tick().restored == 0
    record = state(world, agreement)
    assert record.narrowing is not None
    assert record.suspension is not None


def test_a_coordinator_who_opened_access_is_not_overruled_by_the_clock(world: World) -> None:
    agreement = opened(world)
    ada = world.actor("ada")
    world.clock.advance(days=59)
    world.portal.clockwork.tick()
    world.portal.agreements.lift(ada, agreement.id, number=1, reason="They called: it comes on Friday.")
    world.portal.agreements.widen(ada, agreement.id, reason="They called: it comes on Friday.")
    world.clock.advance(days=1)
    ticked = world.portal.clockwork.tick()
    assert (ticked.narrowed, ticked.suspended) == (0, 0)
    assert access(world) == "allowed"
    world.clock.advance(days=11)
    assert world.portal.clockwork.tick().narrowed == 1
    assert state(world, agreement).narrowings[-1].duty_keys == (SECOND,)


def test_an_appeal_that_nobody_decides_lapses_by_its_clause(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=60)
    world.portal.clockwork.tick()
    world.portal.agreements.appeal(world.actor("ben"), agreement.id, number=1, text="We sent it by mail in December.")
    world.portal.clockwork.tick()
    assert "appeal.filed" in kinds(world, "ada")
    world.clock.advance(days=13)
    assert world.portal.clockwork.tick().appeals_lapsed == 0
    world.clock.advance(days=1)
    ticked = world.portal.clockwork.tick()
    assert (ticked.appeals_lapsed, ticked.suspended) == (1, 0)
    (suspension,) = state(world, agreement).suspensions
    assert suspension.lifted_by == APPEALS_CLOCK.person_id
    assert "appeal.lapsed" in kinds(world, "ben")
    assert access(world, Operation.SCORE) == "allowed"
    assert world.portal.clockwork.tick().appeals_lapsed == 0


def test_where_silence_changes_nothing_the_suspension_stands(world: World) -> None:
    agreement = opened(world, safe_harbour={"on_silence": "stands"})
    world.clock.advance(days=60)
    world.portal.clockwork.tick()
    world.portal.agreements.appeal(world.actor("ben"), agreement.id, number=1, text="We sent it by mail in December.")
    world.clock.advance(days=15)
    assert world.portal.clockwork.tick().appeals_lapsed == 1
    assert state(world, agreement).suspension is not None


def test_an_amendment_that_takes_the_ladder_away_takes_back_what_it_did(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=45)
    world.portal.clockwork.tick()
    amended(world, agreement, **{**ANYBODY, "late_duties": None})
    ticked = world.portal.clockwork.tick()
    assert (ticked.restored, ticked.narrowed) == (1, 0)
    assert state(world, agreement).narrowing is None


def test_ten_years_of_weekly_feedback_renewed_are_reminded_of_and_seen(world: World) -> None:
    ada, term = world.actor("ada"), {"days": 3660, "renewals": 20, "renewal_window_days": None, "text": "Long."}
    agreement = opened(world, term=term, feedback={"every_weeks": 1})
    for _ in range(9):
        world.portal.agreements.propose(ada, agreement.id, change="renewal")  # type: ignore[arg-type]  # as a client sends it
        sign_by_both(world, world.portal.agreements.offer(ada, agreement.id))
    world.clock.advance(days=30)
    ticked = world.portal.clockwork.tick()
    assert (ticked.failed, ticked.reminded, ticked.narrowed) == ((), 5, 1)
    assert len(world.portal.duties.board(world.actor("ben"), horizon_days=30)) == 8
    assert len(world.portal.duties.of_agreement(ada, agreement.id)) == 36_600 // 7 + 2
    assert world.portal.duties.calendar(world.actor("ben"))
    world.portal.agreements.propose(ada, agreement.id, change="renewal")  # type: ignore[arg-type]  # as a client sends it
    with pytest.raises(Conflict) as refusal:
        world.portal.agreements.offer(ada, agreement.id)
    assert refusal.value.code == "term_too_far"


def test_without_a_ladder_there_are_reminders_only(world: World) -> None:
    agreement = opened(world, late_duties=None)
    world.clock.advance(days=100)
    ticked = world.portal.clockwork.tick()
    assert (ticked.reminded, ticked.narrowed, ticked.suspended) == (3, 0, 0)
    assert kinds(world, "cleo").count("duty.overdue") == 3
    assert state(world, agreement).narrowing is None


def test_a_renewal_goes_on_where_the_term_left_off(world: World) -> None:
    agreement = opened(world)
    for due in range(28, 169, 28):
        world.clock.now = START + (due - 1) * DAY
        do(world, agreement, f"feedback/{START + due * DAY:%Y-%m-%d}")
    ada = world.actor("ada")
    world.portal.agreements.propose(ada, agreement.id, change="renewal")  # type: ignore[arg-type]  # as a client sends it
    sign_by_both(world, world.portal.agreements.offer(ada, agreement.id))
    world.clock.now = START + 190 * DAY
    world.portal.clockwork.tick()
    assert access(world) == "allowed"
    assert duty(world, agreement, f"feedback/{START + 196 * DAY:%Y-%m-%d}").standing.state is DutyState.DUE
    assert duty(world, agreement, "final-report/term-2").standing.due_at == START + 390 * DAY


def test_the_end_reminds_of_what_is_owed_and_takes_no_rung(world: World) -> None:
    agreement = opened(world, feedback=None)
    world.clock.advance(days=121)
    world.portal.clockwork.tick()
    assert "agreement.expires_soon" in kinds(world, "ben")
    world.clock.advance(days=120)
    ticked = world.portal.clockwork.tick()
    assert (ticked.reminded, ticked.narrowed, ticked.failed) == (2, 0, ())
    assert kinds(world, "ben").count("duty.overdue") == 2
    assert kinds(world, "ada").count("duty.overdue") == 2
    world.portal.duties.fulfil(world.actor("ben"), agreement.id, "final-report/term-1", statement=STATEMENT)
    world.portal.duties.fulfil(world.actor("ben"), agreement.id, "termination/term-1", statement=STATEMENT)
    world.portal.agreements.close(world.actor("ada"), agreement.id, fulfilled=True)
    assert world.portal.clockwork.tick().agreements == 0


def test_people_are_told_of_offers_incidents_and_evidence(world: World) -> None:
    agreement = opened(world)
    world.agreement("south", until="offered")
    world.portal.duties.report_incident(
        world.actor("cleo"),
        agreement.id,
        kind=IncidentKind.LEAK,
        aware_at=world.clock(),
        statement="A token was in a public notebook.",
    )
    do(world, agreement, FIRST)
    world.portal.duties.send_back(world.actor("ada"), agreement.id, FIRST, reason="Say what was tried.")
    world.portal.duties.postpone(world.actor("ada"), agreement.id, SECOND, due_at=START + 80 * DAY, reason="a holiday")
    world.portal.duties.waive(world.actor("ada"), agreement.id, "feedback/2027-02-15", reason="one is enough")
    world.portal.clockwork.tick()
    assert "agreement.offered" in kinds(world, "dan")
    assert {"incident.reported", "duty.fulfilled"} <= set(kinds(world, "ada"))
    assert {"duty.evidence_sent_back", "duty.postponed", "duty.waived"} <= set(kinds(world, "cleo"))
    assert kinds(world, "eve") == []
    assert kinds(world, "nina") == []


def test_vetting_that_lapses_is_told_of_before_and_after(world: World) -> None:
    world.portal.passports.submit(
        world.actor("ben"), "north", item="identity", statement="Registered at the university."  # type: ignore[arg-type]  # as a client sends it
    )  # fmt: skip
    world.portal.passports.review(
        world.actor("ada"), "north", item="identity", accepted=True, valid_until=datetime(2027, 1, 1, tzinfo=UTC)  # type: ignore[arg-type]  # as a client sends it
    )  # fmt: skip
    ada = world.actor("ada")
    vetting = {
        "kind": "vetting",
        "clause_id": "vetting",
        "title": "Vetting",
        "text": "Items: {items}.",
        "items": ["identity"],
        "grace_days": 5,
    }
    drafted = world.portal.agreements.draft(ada, institution_id="north", clauses=[*terms(vetting=None), vetting])
    sign_by_both(world, world.portal.agreements.offer(ada, drafted.id))
    world.portal.clockwork.tick()
    assert "passport.lapses_soon" not in kinds(world, "ben")
    world.clock.now = datetime(2026, 12, 28, tzinfo=UTC)
    world.portal.clockwork.tick()
    assert "passport.lapses_soon" in kinds(world, "ben")
    world.clock.now = datetime(2027, 1, 2, tzinfo=UTC)
    world.portal.clockwork.tick()
    assert "passport.lapsed" in kinds(world, "ben")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("store_busy", "The store is busy."), "The store is busy."),
        (ZeroDivisionError("nobody foresaw it"), "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_at_one_agreement_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    north = opened(world)
    south = in_force(world, "south")
    world.clock.advance(days=45)
    execute = type(world.portal.kernel).execute

    def refusing(kernel: Any, aggregate: Any, object_id: str, *more: Any, **named: Any) -> Any:
        if object_id == north.id:
            raise error
        return execute(kernel, aggregate, object_id, *more, **named)

    monkeypatch.setattr(type(world.portal.kernel), "execute", refusing)
    with caplog.at_level(logging.WARNING):
        ticked = world.portal.clockwork.tick()
    assert (ticked.failed, ticked.narrowed) == ((north.id,), 1)
    assert said in caplog.text
    monkeypatch.undo()
    assert state(world, south).narrowing is not None
    assert world.portal.clockwork.tick().narrowed == 1


def test_a_crash_between_rungs_is_made_up_for(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=45)
    world.portal.clockwork.tick()
    world.reopen(crash=True)
    world.portal.checkpoints.state(MODEL)
    world.clock.advance(days=14)
    assert world.portal.clockwork.tick().suspended == 1
    assert len(state(world, agreement).narrowings) == 1
    world.reopen()
    assert world.portal.log.verify(world.actor("ada")).ok


def test_two_ticks_at_once_take_each_rung_once(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=100)
    answers: list[Ticked] = []
    threads = [threading.Thread(target=lambda: answers.append(world.portal.clockwork.tick())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer.narrowed for answer in answers) == 1
    assert [answer.failed for answer in answers] == [()] * 4
    assert len(state(world, agreement).suspensions) == 1


def test_the_threads_begin_at_once_survive_what_nobody_foresaw_and_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: Counter[str] = Counter()
    twice = {"clockwork": threading.Event(), "deliveries": threading.Event()}

    def failing(which: str) -> Callable[..., Any]:
        def fail(*_: object) -> None:
            times[which] += 1
            if times[which] == 2:
                twice[which].set()
            raise ZeroDivisionError(f"nobody foresaw it of {which}")

        return fail

    unused: Any = SimpleNamespace(deliver_due=failing("deliveries"))
    clockwork = Clockwork(unused, unused, unused, unused, unused, unused, unused)
    monkeypatch.setattr(clockwork, "carry_out", failing("clockwork"))
    with caplog.at_level(logging.ERROR), clockwork.running(0.001):
        assert all(event.wait(30) for event in twice.values())
    assert not [thread for thread in threading.enumerate() if thread.name in twice]
    assert all(f"nobody foresaw it of {which}" in caplog.text for which in twice)


def test_a_delivery_that_hangs_does_not_hold_the_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = opened(world)
    world.clock.advance(days=45)
    hanging, twice, ended = threading.Event(), threading.Event(), threading.Event()
    ticks: list[Ticked] = []
    clockwork = world.portal.clockwork
    carry_out = clockwork.carry_out

    def hang(stop: threading.Event) -> OutboxReport:
        hanging.set()
        assert stop.wait(30)
        ended.set()
        return OutboxReport()

    def counted() -> Ticked:
        assert hanging.wait(30)
        ticks.append(carry_out())
        if len(ticks) == 2:
            twice.set()
        return ticks[-1]

    monkeypatch.setattr(world.portal.outbox, "deliver_due", hang)
    monkeypatch.setattr(clockwork, "carry_out", counted)
    with clockwork.running(0.001):
        assert twice.wait(30)
        assert not ended.is_set()
    assert ended.is_set()
    assert [ticked.narrowed for ticked in ticks[:2]] == [1, 0]
    assert state(world, agreement).narrowing is not None


def test_what_the_ladder_does_is_nobodys_command(world: World) -> None:
    agreement = opened(world)
    world.clock.advance(days=45)
    world.portal.clockwork.tick()
    with pytest.raises(Conflict):
        world.portal.agreements.narrow(
            world.actor("ada"),
            agreement.id,
            operations=["score"],
            requests_per_minute=1,
            statement="The same once more.",
        )
    actors = {
        entry.actor_id
        for entry in world.portal.store.events(f"agreement/{agreement.id}")
        if entry.event.type_name == "agreement:narrowed"
    }
    assert actors == {"auto:duty-ladder"}
