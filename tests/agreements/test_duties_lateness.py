"""The ladder: one rung at a time, never out of order, and down to the rung of the worst late duty."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agreements.clauses import LateDuties
from agreements.duties import Duty, DutyKind, DutyState, Ledger, Standing, standing
from agreements.lateness import MAX_LEFT, MAX_NAMED, Excused, Measures, Rung, RungKind, ladder_step, what_comes
from agreements.scopes import Operation
from tests.agreements.parties import NOW

DAY = timedelta(days=1)


def clause(*, remind: int = 7, narrow: int = 5, suspend: int = 20) -> LateDuties:
    return LateDuties(
        clause_id="late-duties",
        title="Late duties",
        text="A ladder.",
        remind_days_before=remind,
        narrow_after_days=narrow,
        narrowed_operations=frozenset({Operation.GENERATE}),
        narrowed_requests_per_minute=5,
        suspend_after_days=suspend,
    )


def duty(due_in_days: float, name: str = "feedback") -> Duty:
    due_at = NOW + due_in_days * DAY
    return Duty(
        key=f"{name}/{due_at:%Y-%m-%d}",
        kind=DutyKind.FEEDBACK,
        clause_id=name,
        title="Feedback",
        text="Every 4 weeks.",
        opens_at=due_at - 28 * DAY,
        due_at=due_at,
    )


def stands(*due_in_days: float, remind: int = 7) -> list[Standing]:
    return [standing(duty(day, f"feedback-{n}"), Ledger(), NOW, remind) for n, day in enumerate(due_in_days)]


def step(
    *due_in_days: float, measures: Measures | None = None, late: LateDuties | None = None, now: datetime = NOW
) -> Rung:
    return ladder_step(late or clause(), stands(*due_in_days), measures=measures or Measures(), now=now)


OWN_NARROWING = Measures(narrowed=True, own_narrowing=True)
BOTH = Measures(narrowed=True, own_narrowing=True, suspended=True, own_suspension=True)


def test_nothing_owed_soon_asks_for_nothing() -> None:
    assert step().kind is RungKind.NONE
    assert step(8).kind is RungKind.NONE


def test_the_rungs_in_order_with_reasons() -> None:
    assert step(7).statement == (
        "Feedback (feedback-0/2026-03-08) is due on 2026-03-08 12:00 UTC. Access is narrowed on 2026-03-13 12:00 UTC "
        "unless it is fulfilled, postponed or waived."
    )
    late = step(-4)
    assert (late.kind, late.duty_keys) == (RungKind.REMIND, ("feedback-0/2026-02-25",))
    assert "is 4 days late. Access is narrowed on 2026-03-02 12:00 UTC" in late.statement
    narrowed = step(-5)
    assert narrowed.kind is RungKind.NARROW
    assert "Access is suspended on 2026-03-16 12:00 UTC" in narrowed.statement
    assert step(-19, measures=OWN_NARROWING).kind is RungKind.REMIND
    suspended = step(-20, measures=OWN_NARROWING)
    assert suspended.kind is RungKind.SUSPEND
    assert "20 days late. Access opens again when it is fulfilled, postponed or waived" in suspended.statement
    assert step(-20, measures=BOTH).kind is RungKind.REMIND


def test_after_a_long_sleep_the_first_rung_is_still_the_lower_one() -> None:
    assert step(-300).kind is RungKind.NARROW
    assert step(-300, measures=OWN_NARROWING).kind is RungKind.SUSPEND


def test_only_those_late_enough_are_named() -> None:
    assert step(-6, -1, -5).duty_keys == ("feedback-0/2026-02-23", "feedback-2/2026-02-24")


def test_down_to_the_rung_that_the_worst_late_duty_has_reached() -> None:
    assert step(-20, -6, measures=BOTH).kind is RungKind.REMIND
    lifted = step(-6, -1, measures=BOTH)
    assert (lifted.kind, lifted.duty_keys) == (RungKind.LIFT, ())
    assert lifted.statement == (
        "No late duty is left for which access is suspended. Late by now: Feedback (feedback-0/2026-02-23), 6 days; "
        "Feedback (feedback-1/2026-02-28), 1 day."
    )
    assert step(-6, -1, measures=OWN_NARROWING).kind is RungKind.REMIND
    assert step(-1, measures=OWN_NARROWING).kind is RungKind.WIDEN
    many = step(*([-1.0] * (MAX_LEFT + 2)), measures=OWN_NARROWING)
    assert many.statement.endswith("; and 2 more.")


def test_down_again_one_by_one_when_the_last_late_one_is_done() -> None:
    assert step(3, measures=BOTH).kind is RungKind.LIFT
    assert step(3, measures=BOTH).statement == "Nothing late is open any more."
    assert step(3, measures=OWN_NARROWING).kind is RungKind.WIDEN
    assert step(measures=OWN_NARROWING).kind is RungKind.WIDEN


def test_access_is_not_wide_open_between_a_suspension_and_the_narrowing_that_follows_it() -> None:
    suspended_only = Measures(suspended=True, own_suspension=True)
    assert step(-6, measures=suspended_only).kind is RungKind.NARROW
    assert step(-6, measures=BOTH).kind is RungKind.LIFT


def test_what_is_excused_does_not_hold_a_measure_taken_for_another() -> None:
    ended = (Excused(key=duty(-30, "feedback-0").key, before=NOW - DAY),)
    measures = BOTH.model_copy(update={"excused_narrowing": ended, "excused_suspension": ended})
    assert step(-30, measures=measures).kind is RungKind.LIFT
    assert step(-30, measures=measures.model_copy(update={"own_suspension": False})).kind is RungKind.WIDEN


def test_measures_of_people_stay() -> None:
    assert step(3, measures=Measures(narrowed=True, suspended=True)).kind is RungKind.REMIND
    assert step(-30, measures=Measures(narrowed=True, suspended=True)).kind is RungKind.REMIND
    assert step(-30, measures=Measures(narrowed=True)).kind is RungKind.SUSPEND


def test_without_a_clause_there_are_reminders_and_no_measures() -> None:
    rung = ladder_step(None, stands(-30), measures=Measures(), now=NOW)
    assert rung.kind is RungKind.REMIND
    assert rung.statement.endswith("30 days late.")
    taken_out = ladder_step(None, stands(-30), measures=OWN_NARROWING, now=NOW)
    assert (taken_out.kind, taken_out.reasons) == (
        RungKind.WIDEN,
        ("The agreement no longer says what follows from a late duty.",),
    )


def test_a_measure_that_somebody_ended_is_not_taken_again_for_the_same_date() -> None:
    late = duty(-30, "feedback-0")
    ended = (Excused(key=late.key, before=NOW - DAY),)
    assert step(-30, measures=Measures(excused_narrowing=ended)).kind is RungKind.SUSPEND
    lifted = Measures(narrowed=True, own_narrowing=True, excused_suspension=ended)
    assert step(-30, measures=lifted).kind is RungKind.REMIND
    assert step(-30, -25, measures=lifted).duty_keys == ("feedback-1/2026-02-04",)
    missed_again = Measures(narrowed=True, excused_suspension=(Excused(key=late.key, before=NOW - 31 * DAY),))
    assert step(-30, measures=missed_again).kind is RungKind.SUSPEND


def test_a_statement_stays_readable_and_fits() -> None:
    many = step(*([-30.0] * 40))
    assert len(many.duty_keys) == 40
    assert many.reasons[-1] == f"{40 - MAX_NAMED} more duties are late."
    assert len(many.statement) < 4000


def test_what_comes_says_nothing_of_what_is_done() -> None:
    done = stands(-1)[0].model_copy(update={"state": DutyState.FULFILLED})
    assert what_comes(done, clause(), NOW) == ""


def test_nothing_is_threatened_for_after_the_end() -> None:
    (late,) = stands(-1)
    assert what_comes(late, clause(), NOW, NOW + 20 * DAY).startswith("Access is narrowed on")
    assert what_comes(late, clause(), NOW, NOW + 4 * DAY) == ""
    assert what_comes(stands(-30)[0], clause(), NOW, NOW) == ""
    rung = ladder_step(clause(), [late], measures=Measures(), now=NOW, ends_at=NOW + 2 * DAY)
    assert rung.statement.endswith("is 1 day late.")


CLAUSES = st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(1, 40)).map(
    lambda t: clause(remind=t[0], narrow=t[1], suspend=t[1] + t[2])
)


@given(CLAUSES, st.lists(st.floats(-120, 60), max_size=5), st.booleans(), st.booleans())
def test_each_answer_is_what_the_clause_wants(
    late: LateDuties, due: list[float], narrowed: bool, suspended: bool
) -> None:
    found = stands(*due, remind=late.remind_days_before)
    measures = Measures(narrowed=narrowed, own_narrowing=narrowed, suspended=suspended, own_suspension=suspended)
    rung = ladder_step(late, found, measures=measures, now=NOW)
    worst = max((s.late_by(NOW) for s in found), default=timedelta())
    overdue = any(s.state is DutyState.OVERDUE for s in found)
    to_narrow = overdue and worst >= late.narrow_after_days * DAY
    to_suspend = overdue and worst >= late.suspend_after_days * DAY
    assert (rung.kind is RungKind.NARROW) == (to_narrow and not narrowed)
    assert (rung.kind is RungKind.LIFT) == (suspended and not to_suspend and (narrowed or not to_narrow))
    assert (rung.kind is RungKind.WIDEN) == (narrowed and not to_narrow and not suspended)
    if rung.kind is RungKind.SUSPEND:
        assert narrowed
        assert worst >= late.suspend_after_days * DAY > late.narrow_after_days * DAY
    if rung.kind is RungKind.NARROW:
        assert worst >= late.narrow_after_days * DAY
    assert bool(rung.reasons) == (rung.kind is not RungKind.NONE)


@given(CLAUSES, st.lists(st.floats(-120, 60), max_size=5), st.booleans(), st.booleans())
def test_whatever_stood_it_settles_on_the_rung_of_the_worst_late_duty(
    late: LateDuties, due: list[float], narrowed: bool, suspended: bool
) -> None:
    found = stands(*due, remind=late.remind_days_before)
    for _ in range(4):
        measures = Measures(narrowed=narrowed, own_narrowing=narrowed, suspended=suspended, own_suspension=suspended)
        match ladder_step(late, found, measures=measures, now=NOW).kind:
            case RungKind.NARROW | RungKind.WIDEN as kind:
                narrowed = kind is RungKind.NARROW
            case RungKind.SUSPEND | RungKind.LIFT as kind:
                suspended = kind is RungKind.SUSPEND
            case _:
                break
    lateness = [s.late_by(NOW) for s in found if s.state is DutyState.OVERDUE]
    assert narrowed is any(one >= late.narrow_after_days * DAY for one in lateness)
    assert suspended is any(one >= late.suspend_after_days * DAY for one in lateness)


@given(CLAUSES, st.lists(st.integers(0, 100), min_size=1, max_size=3), st.lists(st.integers(1, 30), max_size=20))
def test_climbing_day_by_day_or_after_any_sleep_ends_on_the_same_rung(
    late: LateDuties, due: list[int], sleeps: list[int]
) -> None:
    owed = [duty(day, f"feedback-{n}") for n, day in enumerate(due)]

    def climb(now: datetime, measures: Measures) -> Measures:
        for _ in range(5):
            shown = [standing(d, Ledger(), now, late.remind_days_before) for d in owed]
            match ladder_step(late, shown, measures=measures, now=now).kind:
                case RungKind.NARROW:
                    measures = measures.model_copy(update={"narrowed": True, "own_narrowing": True})
                case RungKind.SUSPEND:
                    measures = measures.model_copy(update={"suspended": True, "own_suspension": True})
                case _:
                    return measures
        raise AssertionError("the ladder has an end")

    daily, sleepy, day = Measures(), Measures(), 0
    for sleep in sleeps:
        for _ in range(sleep):
            day += 1
            daily = climb(NOW + day * DAY, daily)
        sleepy = climb(NOW + day * DAY, sleepy)
        assert sleepy == daily
