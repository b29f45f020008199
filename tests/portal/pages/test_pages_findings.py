"""Findings on screen: filing, reading, handling, and what a marking hides."""

from streamlit.testing.v1 import AppTest

from agreements.people import Person
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Severity, Status
from portal.findings.service import FindingView
from tests.portal.pages.pages_world import World, click, existing, said

FORM = "finding.file"


def filled(world: World, person: Person, **query: str) -> AppTest:
    app = world.screen(person, "file_finding", **query)
    app.text_input(key=f"{FORM}.title").set_value("Copies poems")
    app.text_area(key=f"{FORM}.summary").set_value("It repeats whole poems.")
    return app


def only(world: World, person: Person) -> FindingView:
    (row,) = world.portal.findings.list(world.actor(person)).rows
    return world.portal.findings.get(world.actor(person), row.finding_id)


def test_a_finding_is_filed_from_a_run_with_the_facts_of_its_receipt(world: World) -> None:
    world.grant()
    run_id = world.run(world.lead)
    app = filled(world, world.lead, run=run_id)
    assert app.multiselect(key=f"{FORM}.run_ids").value == [run_id]
    click(app, f"{FORM}.act")
    view = only(world, world.lead)
    assert existing(view.content).runs[0].run_id == run_id
    words = said(app)
    assert f"Filed as {view.finding_id}." in words
    assert view.digest in words
    assert "Sandboxed queries of ladder-l" in words.replace("\\", "")


def test_the_readers_are_shown_before_it_is_sent(world: World) -> None:
    app = world.screen(world.researcher, "file_finding")
    assert "The originating institution, the lab and 2 named persons." in said(app)
    app.selectbox(key=f"{FORM}.marking").set_value(Tlp.RED)
    app.checkbox(key=f"{FORM}.to_coordinators").uncheck().run()
    assert "Only 1 named person." in said(app)


def test_a_finding_without_a_title_is_refused_and_keeps_what_was_typed(world: World) -> None:
    app = filled(world, world.researcher)
    app.text_input(key=f"{FORM}.title").set_value("   ")
    click(app, f"{FORM}.act")
    assert "bad_input" in said(app)
    assert app.text_area(key=f"{FORM}.summary").value == "It repeats whole poems."
    assert not world.portal.findings.list(world.actor(world.researcher)).rows


def test_a_second_click_under_the_same_key_files_nothing_more(world: World) -> None:
    app = filled(world, world.researcher)
    app.run()
    key = app.session_state[f"writing.form:{FORM}"]
    click(app, f"{FORM}.act")
    app.switch_page("screens/file_finding.py").run()
    app.session_state[f"writing.form:{FORM}"] = key
    app.text_input(key=f"{FORM}.title").set_value("Copies poems")
    app.text_area(key=f"{FORM}.summary").set_value("It repeats whole poems.")
    app.run()
    click(app, f"{FORM}.act")
    assert existing(only(world, world.researcher).content).title == "Copies poems"


def test_a_null_result_needs_no_severity(world: World) -> None:
    app = filled(world, world.researcher)
    app.selectbox(key=f"{FORM}.kind").set_value(Kind.NULL_RESULT).run()
    app.selectbox(key=f"{FORM}.severity").set_value(None)
    click(app, f"{FORM}.act")
    assert existing(only(world, world.researcher).content).severity is None


def test_a_coordinator_acknowledges_and_closes(world: World) -> None:
    finding = world.finding(world.lead)
    app = world.screen(world.coordinator, "findings", finding=finding.finding_id)
    click(app, f"finding.acknowledge:{finding.finding_id}.act")
    form = f"finding.close:{finding.finding_id}"
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("Shared with every partner.")
    click(app, f"{form}.confirm")
    assert only(world, world.coordinator).status is Status.CLOSED
    assert "Shared with every partner" in said(app)


