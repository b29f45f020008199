"""The ledger: who may record what, that nothing done is undone by accident, and how a duty stands at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.actors import Actor, Role
from agreements.deciders import Event
from agreements.duties import (
    DUTIES,
    Duty,
    DutyCommand,
    DutyKind,
    DutyState,
    Evidence,
    Fulfil,
    IncidentKind,
    Ledger,
    Postpone,
    Remind,
    ReportIncident,
    SendBack,
    Step,
    Waive,
    incident_standing,
    standing,
)
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid
from tests.agreements.parties import COORDINATOR, LEAD, MEMBER, NOW, OUTSIDER, PARTNER, person

DAY = timedelta(days=1)
DUE = NOW + 28 * DAY
LADDER = Actor.automatic("duty-ladder")
OBSERVER = person("olga", (PARTNER, Role.OBSERVER))

FEEDBACK = Duty(
    key="feedback/2026-03-29",
    kind=DutyKind.FEEDBACK,
    clause_id="feedback",
    title="Feedback",
    text="Every 4 weeks.",
    opens_at=NOW,
    due_at=DUE,
)
REPORT = FEEDBACK.model_copy(update={"key": "final-report/term-1", "kind": DutyKind.FINAL_REPORT})
DESTRUCTION = FEEDBACK.model_copy(
    update={"key": "termination/term-1", "kind": DutyKind.DESTRUCTION, "opens_at": NOW + 20 * DAY}
)
SHOWN = Evidence(statement="Nothing was found in 400 runs.", run_ids=("run_1",))


def fulfil(duty: Duty = FEEDBACK) -> Fulfil:
    return Fulfil(institution_id=PARTNER, duty=duty, evidence=SHOWN)


def after(state: Ledger, command: DutyCommand, actor: Actor, now: datetime = NOW) -> Ledger:
    return DUTIES.fold(DUTIES.decide(state, command, actor, now), state)


def refused(state: Ledger, command: DutyCommand, actor: Actor, now: datetime = NOW) -> ConcordatError:
    with pytest.raises(ConcordatError) as refusal:
        DUTIES.decide(state, command, actor, now)
    return refusal.value


@pytest.mark.parametrize("actor", [LEAD, MEMBER])
def test_evidence_fulfils_on_time_or_late(actor: Actor) -> None:
    on_time = standing(FEEDBACK, after(Ledger(), fulfil(), actor, DUE), DUE, 7)
    assert (on_time.state, on_time.on_time) == (DutyState.FULFILLED, True)
    late = standing(FEEDBACK, after(Ledger(), fulfil(), actor, DUE + DAY), DUE + DAY, 7)
    assert (late.state, late.on_time) == (DutyState.FULFILLED, False)
    assert late.record.fulfilment is not None
    assert late.record.fulfilment.evidence == SHOWN


@pytest.mark.parametrize("actor", [COORDINATOR, OUTSIDER, OBSERVER, LADDER])
def test_evidence_of_others_is_refused(actor: Actor) -> None:
    refusal = refused(Ledger(), fulfil(), actor)
    assert isinstance(refusal, Forbidden)
    assert refusal.code == "not_a_member"


@pytest.mark.parametrize("duty", [REPORT, DESTRUCTION])
def test_what_binds_the_institution_comes_from_its_lead(duty: Duty) -> None:
    assert refused(Ledger(), fulfil(duty), MEMBER, DUE).code == "not_signatory"
    assert standing(duty, after(Ledger(), fulfil(duty), LEAD, DUE), DUE, 0).on_time


def test_what_is_to_come_cannot_be_shown() -> None:
    refusal = refused(Ledger(), fulfil(DESTRUCTION), LEAD)
    assert isinstance(refusal, Conflict)
    assert refusal.code == "duty_not_open"


def test_nothing_is_done_twice() -> None:
    done = after(Ledger(), fulfil(), LEAD)
    waived = after(Ledger(), Waive(duty=FEEDBACK, reason="nothing was used"), COORDINATOR)
    for state, code in ((done, "duty_fulfilled"), (waived, "duty_waived")):
        for command, actor in (
            (fulfil(), LEAD),
            (Waive(duty=FEEDBACK, reason="nothing was used"), COORDINATOR),
            (Postpone(duty=FEEDBACK, due_at=DUE + DAY, reason="a holiday"), COORDINATOR),
            (Remind(duty=FEEDBACK, step=Step.OVERDUE), LADDER),
        ):
            assert refused(state, command, actor).code == code


@pytest.mark.parametrize(
    "command",
    [
        Waive(duty=FEEDBACK, reason="nothing was used"),
        Postpone(duty=FEEDBACK, due_at=DUE + DAY, reason="a holiday"),
        SendBack(duty=FEEDBACK, reason="it says nothing", due_at=DUE + DAY),
    ],
)
@pytest.mark.parametrize("actor", [LEAD, MEMBER, OUTSIDER, LADDER])
def test_only_the_lab_gives_relief(command: DutyCommand, actor: Actor) -> None:
    done = after(Ledger(), fulfil(), LEAD)
    for state in (Ledger(), done):
        assert refused(state, command, actor).code == "not_coordinator"


def test_more_time_is_more_time() -> None:
    state = after(Ledger(), Postpone(duty=FEEDBACK, due_at=DUE + 5 * DAY, reason="a holiday"), COORDINATOR)
    assert state.due_at(FEEDBACK) == DUE + 5 * DAY
    assert standing(FEEDBACK, state, DUE + 4 * DAY, 0).state is DutyState.UPCOMING
    (given_time,) = state.record(FEEDBACK.key).postponements
    assert (given_time.before, given_time.reason) == (DUE, "a holiday")
    fulfilled = after(state, fulfil(), LEAD, DUE + 5 * DAY)
    assert standing(FEEDBACK, fulfilled, DUE + 9 * DAY, 0).on_time


@pytest.mark.parametrize("due_at", [DUE, DUE - DAY, NOW - DAY])
def test_less_time_is_refused(due_at: datetime) -> None:
    refusal = refused(Ledger(), Postpone(duty=FEEDBACK, due_at=due_at, reason="a holiday"), COORDINATOR)
    assert isinstance(refusal, Invalid)
    assert refusal.param == "due_at"


def test_a_new_date_that_has_passed_is_refused() -> None:
    command = Postpone(duty=FEEDBACK, due_at=DUE + DAY, reason="a holiday")
    assert refused(Ledger(), command, COORDINATOR, DUE + 2 * DAY).code == "not_later"


def test_time_without_end_is_refused() -> None:
    never = datetime.max.replace(tzinfo=UTC)
    done = after(Ledger(), fulfil(), LEAD)
    for state, command in (
        (Ledger(), Postpone(duty=FEEDBACK, due_at=never, reason="a holiday")),
        (done, SendBack(duty=FEEDBACK, due_at=never, reason="empty")),
    ):
        assert refused(state, command, COORDINATOR).code == "too_far_ahead"


def test_evidence_sent_back_opens_the_duty_again_and_stays_on_record() -> None:
    done = after(Ledger(), fulfil(), LEAD)
    back = after(done, SendBack(duty=FEEDBACK, reason="it says nothing"), COORDINATOR, NOW + DAY)
    assert standing(FEEDBACK, back, NOW + DAY, 0).state is DutyState.UPCOMING
    (first,) = back.record(FEEDBACK.key).fulfilments
    assert first.sent_back is not None
    assert first.sent_back.reason == "it says nothing"
    again = after(back, fulfil(), MEMBER, NOW + 2 * DAY)
    assert standing(FEEDBACK, again, NOW + 2 * DAY, 0).state is DutyState.FULFILLED
    assert len(again.record(FEEDBACK.key).fulfilments) == 2


def test_evidence_sent_back_late_comes_with_time_to_answer() -> None:
    done = after(Ledger(), fulfil(), LEAD, DUE)
    much_later = DUE + 40 * DAY
    assert refused(done, SendBack(duty=FEEDBACK, reason="empty"), COORDINATOR, much_later).code == "no_time_left"
    back = after(done, SendBack(duty=FEEDBACK, reason="empty", due_at=much_later + 7 * DAY), COORDINATOR, much_later)
    assert standing(FEEDBACK, back, much_later, 0).state is DutyState.UPCOMING
    assert refused(Ledger(), SendBack(duty=FEEDBACK, reason="empty"), COORDINATOR).code == "no_evidence"


def test_each_reminder_is_recorded_once_for_each_date() -> None:
    remind = Remind(duty=FEEDBACK, step=Step.DUE_SOON)
    state = after(Ledger(), remind, LADDER)
    assert DUTIES.decide(state, remind, LADDER, NOW + DAY) == []
    assert DUTIES.decide(state, Remind(duty=FEEDBACK, step=Step.OVERDUE), LADDER, NOW)
    postponed = after(state, Postpone(duty=FEEDBACK, due_at=DUE + DAY, reason="a holiday"), COORDINATOR)
    assert DUTIES.decide(postponed, remind, LADDER, NOW)
    assert refused(Ledger(), remind, COORDINATOR).code == "rules_only"


def report(**more: Any) -> ReportIncident:
    said = {
        "institution_id": PARTNER,
        "kind": IncidentKind.LEAK,
        "aware_at": NOW - timedelta(hours=10),
        "statement": "A token was pasted into a public notebook.",
        "clause_id": "incidents",
        "within_hours": 72,
    }
    return ReportIncident.model_validate({**said, **more})


@pytest.mark.parametrize("actor", [LEAD, MEMBER, COORDINATOR])
def test_a_report_fulfils_the_duty_of_notice_on_time_or_late(actor: Actor) -> None:
    (incident,) = after(Ledger(), report(), actor).incidents
    assert (incident.key, incident.on_time) == ("incidents/1", True)
    (late,) = after(Ledger(), report(within_hours=9), actor).incidents
    shown = incident_standing(late)
    assert (shown.state, shown.on_time) == (DutyState.FULFILLED, False)
    assert shown.duty.due_at == NOW - timedelta(hours=1)


def test_a_report_without_a_clause_has_no_date_and_is_taken_all_the_same() -> None:
    (incident,) = after(Ledger(), report(clause_id=None, within_hours=None), LEAD).incidents
    assert (incident.key, incident.due_at, incident.on_time) == ("incident/1", None, True)
    assert incident_standing(incident).on_time


@pytest.mark.parametrize("actor", [OUTSIDER, OBSERVER, LADDER])
def test_third_parties_report_nothing(actor: Actor) -> None:
    assert refused(Ledger(), report(), actor).code == "not_a_party"


def test_awareness_of_the_future_is_refused() -> None:
    assert refused(Ledger(), report(aware_at=NOW + DAY), LEAD).param == "aware_at"


@pytest.mark.parametrize(
    "fields",
    [
        {"statement": "short"},
        {"statement": "x" * 4001},
        {"statement": "long enough", "url": "javascript:alert(1)"},
        {"statement": "long enough", "url": "https://a.example/ x"},
        {"statement": "long enough", "sha256": "abc"},
        {"statement": "long enough", "run_ids": ("",)},
        {"statement": "long enough", "run_ids": ("r",) * 51},
    ],
)
def test_evidence_that_is_not_well_formed_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Evidence.model_validate(fields)


@given(st.integers(-40, 40), st.integers(0, 90))
def test_a_duty_is_upcoming_then_due_then_overdue(hours_from_due: int, remind_days: int) -> None:
    now = DUE + timedelta(hours=hours_from_due)
    shown = standing(FEEDBACK, Ledger(), now, remind_days)
    window = DUE - remind_days * DAY <= now
    expected = DutyState.OVERDUE if now > DUE else DutyState.DUE if window else DutyState.UPCOMING
    assert shown.state is expected
    assert shown.late_by(now) == max(now - DUE, timedelta())


def test_a_duty_that_is_not_open_is_not_due_however_early_its_reminders() -> None:
    assert standing(DESTRUCTION, Ledger(), NOW + 10 * DAY, 90).state is DutyState.UPCOMING
    assert standing(DESTRUCTION, Ledger(), NOW + 20 * DAY, 90).state is DutyState.DUE


ACTIONS = st.sampled_from(["fulfil", "waive", "postpone", "send_back", "remind", "report"])


@given(st.lists(st.tuples(ACTIONS, st.integers(0, 20)), max_size=20))
def test_whatever_happens_the_record_only_grows_and_reads_back(story: list[tuple[str, int]]) -> None:
    state, now = Ledger(), NOW
    for action, passed in story:
        now += passed * DAY
        commands: dict[str, DutyCommand] = {
            "fulfil": fulfil(),
            "waive": Waive(duty=FEEDBACK, reason="nothing was used"),
            "postpone": Postpone(duty=FEEDBACK, due_at=now + 5 * DAY, reason="a holiday"),
            "send_back": SendBack(duty=FEEDBACK, reason="empty", due_at=now + 5 * DAY),
            "remind": Remind(duty=FEEDBACK, step=Step.OVERDUE),
            "report": report(),
        }
        actor = {"fulfil": MEMBER, "report": MEMBER, "remind": LADDER}.get(action, COORDINATOR)
        try:
            events = DUTIES.decide(state, commands[action], actor, now)
        except ConcordatError as refusal:
            assert refusal.code in {
                "duty_fulfilled", "duty_waived", "no_evidence", "not_later", "no_time_left"
            }  # fmt: skip
            continue
        before, state = state, DUTIES.fold((Event.parse(event.type_name, event.body()) for event in events), state)
        was, is_now = before.record(FEEDBACK.key), state.record(FEEDBACK.key)
        assert len(is_now.fulfilments) >= len(was.fulfilments)
        assert is_now.postponements[: len(was.postponements)] == was.postponements
        assert is_now.reminders[: len(was.reminders)] == was.reminders
        assert state.incidents[: len(before.incidents)] == before.incidents
    assert Ledger.model_validate_json(state.model_dump_json()) == state
