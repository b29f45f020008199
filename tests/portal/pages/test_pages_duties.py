"""Duties on screen: the board, the month, the line in time, and what each side may do about one duty."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from agreements.canonical import sha256_hex
from agreements.duties import DutyState, IncidentKind
from portal.findings.marking import Tlp
from portal.pages.duty_picture import timeline
from portal.pages.file_digest import digest_of
from portal.pages.inbox import tasks_for
from portal.pages.month_view import destination, month_of, sheet, shifted
from portal.services.duties import DutyView
from portal.services.duty_calendar import Appointment, AppointmentKind
from tests.portal.pages.life_world import STATEMENT, first_duty, in_force, let_pass
from tests.portal.pages.pages_world import World, click, said

LATE_DAYS = 32
"""Four days after the first feedback was due."""


def detail(world: World, role: str, agreement_id: str, key: str) -> AppTest:
    return world.screen(getattr(world, role), "duties", agreement=agreement_id, duty=key)


def late(world: World) -> tuple[str, str]:
    """An agreement whose first feedback is four days late, and that duty's key."""
    agreement = in_force(world)
    let_pass(world, LATE_DAYS)
    return agreement.id, first_duty(world, agreement)


def standing(world: World, agreement_id: str, key: str) -> DutyView:
    return world.portal.duties.get(world.actor(world.coordinator), agreement_id, key)


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


@pytest.mark.parametrize("role", ["coordinator", "lead", "member"])
def test_the_board_says_how_late_and_what_follows_when(world: World, role: str) -> None:
    late(world)
    words = said(world.screen(getattr(world, role), "duties")).replace("\\", "")
    assert "4 days late" in words
    assert "Access is narrowed on 2026-04-12" in words
    assert "due in" in words
    assert "1 late." in words


def test_without_an_agreement_there_is_nothing_to_owe(world: World) -> None:
    assert "nothing is owed" in said(world.screen(world.lead, "duties"))


def test_another_institution_sees_nothing_of_it(world: World) -> None:
    agreement_id, key = late(world)
    assert "4 days late" not in said(world.screen(world.rival, "duties"))
    assert "agreement_not_found" in said(detail(world, "rival", agreement_id, key))
    assert "duty_not_found" in said(detail(world, "lead", agreement_id, "feedback/none"))


def test_filters_stand_in_the_address(world: World) -> None:
    late(world)
    app = world.screen(world.coordinator, "duties", state="overdue")
    assert app.selectbox(key="duties.filter.state").value == "overdue"
    assert "due in" not in said(app)
    app.selectbox(key="duties.filter.state").set_value("upcoming").run()
    assert app.query_params["state"] == "upcoming"
    assert "4 days late" not in said(app)
    app.selectbox(key="duties.filter.state").set_value("").run()
    assert "state" not in app.query_params
    app.selectbox(key="duties.filter.kind").set_value("final_report").run()
    assert "No duty matches" in said(app)
    app.selectbox(key="duties.filter.days").set_value("366").run()
    assert "Final report" in said(app)
    assert app.query_params["days"] == "366"


def test_what_the_address_makes_up_is_left_out(world: World) -> None:
    late(world)
    app = world.screen(world.lead, "duties", state="nonsense", view="nonsense", days="9x", institution="../")
    assert not app.exception
    assert "4 days late" in said(app)


def test_the_lead_hands_it_in_with_a_finding_a_run_and_a_document(world: World) -> None:
    agreement_id, key = late(world)
    world.portal.grants.issue(world.actor(world.coordinator), agreement_id=agreement_id, label="Misuse study")
    run_id = world.run(world.lead)
    finding = world.finding(world.lead, marking=Tlp.AMBER)
    app = detail(world, "lead", agreement_id, key)
    form = f"duty.fulfil:{agreement_id}:{key}"
    app.text_area(key=f"{form}.statement").set_value(STATEMENT)
    app.multiselect(key=f"{form}.findings").set_value([finding.finding_id])
    app.multiselect(key=f"{form}.runs").set_value([run_id])
    app.file_uploader(key=f"{form}.file").upload("report.pdf", b"%PDF-1.7", "application/pdf")
    click(app, f"{form}.submit")
    fulfilment = standing(world, agreement_id, key).standing.record.fulfilment
    assert fulfilment is not None
    assert (fulfilment.evidence.finding_ids, fulfilment.evidence.run_ids) == ((finding.finding_id,), (run_id,))
    assert fulfilment.evidence.sha256 == sha256_hex(b"%PDF-1.7")
    words = said(app)
    assert "fulfilled late" in words
    assert sha256_hex(b"%PDF-1.7") in words


def test_findings_of_others_are_not_offered_as_evidence(world: World) -> None:
    agreement_id, key = late(world)
    other = world.finding(world.rival, marking=Tlp.GREEN)
    app = detail(world, "lead", agreement_id, key)
    options = app.multiselect(key=f"duty.fulfil:{agreement_id}:{key}.findings").options
    assert not any(other.finding_id in option for option in options)


