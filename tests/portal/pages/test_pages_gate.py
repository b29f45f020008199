"""The gate, the menu of each role, and that every screen stands with and without a history."""

import pytest
from streamlit.testing.v1 import AppTest

from portal.pages.menu import SCREENS
from tests.portal.pages.pages_world import World, click, said

ROLES = ("coordinator", "lead", "member", "researcher", "observer")


@pytest.mark.parametrize("role", ROLES)
def test_every_screen_of_a_role_stands_without_anything_to_show(world: World, role: str) -> None:
    person = getattr(world, role)
    app = world.screen(person)
    for screen in (s for s in SCREENS if s.open_to(world.actor(person))):
        app.switch_page(f"screens/{screen.name}.py").run()
        assert not app.exception, (screen.name, app.exception)


@pytest.mark.parametrize("role", ["coordinator", "lead", "researcher", "observer"])
def test_every_screen_of_a_role_stands_with_a_history(world: World, role: str) -> None:
    world.grant()
    run_id = world.run(world.lead)
    world.finding(world.lead, run_ids=(run_id,))
    world.norm()
    for until in ("draft", "offered", "signed"):
        world.agreement(until=until)
    person = getattr(world, role)
    app = world.screen(person)
    for screen in (s for s in SCREENS if s.open_to(world.actor(person))):
        app.switch_page(f"screens/{screen.name}.py").run()
        assert not app.exception, (screen.name, app.exception)


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        (
            "observer",
            {"playground", "runs", "tokens", "file_finding", "agreements", "grants", "people", "institutions"}
            | {"publications", "duties", "passports", "templates", "requests", "sign_in_methods", "revocations"}
            | {"batches", "workers"},
        ),
        (
            "researcher",
            {"agreements", "people", "institutions", "publications", "duties", "passports", "templates"}
            | {"requests", "sign_in_methods", "revocations", "workers"},
        ),
        ("member", {"people", "institutions", "templates", "sign_in_methods", "revocations", "workers"}),
        ("lead", {"templates", "revocations", "workers"}),
        ("coordinator", set()),
    ],
)
def test_the_menu_is_that_of_the_role(world: World, role: str, hidden: set[str]) -> None:
    person = getattr(world, role)
    assert {s.name for s in SCREENS if not s.open_to(world.actor(person))} == hidden
    app = world.screen(person)
    for name in hidden:
        with pytest.raises(ValueError, match="page"):
            app.switch_page(f"screens/{name}.py").run()


def test_nobody_gets_past_the_gate_without_a_session(world: World) -> None:
    app = world.screen(None)
    assert "You are signed out" in said(app)
    assert not app.sidebar.button


def test_a_session_that_ended_elsewhere_stops_at_the_next_run(world: World) -> None:
    app: AppTest = world.screen(world.lead)
    assert "Welcome, Ada" in said(app)
    world.portal.sign_in.sign_out(app.user["session"])
    app.run()
    assert "You are signed out" in said(app)
    assert "Welcome" not in said(app)


def test_a_click_after_the_session_ended_writes_nothing(world: World) -> None:
    finding = world.finding(world.lead)
    app = world.screen(world.coordinator, "findings", finding=finding.finding_id)
    world.portal.sign_in.sign_out(app.user["session"])
    size = world.portal.log.size_and_root().size
    click(app, f"finding.acknowledge:{finding.finding_id}.act")
    assert world.portal.log.size_and_root().size == size
    assert "You are signed out" in said(app)


def test_signing_out_ends_the_session(world: World) -> None:
    app = world.screen(world.member)
    click(app, "sign_out")
    assert "You are signed out" in said(app)


def test_the_frame_names_person_role_sandbox_and_log(world: World) -> None:
    app = world.screen(world.lead)
    words = said(app)
    assert "Partner lead, Northfield University" in words
    assert "landlock+seccomp/1" in words
    assert "Log head:" in words


def test_a_deactivated_person_is_shown_out(world: World) -> None:
    app = world.screen(world.member)
    world.portal.people.deactivate(world.actor(world.lead), world.member.id, reason="left the group")
    app.run()
    assert "You are signed out" in said(app)
