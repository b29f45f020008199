"""Duties through the service: who sees which, what is recorded, and that no client's word on a duty is believed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from agreements.duties import DutyKind, DutyState, IncidentKind
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from model_access.stages import Stage
from portal.findings.service import FindingDraft
from tests.portal.services.duty_world import STATEMENT, amended, duty, in_force, keys, sign_by_both, terms
from tests.portal.services.world import START, World, ask

DAY = timedelta(days=1)
FIRST = "feedback/2026-12-21"
SECOND = "feedback/2027-01-18"


def test_the_board_follows_from_the_clauses(world: World) -> None:
    agreement = in_force(world)
    board = world.portal.duties.board(world.actor("ben"))
    assert keys(board) == [FIRST, SECOND, "feedback/2027-02-15"]
    first = board[0]
    assert first.standing.due_at == START + 28 * DAY
    assert (first.standing.state, first.late_days, first.institution_name) == (
        DutyState.UPCOMING,
        0,
        "North University",
    )
    assert first.consequence.startswith("Access is narrowed on 2027-01-04")
    whole = world.portal.duties.of_agreement(world.actor("ben"), agreement.id)
    assert [view.standing.duty.kind for view in whole[-2:]] == [DutyKind.FINAL_REPORT, DutyKind.DESTRUCTION]
    assert len(whole) == 8
    assert [view.consequence for view in whole[-3:]] == ["", "", ""]
    assert keys(world.portal.duties.board(world.actor("ben"), horizon_days=0)) == []


def test_what_is_not_in_force_owes_nothing(world: World) -> None:
    offered = world.agreement(until="offered")
    assert world.portal.duties.of_agreement(world.actor("ben"), offered.id) == ()
    assert world.portal.duties.board(world.actor("ada")) == ()


def test_everybody_sees_their_own_and_the_lab_all(world: World) -> None:
    north, south = in_force(world), in_force(world, "south")
    board = world.portal.duties.board
    assert {view.agreement_id for view in board(world.actor("ada"))} == {north.id, south.id}
    for name in ("ben", "cleo", "nina"):
        assert {view.agreement_id for view in board(world.actor(name))} == {north.id}
    assert {view.agreement_id for view in board(world.actor("ada"), institution_id="south")} == {south.id}
    assert board(world.actor("ben"), institution_id="south") == ()
    assert board(world.actor("rae")) == ()
    for read in (
        lambda: board(world.actor("ben"), agreement_id=south.id),
        lambda: world.portal.duties.of_agreement(world.actor("eve"), north.id),
        lambda: world.portal.duties.get(world.actor("eve"), north.id, FIRST),
        lambda: world.portal.duties.incidents(world.actor("eve"), north.id),
        lambda: world.portal.duties.open_keys(world.actor("eve"), north.id),
        lambda: world.portal.duties.calendar(world.actor("eve"), agreement_id=north.id),
        lambda: world.portal.duties.fulfil(world.actor("eve"), north.id, FIRST, statement=STATEMENT),
    ):
        with pytest.raises(NotFound) as refusal:
            read()
        assert refusal.value.code == "agreement_not_found"


def test_evidence_is_kept_and_counts(world: World) -> None:
    agreement = in_force(world)
    view = world.portal.duties.fulfil(
        world.actor("cleo"), agreement.id, FIRST, statement=STATEMENT, url="https://north.example/report"
    )
    assert (view.standing.state, view.standing.on_time, view.actions) == (DutyState.FULFILLED, True, ())
    fulfilment = view.standing.record.fulfilment
    assert fulfilment is not None
    assert (fulfilment.evidence.statement, fulfilment.by_id) == (STATEMENT, world.people["cleo"].id)
    assert view.names == {world.people["cleo"].id: "Cleo"}
    done = world.portal.duties.board(world.actor("ada"), state=DutyState.FULFILLED)
    assert keys(done) == [FIRST]


def test_what_each_may_do_is_what_the_rules_let_them(world: World) -> None:
    agreement = in_force(world)

    def actions(name: str) -> tuple[str, ...]:
        return world.portal.duties.get(world.actor(name), agreement.id, FIRST).actions

    assert (actions("ben"), actions("cleo"), actions("nina")) == (("fulfil",), ("fulfil",), ())
    assert actions("ada") == ("waive", "postpone")
    world.portal.duties.fulfil(world.actor("ben"), agreement.id, FIRST, statement=STATEMENT)
    assert (actions("ben"), actions("ada")) == ((), ("send_back",))


def test_evidence_cites_only_what_is_there_for_its_author(world: World) -> None:
    agreement = in_force(world)
    for findings, runs in ((["CDT-2026-0001"], []), ([], ["run_none"])):
        with pytest.raises(NotFound):
            world.portal.duties.fulfil(
                world.actor("ben"), agreement.id, FIRST, statement=STATEMENT, finding_ids=findings, run_ids=runs
            )
    assert duty(world, agreement, FIRST).standing.state is DutyState.UPCOMING


def test_evidence_cites_the_institutions_own_work(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    cleo, eve = world.actor("cleo"), world.actor("eve")
    both = cleo.model_copy(update={"memberships": (*cleo.memberships, *eve.memberships)})
    model = world.checkpoint("ladder-s", to=Stage.PUBLIC)
    runs = {who: world.portal.runs.begin(world.actor(who), model, ask()) for who in ("cleo", "eve")}
    for run in runs.values():
        run.result()
    told: dict[str, Any] = {
        "summary": "Nothing was found.",
        "kind": "null_result",
        "checkpoint_ids": (model,),
        "marking": "TLP:CLEAR",
    }
    filed = {
        who: world.portal.findings.file(
            world.actor(who), FindingDraft(institution_id=at, title="Nothing", **told)
        ).finding_id
        for who, at in (("cleo", "north"), ("eve", "south"))
    }  # fmt: skip
    others: tuple[dict[str, Any], ...] = ({"finding_ids": [filed["eve"]]}, {"run_ids": [runs["eve"].run_id]})
    for more in others:
        with pytest.raises(Invalid) as refusal:
            duties.fulfil(both, agreement.id, FIRST, statement=STATEMENT, **more)
        assert (refusal.value.code, refusal.value.param) == ("others_evidence", next(iter(more)))
    view = duties.fulfil(
        both, agreement.id, FIRST, statement=STATEMENT, finding_ids=[filed["cleo"]], run_ids=[runs["cleo"].run_id]
    )
    assert view.standing.state is DutyState.FULFILLED


@pytest.mark.parametrize("key", ["feedback/2026-12-22", "feedback/2099-01-01", "", "no such duty", "x" * 4000])
def test_a_duty_that_the_clauses_do_not_cause_is_not_there(world: World, key: str) -> None:
    agreement, duties = in_force(world), world.portal.duties
    before = world.size
    writes: tuple[Callable[[], object], ...] = (
        lambda: duties.fulfil(world.actor("ben"), agreement.id, key, statement=STATEMENT),
        lambda: duties.waive(world.actor("ada"), agreement.id, key, reason="not needed"),
        lambda: duties.postpone(world.actor("ada"), agreement.id, key, due_at=START + 90 * DAY, reason="later"),
        lambda: duties.send_back(world.actor("ada"), agreement.id, key, reason="empty"),
    )
    for write in writes:
        with pytest.raises(NotFound) as refusal:
            write()
        assert refusal.value.code == "duty_not_found"
    assert world.size == before


def test_relief_is_the_labs_to_give(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    before = world.size
    for name in ("ben", "cleo", "nina"):
        with pytest.raises(Forbidden):
            duties.waive(world.actor(name), agreement.id, FIRST, reason="we are busy")
        with pytest.raises(Forbidden):
            duties.postpone(world.actor(name), agreement.id, FIRST, due_at=START + 60 * DAY, reason="we are busy")
    with pytest.raises(Forbidden):
        duties.fulfil(world.actor("nina"), agreement.id, FIRST, statement=STATEMENT)
    with pytest.raises(Forbidden):
        duties.fulfil(world.actor("ada"), agreement.id, FIRST, statement=STATEMENT)
    assert world.size == before
    postponed = duties.postpone(
        world.actor("ada"), agreement.id, FIRST, due_at=START + 40 * DAY, reason="the term at North ends"
    )
    assert postponed.standing.due_at == START + 40 * DAY
    waived = duties.waive(world.actor("ada"), agreement.id, SECOND, reason="one is enough")
    assert waived.standing.state is DutyState.WAIVED
    assert waived.names == {world.people["ada"].id: "Ada"}


def test_evidence_sent_back_is_wanted_again(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    duties.fulfil(world.actor("ben"), agreement.id, FIRST, statement=STATEMENT)
    world.clock.advance(days=60)
    with pytest.raises(Invalid) as refusal:
        duties.send_back(world.actor("ada"), agreement.id, FIRST, reason="it says nothing")
    assert refusal.value.code == "no_time_left"
    back = duties.send_back(world.actor("ada"), agreement.id, FIRST, reason="it says nothing", due_at=START + 70 * DAY)
    assert (back.standing.state, back.late_days) == (DutyState.UPCOMING, 0)


def test_words_that_cannot_be_kept_are_refused(world: World) -> None:
    agreement = in_force(world)
    for statement in ("", "short", "\x00" * 20, "\ud800" * 20, "x" * 5000):
        with pytest.raises(Invalid):
            world.portal.duties.fulfil(world.actor("ben"), agreement.id, FIRST, statement=statement)


def test_a_repeated_request_changes_nothing(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    ben = world.actor("ben")
    first = duties.fulfil(ben, agreement.id, FIRST, statement=STATEMENT, idempotency_key="feedback-one")
    size = world.size
    again = duties.fulfil(ben, agreement.id, FIRST, statement=STATEMENT, idempotency_key="feedback-one")
    assert (again, world.size) == (first, size)
    with pytest.raises(Conflict):
        duties.fulfil(ben, agreement.id, FIRST, statement=STATEMENT)


def test_what_was_done_under_one_version_stays_done_under_the_next(world: World) -> None:
    agreement = in_force(world)
    world.portal.duties.fulfil(world.actor("ben"), agreement.id, FIRST, statement=STATEMENT)
    world.clock.advance(days=40)
    amended(world, agreement, usage_limits={"token_budget": 1000})
    board = world.portal.duties.of_agreement(world.actor("ben"), agreement.id)
    assert board[0].standing.state is DutyState.FULFILLED
    assert keys(board)[:2] == [FIRST, SECOND]
    amended(world, agreement, feedback={"every_weeks": 8})
    assert keys(world.portal.duties.of_agreement(world.actor("ben"), agreement.id))[:2] == [
        FIRST,
        "feedback/2027-02-27",
    ]


def test_evidence_stays_in_sight_when_the_agreement_no_longer_asks_for_it(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    ada, ben = world.actor("ada"), world.actor("ben")
    duties.fulfil(ben, agreement.id, FIRST, statement=STATEMENT)
    duties.waive(ada, agreement.id, "feedback/2027-02-15", reason="one is enough")
    world.clock.advance(days=7)
    amended(world, agreement, feedback={"every_weeks": 6})
    for key, expected in ((FIRST, DutyState.FULFILLED), ("feedback/2027-02-15", DutyState.WAIVED)):
        kept = duty(world, agreement, key)
        assert (kept.standing.state, kept.standing.dropped, kept.actions) == (expected, True, ())
    assert duty(world, agreement, FIRST).standing.record.fulfilments[0].evidence.statement == STATEMENT
    assert keys(duties.board(ben, state=DutyState.FULFILLED)) == [FIRST]
    with pytest.raises(NotFound):
        duties.get(ben, agreement.id, SECOND)
    with pytest.raises(Conflict) as refusal:
        duties.send_back(ada, agreement.id, FIRST, reason="it says nothing", due_at=START + 70 * DAY)
    assert refusal.value.code == "duty_dropped"


def test_the_report_of_a_term_stays_when_the_next_one_begins(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    ada, ben, report = world.actor("ada"), world.actor("ben"), "final-report/term-1"
    world.clock.advance(days=140)
    duties.fulfil(ben, agreement.id, report, statement=STATEMENT)
    duties.send_back(ada, agreement.id, report, reason="it says nothing")
    world.portal.agreements.propose(ada, agreement.id, change="renewal")  # type: ignore[arg-type]  # as a client sends it
    sign_by_both(world, world.portal.agreements.offer(ada, agreement.id))
    kept = duty(world, agreement, report).standing
    assert (kept.state, kept.dropped, kept.state.is_open) == (DutyState.DROPPED, True, False)
    assert duty(world, agreement, "final-report/term-2").standing.state is DutyState.UPCOMING
    assert report not in duties.open_keys(ada, agreement.id)


def test_the_end_has_its_own_duties_and_closes_the_books(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    lead, ada = world.actor("ben"), world.actor("ada")
    with pytest.raises(Conflict) as refusal:
        duties.fulfil(lead, agreement.id, "termination/term-1", statement=STATEMENT)
    assert refusal.value.code == "duty_not_open"
    world.clock.advance(days=10)
    world.portal.agreements.terminate(lead, agreement.id, reason="the project is over")
    assert duties.open_keys(ada, agreement.id) == ("final-report/term-1", "termination/term-1")
    with pytest.raises(Forbidden) as leads_only:
        duties.fulfil(world.actor("cleo"), agreement.id, "final-report/term-1", statement=STATEMENT)
    assert leads_only.value.code == "not_signatory"
    duties.fulfil(lead, agreement.id, "final-report/term-1", statement=STATEMENT)
    with pytest.raises(Conflict) as open_duties:
        world.portal.agreements.close(ada, agreement.id, fulfilled=True)
    assert "termination/term-1" in open_duties.value.message
    world.portal.agreements.close(ada, agreement.id, fulfilled=False, note="never attested")
    with pytest.raises(Conflict) as closed:
        duties.fulfil(lead, agreement.id, "termination/term-1", statement=STATEMENT)
    assert closed.value.code == "books_closed"
    (still_open,) = (v for v in duties.of_agreement(lead, agreement.id) if v.standing.state.is_open)
    assert still_open.actions == ()


def test_incidents_are_told_on_time_or_late(world: World) -> None:
    agreement, duties = in_force(world), world.portal.duties
    world.clock.advance(days=5)
    now = world.clock()
    told = duties.report_incident(
        world.actor("cleo"),
        agreement.id,
        kind=IncidentKind.LEAK,
        aware_at=now - timedelta(hours=80),
        statement="A token was in a public notebook.",
    )
    assert (told.number, told.key, told.on_time) == (1, "incidents/1", False)
    by_lab = duties.report_incident(
        world.actor("ada"),
        agreement.id,
        kind=IncidentKind.BREACH,
        aware_at=now,
        statement="Somebody reached the portal's logs.",
    )
    assert by_lab.on_time
    assert duties.incidents(world.actor("nina"), agreement.id) == (told, by_lab)
    notices = [v for v in duties.board(world.actor("ben")) if v.standing.duty.kind is DutyKind.INCIDENT_NOTICE]
    assert [(v.standing.on_time, v.actions) for v in notices] == [(False, ()), (True, ())]
    with pytest.raises(Forbidden):
        duties.report_incident(
            world.actor("nina"), agreement.id, kind=IncidentKind.LEAK, aware_at=now, statement="I saw something."
        )
    with pytest.raises(Invalid):
        duties.report_incident(
            world.actor("ben"), agreement.id, kind=IncidentKind.LEAK, aware_at=now + DAY, statement="It will leak."
        )


def test_an_incident_needs_an_agreement_that_was_in_force(world: World) -> None:
    offered = world.agreement(until="offered")
    with pytest.raises(Conflict) as refusal:
        world.portal.duties.report_incident(
            world.actor("ben"),
            offered.id,
            kind=IncidentKind.MISUSE,
            aware_at=world.clock(),
            statement="Nothing could happen yet.",
        )
    assert refusal.value.code == "not_in_force"


def test_a_schedule_answers_to_the_ladder_of_its_framework(world: World) -> None:
    ada, service = world.actor("ada"), world.portal.agreements
    without_access = terms(permitted_uses=None, usage_limits=None, feedback=None, vetting=None)
    framework = service.draft(ada, institution_id="north", template_id="framework", clauses=without_access)
    framework = sign_by_both(world, service.offer(ada, framework.id))
    only_access = terms(
        **dict.fromkeys(
            ("late_duties", "safe_harbour", "signatories", "amendments", "final_report", "termination", "vetting")
        )
    )
    drafted = service.draft(
        ada, institution_id="north", template_id="model-schedule", clauses=only_access, framework_id=framework.id
    )
    agreement = sign_by_both(world, service.offer(ada, drafted.id))
    assert duty(world, agreement, FIRST).consequence.startswith("Access is narrowed on 2027-01-04")


# ---- the calendar ----------------------------------------------------------------------------------------------------


def _entries(content: bytes) -> dict[str, Any]:
    parsed = Calendar.from_ical(content)
    assert str(parsed["method"]) == "PUBLISH"
    return {str(entry["uid"]): entry for entry in parsed.walk("VEVENT")}


def test_the_calendar_has_every_date_under_ids_that_stay(world: World) -> None:
    agreement = in_force(world)
    content = world.portal.duties.calendar(world.actor("ben"))
    before = _entries(content)
    uid = f"duty/{agreement.id}/{FIRST}@concordat"
    entry = before[uid]
    assert entry["dtstart"].dt == START + 28 * DAY
    assert entry["dtstamp"].dt == START
    assert str(entry["summary"]) == "Feedback: North University"
    assert f"term/{agreement.id}/end@concordat" in before
    assert f"renewal/{agreement.id}/opens@concordat" in before
    assert content.count(b"BEGIN:VALARM") == 9
    assert b"TRIGGER:-P7D" in content

    world.portal.duties.postpone(world.actor("ada"), agreement.id, FIRST, due_at=START + 33 * DAY, reason="a holiday")
    world.portal.duties.waive(world.actor("ada"), agreement.id, SECOND, reason="one is enough")
    world.clock.advance(days=1)
    after = _entries(world.portal.duties.calendar(world.actor("ben")))
    assert set(after) == set(before)
    assert after[uid]["dtstart"].dt == START + 33 * DAY
    assert after[uid]["sequence"] == 1
    assert str(after[f"duty/{agreement.id}/{SECOND}@concordat"]["status"]) == "CANCELLED"
    world.portal.duties.fulfil(world.actor("ben"), agreement.id, FIRST, statement=STATEMENT)
    done = _entries(world.portal.duties.calendar(world.actor("ben")))
    assert str(done[uid]["summary"]).startswith("Done: ")


def test_the_calendar_has_graces_appeals_and_vetting(world: World) -> None:
    agreement = in_force(world)
    ada, ben = world.actor("ada"), world.actor("ben")
    amended(world, agreement, usage_limits={"token_budget": 1000})
    suspended = world.portal.agreements.suspend(
        ada, agreement.id, reason="breach_of_terms", statement="Requests came from somebody not named."
    )
    found = _entries(world.portal.duties.calendar(ben))
    assert f"grace/{agreement.id}/1@concordat" in found
    assert f"appeal/{agreement.id}/1/file@concordat" in found
    assert suspended.suspension is not None
    world.portal.agreements.appeal(ben, agreement.id, number=1, text="They were named since Monday.")
    found = _entries(world.portal.duties.calendar(ben))
    assert f"appeal/{agreement.id}/1/decide@concordat" in found
    filed = found[f"appeal/{agreement.id}/1/file@concordat"]
    assert (str(filed["summary"]).startswith("Done: "), filed["sequence"]) == (True, 1)
    world.portal.agreements.lift(ada, agreement.id, number=1, reason="It was a mistake.")
    found = _entries(world.portal.duties.calendar(ben))
    decided = found[f"appeal/{agreement.id}/1/decide@concordat"]
    assert (str(decided["summary"]).startswith("Done: "), decided["sequence"]) == (True, 1)
    world.portal.passports.submit(ben, "north", item="identity", statement="Registered at the university.")  # type: ignore[arg-type]  # as a client sends it
    world.portal.passports.review(
        ada, "north", item="identity", accepted=True, valid_until=datetime(2027, 3, 1, tzinfo=UTC)  # type: ignore[arg-type]  # as a client sends it
    )  # fmt: skip
    assert "passport/north/identity@concordat" in _entries(world.portal.duties.calendar(ben))
    assert _entries(world.portal.duties.calendar(world.actor("dan"))) == {}


def test_words_of_clauses_cannot_break_the_calendar(world: World) -> None:
    title = 'Feedback END:VEVENT;x="y", \\ é ' + "long " * 18
    hostile = 'Feedback\nEND:VEVENT\nBEGIN:VEVENT;x="y", \\ é ' + "long " * 18
    agreement = in_force(world, feedback={"title": title[:120], "text": hostile})
    content = world.portal.duties.calendar(world.actor("ben"))
    entries = _entries(content)
    assert len([uid for uid in entries if uid.startswith(f"duty/{agreement.id}/")]) == 8
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))


def test_a_refusal_is_one_of_ours_whatever_is_sent(world: World) -> None:
    agreement = in_force(world)
    for due_at in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(2027, 1, 1)):  # noqa: DTZ001 - what is refused
        try:
            world.portal.duties.postpone(world.actor("ada"), agreement.id, FIRST, due_at=due_at, reason="later")
        except ConcordatError:
            continue
    assert world.portal.duties.board(world.actor("ada"), horizon_days=3660)


def test_an_end_moves_what_is_owed_then_and_strikes_out_the_rest(world: World) -> None:
    agreement = in_force(world)
    before = _entries(world.portal.duties.calendar(world.actor("ben")))
    world.clock.advance(days=3)
    world.portal.agreements.terminate(world.actor("ada"), agreement.id, reason="The study is over.")
    after = _entries(world.portal.duties.calendar(world.actor("ben")))
    uid = f"duty/{agreement.id}/final-report/term-1@concordat"
    assert after[uid]["dtstart"].dt < before[uid]["dtstart"].dt
    assert after[uid]["sequence"] > before[uid]["sequence"]
    struck = {name: entry for name, entry in after.items() if str(entry["status"]) == "CANCELLED"}
    assert f"duty/{agreement.id}/{FIRST}@concordat" in struck
    assert all(entry["sequence"] > before[name]["sequence"] for name, entry in struck.items())