@pytest.mark.parametrize(
    ("statement", "digest", "code"), [("Done.", "", "bad_input"), (STATEMENT, "report.pdf", "bad_digest")]
)
def test_evidence_that_does_not_do_is_refused_and_stays_typed(
    world: World, statement: str, digest: str, code: str
) -> None:
    agreement_id, key = late(world)
    app = detail(world, "lead", agreement_id, key)
    form = f"duty.fulfil:{agreement_id}:{key}"
    app.text_area(key=f"{form}.statement").set_value(statement)
    app.text_input(key=f"{form}.sha256").set_value(digest)
    click(app, f"{form}.submit")
    assert code in said(app)
    assert app.text_area(key=f"{form}.statement").value == statement
    assert standing(world, agreement_id, key).standing.state is DutyState.OVERDUE


def test_a_member_hands_in_feedback_but_no_final_report(world: World) -> None:
    agreement = in_force(world)
    let_pass(world, 181)
    views = world.portal.duties.of_agreement(world.actor(world.coordinator), agreement.id)
    report = next(view.standing.duty.key for view in views if view.standing.duty.kind.binds)
    assert "only its partner lead" in said(detail(world, "member", agreement.id, report))
    assert "Hand it in" in said(detail(world, "member", agreement.id, first_duty(world, agreement)))


def test_the_lab_gives_more_time(world: World) -> None:
    agreement_id, key = late(world)
    app = detail(world, "coordinator", agreement_id, key)
    form = f"duty.postpone:{agreement_id}:{key}"
    app.date_input(key=f"{form}.day").set_value(date(2026, 5, 1))
    click(app, f"{form}.submit")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value("The machines were down.")
    click(app, f"{form}.submit")
    view = standing(world, agreement_id, key)
    assert view.standing.due_at == datetime(2026, 5, 1, 23, 59, 59, tzinfo=UTC)
    words = said(detail(world, "lead", agreement_id, key))
    assert "machines were down" in words
    assert "**Cora Meridian** gave time" in words


def test_the_lab_waives_after_it_was_told_what_that_means(world: World) -> None:
    agreement_id, key = late(world)
    app = detail(world, "coordinator", agreement_id, key)
    form = f"duty.waive:{agreement_id}:{key}"
    click(app, f"{form}.open")
    assert "no longer owes" in said(app)
    click(app, f"{form}.confirm")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value("Covered by the interim report.")
    click(app, f"{form}.confirm")
    assert standing(world, agreement_id, key).standing.state is DutyState.WAIVED
    assert "interim report" in said(app)


def test_the_lab_sends_evidence_back_and_the_duty_is_open_again(world: World) -> None:
    agreement_id, key = late(world)
    world.portal.duties.fulfil(world.actor(world.lead), agreement_id, key, statement=STATEMENT)
    app = detail(world, "coordinator", agreement_id, key)
    form = f"duty.send_back:{agreement_id}:{key}"
    app.text_area(key=f"{form}.reason").set_value("Which checkpoint was it?")
    click(app, f"{form}.submit")
    assert standing(world, agreement_id, key).standing.state.is_open
    words = said(detail(world, "member", agreement_id, key))
    assert "Which checkpoint was it" in words
    assert "Four hundred runs" in words


@pytest.mark.parametrize(("role", "label"), [("lead", "Waive it"), ("coordinator", "Hand it in")])
def test_nobody_is_offered_what_the_other_side_does(world: World, role: str, label: str) -> None:
    agreement_id, key = late(world)
    app = detail(world, role, agreement_id, key)
    assert label not in [button.label for button in app.main.button]


def test_either_side_reports_an_incident(world: World) -> None:
    agreement_id, _key = late(world)
    app = world.screen(world.member, "duties")
    app.selectbox(key="incident.report.kind").set_value(IncidentKind.LEAK)
    app.date_input(key="incident.report.day").set_value(date(2026, 4, 1))
    app.text_area(key="incident.report.statement").set_value("A laptop with stored outputs was stolen on a train.")
    click(app, "incident.report.submit")
    (incident,) = world.portal.duties.incidents(world.actor(world.coordinator), agreement_id)
    assert (incident.kind, incident.aware_at.date()) == (IncidentKind.LEAK, date(2026, 4, 1))
    assert "Incident 1 is on record" in said(app)
    app = detail(world, "coordinator", agreement_id, incident.key)
    assert "stolen on a train" in said(app)
    assert "report of the incident itself" in said(app)


def test_an_incident_without_words_is_refused(world: World) -> None:
    late(world)
    app = world.screen(world.lead, "duties")
    click(app, "incident.report.submit")
    assert "bad_input" in said(app)


