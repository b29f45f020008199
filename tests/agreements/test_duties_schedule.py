"""The schedule: what is owed follows from the versions and the end, and keys outlive amendments."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agreements.clauses import Clause, Feedback, FinalReport, Termination
from agreements.duties import Duty, DutyKind, Segment, dropped, schedule
from agreements.recurrence import LONGEST
from tests.agreements.parties import NOW

END = NOW + timedelta(days=180)


def feedback(weeks: int, *, clause_id: str = "feedback", text: str = "Every {every_weeks} weeks.") -> Feedback:
    return Feedback(clause_id=clause_id, title="Feedback", text=text, every_weeks=weeks)


REPORT = FinalReport(clause_id="final-report", title="Final report", text="Within {within_days} days.", within_days=30)
TERMINATION = Termination(
    clause_id="termination", title="Termination", text="Attested in {destruction_days} days.", destruction_days=14
)


def segments(*parts: tuple[tuple[Clause, ...], int]) -> tuple[Segment, ...]:
    """Versions with the days, counted from the beginning, on which each takes effect."""
    starts = [NOW + timedelta(days=day) for _, day in parts]
    ends = [*starts[1:], None]
    return tuple(
        Segment(clauses=clauses, starts_at=start, ends_at=end)
        for (clauses, _), start, end in zip(parts, starts, ends, strict=True)
    )


def days(duties: tuple[Duty, ...], kind: DutyKind = DutyKind.FEEDBACK) -> list[int]:
    return [(duty.due_at - NOW).days for duty in duties if duty.kind is kind]


def test_feedback_recurs_until_the_end_and_the_end_has_its_own_duties() -> None:
    found = schedule(segments(((feedback(4), REPORT, TERMINATION), 0)), expires_at=END)
    assert days(found) == [28, 56, 84, 112, 140, 168]
    assert days(found, DutyKind.FINAL_REPORT) == [210]
    assert days(found, DutyKind.DESTRUCTION) == [194]
    assert found[0].key == "feedback/2026-03-29"
    assert found[0].text == "Every 4 weeks."
    assert (found[0].opens_at, found[1].opens_at) == (NOW, found[0].due_at)


def test_an_agreement_that_never_governed_owes_nothing() -> None:
    assert schedule((), expires_at=END) == ()


def test_feedback_due_at_the_very_end_is_owed() -> None:
    assert days(schedule(segments(((feedback(4),), 0)), expires_at=NOW + timedelta(days=56))) == [28, 56]


def test_termination_ends_what_recurs_and_brings_the_end_forward() -> None:
    governed = segments(((feedback(4), REPORT, TERMINATION), 0))
    before = schedule(governed, expires_at=END)
    after = schedule(governed, expires_at=END, terminated_at=NOW + timedelta(days=60))
    assert days(after) == [28, 56]
    assert days(after, DutyKind.DESTRUCTION) == [74]
    assert {duty.key for duty in after} <= {duty.key for duty in before}


def test_destruction_is_attested_after_the_end_and_a_report_may_come_before_it() -> None:
    found = {duty.kind: duty for duty in schedule(segments(((REPORT, TERMINATION), 0)), expires_at=END)}
    assert found[DutyKind.DESTRUCTION].opens_at == END
    assert found[DutyKind.FINAL_REPORT].opens_at == NOW


def test_a_changed_cadence_starts_anew_and_wipes_nothing_that_was_due() -> None:
    found = schedule(segments(((feedback(4),), 0), ((feedback(8),), 60)), expires_at=END)
    assert days(found) == [28, 56, 116, 172]


def test_words_do_not_restart_the_clock_and_are_those_that_governed() -> None:
    found = schedule(segments(((feedback(4),), 0), ((feedback(4, text="New words."),), 60)), expires_at=END)
    assert days(found) == [28, 56, 84, 112, 140, 168]
    assert [duty.text for duty in found][1:3] == ["Every 4 weeks.", "New words."]


def test_a_clause_taken_out_leaves_what_was_due_before() -> None:
    assert days(schedule(segments(((feedback(4),), 0), ((), 60)), expires_at=END)) == [28, 56]


def test_a_clause_that_comes_back_starts_when_it_does() -> None:
    found = schedule(segments(((feedback(4),), 0), ((), 30), ((feedback(4),), 100)), expires_at=END)
    assert days(found) == [28, 128, 156]


def test_a_renewal_moves_the_end_and_the_report_is_owed_anew() -> None:
    clauses = (feedback(4), REPORT)
    first = Segment(clauses=clauses, starts_at=NOW, ends_at=NOW + timedelta(days=150))
    second = Segment(clauses=clauses, starts_at=NOW + timedelta(days=150), term=2)
    before = schedule([first.model_copy(update={"ends_at": None})], expires_at=END)
    after = schedule([first, second], expires_at=END + timedelta(days=180))
    assert [duty.key for duty in before if duty.kind is DutyKind.FINAL_REPORT] == ["final-report/term-1"]
    assert [duty.key for duty in after if duty.kind is DutyKind.FINAL_REPORT] == ["final-report/term-2"]
    assert days(after)[:6] == days(before)


def test_what_an_amendment_a_renewal_or_a_termination_took_off_the_schedule_is_known() -> None:
    changed = segments(((feedback(4), REPORT), 0), ((feedback(8), REPORT), 60))
    assert days(dropped(changed, expires_at=END)) == [84, 112, 140, 168]
    first, second = segments(((REPORT,), 0), ((REPORT,), 150))
    renewed = (first.model_copy(update={"expires_at": END}), second.model_copy(update={"term": 2}))
    assert [d.key for d in dropped(renewed, expires_at=END + timedelta(days=180))] == ["final-report/term-1"]
    ended = segments(((feedback(4), REPORT), 0))
    assert days(dropped(ended, expires_at=END, terminated_at=NOW + timedelta(days=60))) == [84, 112, 140, 168]
    assert dropped(ended, expires_at=END) == ()


def test_a_century_of_weekly_feedback_can_be_computed_and_nothing_follows_it() -> None:
    found = schedule(segments(((feedback(1),), 0)), expires_at=NOW + 3 * LONGEST)
    assert len(found) == LONGEST // timedelta(weeks=1)


def test_the_horizon_hides_only_what_lies_beyond_it() -> None:
    governed = segments(((feedback(4), REPORT), 0))
    near = schedule(governed, expires_at=END, until=NOW + timedelta(days=90))
    assert near == tuple(duty for duty in schedule(governed, expires_at=END) if duty.due_at <= NOW + timedelta(days=90))


CADENCES = st.lists(st.tuples(st.integers(0, 26), st.integers(1, 90)), min_size=1, max_size=6)
"""For each version: weeks between feedback (0 for no such clause), and the days for which it governs."""


def versions(cadences: list[tuple[int, int]]) -> tuple[Segment, ...]:
    day, parts = 0, []
    for weeks, lasts in cadences:
        parts.append(((feedback(weeks),) if weeks else (), day))
        day += lasts
    return segments(*parts)


@given(CADENCES, st.integers(1, 400), st.none() | st.integers(0, 400))
def test_keys_are_unique_dates_ordered_and_nothing_recurs_after_the_end(
    cadences: list[tuple[int, int]], runs: int, terminated: int | None
) -> None:
    lasting = sum(lasts for _, lasts in cadences[:-1])
    expires_at = NOW + timedelta(days=lasting + runs)
    terminated_at = None if terminated is None else NOW + timedelta(days=lasting + terminated)
    found = schedule(versions(cadences), expires_at=expires_at, terminated_at=terminated_at)
    assert len({duty.key for duty in found}) == len(found)
    assert [duty.due_at for duty in found] == sorted(duty.due_at for duty in found)
    assert all(duty.opens_at < duty.due_at <= min(expires_at, terminated_at or expires_at) for duty in found)


@given(CADENCES, st.integers(1, 400), st.none() | st.integers(0, 400))
def test_every_duty_there_ever_was_is_owed_or_dropped(
    cadences: list[tuple[int, int]], runs: int, terminated: int | None
) -> None:
    whole = versions(cadences)
    expires_at = whole[-1].starts_at + timedelta(days=runs)
    terminated_at = None if terminated is None else whole[-1].starts_at + timedelta(days=terminated)
    once = {d.key for n in range(len(cadences)) for d in schedule(versions(cadences[: n + 1]), expires_at=expires_at)}
    owed = {d.key for d in schedule(whole, expires_at=expires_at, terminated_at=terminated_at)}
    gone = {d.key for d in dropped(whole, expires_at=expires_at, terminated_at=terminated_at)}
    assert gone == once - owed


@given(CADENCES, st.integers(0, 26))
def test_an_amendment_changes_nothing_that_was_due_before_it(cadences: list[tuple[int, int]], weeks: int) -> None:
    whole = versions([*cadences, (weeks, 30)])
    amended_at = whole[-1].starts_at
    until_then = versions(cadences)
    far = amended_at + timedelta(days=400)
    before = schedule(until_then, expires_at=far, until=amended_at)
    after = schedule(whole, expires_at=far, until=amended_at)
    assert [(duty.key, duty.due_at, duty.opens_at) for duty in after] == [
        (duty.key, duty.due_at, duty.opens_at) for duty in before
    ]


@given(CADENCES, st.integers(1, 60))
def test_an_amendment_elsewhere_restarts_no_clock(cadences: list[tuple[int, int]], lasts: int) -> None:
    untouched = [*cadences[:-1], (cadences[-1][0], lasts), (cadences[-1][0], 30)]
    expires_at: datetime = versions(untouched)[-1].starts_at + timedelta(days=200)
    assert schedule(versions(untouched), expires_at=expires_at) == schedule(versions(cadences), expires_at=expires_at)