def test_a_reporter_revises_and_both_versions_can_be_read(world: World) -> None:
    finding = world.finding(world.lead)
    app = world.screen(world.lead, "findings", finding=finding.finding_id)
    form = f"finding.revise:{finding.finding_id}"
    app.text_input(key=f"{form}.title").set_value("Copies whole poems")
    app.selectbox(key=f"{form}.severity").set_value(Severity.HIGH)
    app.text_input(key=f"{form}.note").set_value("Measured again")
    click(app, f"{form}.act")
    assert "Version 2" in said(app)
    older = world.screen(world.lead, "findings", finding=finding.finding_id, version="1")
    assert "replaced since" in said(older)
    assert "Copies poems" in said(older)


def test_withdrawing_leaves_the_tombstone(world: World) -> None:
    finding = world.finding(world.lead)
    app = world.screen(world.lead, "findings", finding=finding.finding_id)
    form = f"finding.withdraw:{finding.finding_id}"
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("It was our own bug.")
    click(app, f"{form}.confirm")
    words = said(app)
    assert "It was our own bug" in words
    assert "It repeats whole poems" not in words


def test_a_duplicate_points_to_what_it_repeats(world: World) -> None:
    first, second = world.finding(world.lead, "First"), world.finding(world.lead, "Second")
    app = world.screen(world.lead, "findings", finding=second.finding_id)
    form = f"finding.duplicate:{second.finding_id}"
    app.text_input(key=f"{form}.of").set_value(first.finding_id)
    click(app, f"{form}.submit")
    assert f"Repeats {first.finding_id}" in [button.label for button in app.button]


def test_a_marking_hides_a_finding_from_the_list_and_the_address_alike(world: World) -> None:
    hidden = world.finding(world.lead, "For our eyes", marking=Tlp.RED, to_coordinators=False)
    for person in (world.coordinator, world.rival, world.member):
        assert "For our eyes" not in said(world.screen(person, "findings"))
        assert "finding_not_found" in said(world.screen(person, "findings", finding=hidden.finding_id))
    assert "For our eyes" in said(world.screen(world.lead, "findings"))


def test_search_and_facets_narrow_the_list(world: World) -> None:
    world.finding(world.lead, "Copies poems")
    world.finding(world.lead, "Writes doctests", kind=Kind.BENEFIT, severity=None, summary="Helps with tests.")
    app = world.screen(world.rival, "findings")
    assert "2 findings" in said(app)
    app.text_input(key="findings_text").set_value("doctests").run()
    assert "1 finding" in said(app)
    assert "Copies poems" not in said(app)
    app.text_input(key="findings_text").set_value("")
    app.selectbox(key="findings_kind").set_value(Kind.MISUSE_FINDING).run()
    assert "Writes doctests" not in said(app)
    app.selectbox(key="findings_marking").set_value(Tlp.CLEAR).run()
    assert "No finding that you may read matches" in said(app)


def test_a_long_list_is_turned_page_by_page(world: World) -> None:
    for number in range(22):
        world.finding(world.lead, f"Finding number {number}")
    app = world.screen(world.lead, "findings")
    assert "Finding number 21" in said(app)
    click(app, "findings_more")
    words = said(app)
    assert "Finding number 0" in words
    assert "Finding number 21" not in words
    click(app, "findings_back")
    assert "Finding number 21" in said(app)


def test_what_a_reporter_writes_is_never_markdown(world: World) -> None:
    finding = world.finding(
        world.rival,
        "![x](http://evil.example/p.png) <b>bold</b> :red[red]",
        summary="# Heading\n[link](http://evil.example) $x^2$\n\n    indented",
    )
    for app in (
        world.screen(world.coordinator, "findings", finding=finding.finding_id),
        world.screen(world.coordinator, "findings"),
        world.screen(world.coordinator, "home"),
    ):
        words = said(app)
        assert "<b>bold" not in words
        assert "](http" not in words
        assert ":red[red]" not in words


def test_an_observer_reads_but_gets_nothing_to_do(world: World) -> None:
    finding = world.finding(world.rival, marking=Tlp.GREEN)
    app = world.screen(world.observer, "findings", finding=finding.finding_id)
    assert "Copies poems" in said(app)
    assert [button.label for button in app.main.button] == ["All findings"]