def test_the_month_is_a_table_of_links_and_turns_its_pages(world: World) -> None:
    agreement_id, key = late(world)
    app = world.screen(world.lead, "duties", view="month", month="2026-03")
    sheet_html = html(app)
    assert "March 2026" in sheet_html
    assert "Overdue: Feedback" in sheet_html
    assert f"/duties?agreement={agreement_id}&amp;duty=feedback%2F2026-03-29" in sheet_html
    assert key == "feedback/2026-03-29"
    assert len(re.findall("<th ", sheet_html)) == 7
    click(app, "duties.month:Later")
    assert app.query_params["month"] == "2026-04"
    assert "April 2026" in html(app)
    assert "2 today" in html(app)
    assert app.table


def test_an_empty_month_says_so(world: World) -> None:
    late(world)
    assert "Nothing has a date" in said(world.screen(world.lead, "duties", view="month", month="2030-01"))


def test_the_line_in_time_is_told_in_words_too(world: World) -> None:
    late(world)
    words = said(world.screen(world.coordinator, "duties", view="timeline"))
    assert "1 duty overdue" in words
    assert "3 duties upcoming" in words


def test_points_differ_by_shape_as_well_as_by_colour(world: World) -> None:
    late(world)
    views = world.portal.duties.board(world.actor(world.coordinator))
    picture, _words = timeline(views, world.portal.kernel.clock())
    points = picture.to_dict()["layer"][1]["encoding"]
    assert points["shape"]["field"] == points["color"]["field"] == "State"
    assert len(set(points["shape"]["scale"]["range"])) == len(points["shape"]["scale"]["domain"]) == 2


def test_the_calendar_file_is_that_of_the_filters(world: World) -> None:
    late(world)
    app = world.screen(world.coordinator, "duties", institution="northfield")
    (link,) = [element for element in app.get("link_button") if "calendar" in element.proto.url]
    assert link.proto.url == "/api/duties/calendar.ics?institution=northfield"


def test_late_and_due_duties_wait_at_home_for_whoever_does_them(world: World) -> None:
    agreement_id, key = late(world)
    at = world.portal.kernel.clock()
    for role, action in (("lead", "Hand it in"), ("member", "Hand it in"), ("coordinator", "Look")):
        (task,) = [t for t in tasks_for(world.portal, world.actor(getattr(world, role)), at) if t.screen == "duties"]
        assert (task.action, task.query) == (action, {"agreement": agreement_id, "duty": key})
        assert "4 days late" in task.text
    for role in ("rival", "observer", "researcher"):
        assert not [t for t in tasks_for(world.portal, world.actor(getattr(world, role)), at) if t.screen == "duties"]


def test_a_title_cannot_draw_on_the_calendar() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    hostile = Appointment(
        uid='duty/agr_1/a"><script>alert(1)</script>',
        kind=AppointmentKind.DUTY,
        agreement_id="agr_1",
        institution_id="northfield",
        at=now,
        title="<img src=x onerror=alert(1)>\u202e",
        text='"><b>',
    )
    drawn = sheet([hostile], now.date(), now)
    assert "<img" not in drawn
    assert "<script" not in drawn
    assert "<b>" not in drawn
    assert "\u202e" not in drawn


@pytest.mark.parametrize(
    ("kind", "uid", "agreement_id", "screen"),
    [
        (AppointmentKind.DUTY, "duty/agr_1/feedback/2026-03-29", "agr_1", "duties"),
        (AppointmentKind.TERM, "term/agr_1/end", "agr_1", "agreements"),
        (AppointmentKind.PASSPORT, "passport/northfield/identity", None, "passports"),
    ],
)
def test_every_date_leads_to_what_it_is_about(
    kind: AppointmentKind, uid: str, agreement_id: str | None, screen: str
) -> None:
    one = Appointment(
        uid=uid,
        kind=kind,
        agreement_id=agreement_id,
        institution_id="northfield",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        title="A date",
        text="",
    )
    assert destination(one)[0] == screen


def test_months_are_counted_across_years() -> None:
    now = datetime(2026, 12, 5, tzinfo=UTC)
    assert month_of("", now) == month_of("13-13", now) == date(2026, 12, 1)
    assert shifted(date(2026, 12, 1), 1) == "2027-01"
    assert shifted(date(2026, 1, 1), -1) == "2025-12"
    assert month_of("9999-12", now) == month_of(shifted(date(2999, 12, 1), 1), now) == date(2999, 12, 1)
    assert month_of("0001-01", now) == date(1900, 1, 1)
    assert "<table" in sheet([], month_of("9999-12", now), now)
    assert month_of(shifted(date(1900, 1, 1), -1), now) >= date(1900, 1, 1) - timedelta(days=1)


def test_a_typed_digest_is_taken_as_people_paste_it() -> None:
    for typed in ("a" * 64, f"SHA256:{'A' * 64}", f"{'a' * 64}  report.pdf"):
        assert digest_of("no.such.field", typed) == "a" * 64
    assert digest_of("no.such.field", " ") is None
