"""How a browser's session ends: idle, late, from elsewhere, with its person; at the next request, and not after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from portal.api.auth import SESSION_COOKIE
from portal.api.root import create_app
from tests.portal.api.browser import OWN, Browser
from tests.portal.services.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.portal.close()


@pytest.fixture
def app(world: World) -> ASGIApp:
    return create_app(world.portal, with_screens=False)


def signed_in(world: World, app: ASGIApp, who: str = "cleo") -> Browser:
    browser = Browser(app)
    browser.get(world.portal.sign_in.issue_link(world.actor("ada"), world.people[who].id))
    assert browser.who() == world.people[who].id
    return browser


def test_an_idle_session_is_over_and_stays_over(world: World, app: ASGIApp) -> None:
    used, idle = signed_in(world, app), signed_in(world, app)
    hours = world.settings.session_idle_hours
    for _ in range(2):
        world.clock.advance(hours=hours / 2, minutes=1)
        assert used.who() is not None
    assert idle.refusal() == "session_idle"
    assert idle.refusal() == "session_over"
    world.clock.advance(hours=-hours)
    assert idle.refusal() == "session_over", "ended, whatever the clock says later"
    assert idle.get("/session/login").status_code == 200
    assert used.who() is not None


def test_use_does_not_carry_a_session_over_its_day(world: World, app: ASGIApp) -> None:
    browser, hours = signed_in(world, app), 0
    while hours < world.settings.session_hours - 1:
        world.clock.advance(hours=1)
        hours += 1
        assert browser.who() is not None
    world.clock.advance(hours=1)
    assert browser.refusal() == "session_over"


def test_a_restart_remembers_what_is_idle(world: World, app: ASGIApp) -> None:
    browser = signed_in(world, app)
    world.reopen(crash=True)
    again = Browser(create_app(world.portal, with_screens=False))
    again.cookies = browser.cookies
    assert again.who() is not None, "the session is the store's, not the process's"
    world.clock.advance(hours=world.settings.session_idle_hours)
    world.reopen()
    last = Browser(create_app(world.portal, with_screens=False))
    last.cookies = browser.cookies
    assert last.refusal() == "session_idle"


def test_signing_out_everywhere_ends_the_others_at_their_next_request(world: World, app: ASGIApp) -> None:
    here, there, another = signed_in(world, app), signed_in(world, app), signed_in(world, app, "rae")
    link = world.portal.sign_in.issue_link(world.actor("ada"), world.people["cleo"].id)
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook").token
    by_token = Browser(app)
    answer = here.ask("POST", "/api/sessions/end-all", json={"keep_this": True}, headers=OWN)
    assert answer.json() == {"sessions": 2, "tokens": 0}, "one session, and the link that nobody used"
    assert there.refusal() == "session_over"
    assert there.get("/session/login").status_code == 200
    assert Browser(app).get(link).status_code == 401
    assert (here.who(), another.who()) == (world.people["cleo"].id, world.people["rae"].id)
    asked = {"headers": {"authorization": f"Bearer {token}"}}
    assert by_token.get("/api/me", **asked).status_code == 200
    assert here.ask("POST", "/api/sessions/end-all", json={"tokens": True}, headers=OWN).json()["tokens"] == 1
    assert here.refusal() == "session_over"
    assert by_token.get("/api/me", **asked).status_code == 401


def test_one_session_is_ended_from_another(world: World, app: ASGIApp) -> None:
    here, there, eve = signed_in(world, app), signed_in(world, app), signed_in(world, app, "eve")
    listed = here.get("/api/sessions").json()["items"]
    assert [one["current"] for one in listed].count(True) == 1
    (other,) = [one["handle"] for one in listed if not one["current"]]
    assert eve.ask("POST", f"/api/sessions/{other}/end", headers=OWN).status_code == 404
    assert here.ask("POST", f"/api/sessions/{other}/end").status_code == 403, "not from another site"
    assert there.who() is not None
    assert here.ask("POST", f"/api/sessions/{other}/end", headers=OWN).status_code == 204
    assert there.refusal() == "session_over"
    assert here.who() is not None
    secrets = [browser.session or "" for browser in (here, there)]
    assert [secret for secret in secrets if secret in str(listed)] == [], "a handle opens nothing"
    forged = Browser(app)
    for value in (other, world.portal.sign_in.session_id(here.session or ""), "", "x" * 5000, '"', "a=b"):
        forged.cookies[SESSION_COOKIE] = value
        assert forged.refusal() == "session_over", value


def test_others_sessions_are_for_coordinators(world: World, app: ASGIApp) -> None:
    cleo, ben = signed_in(world, app), signed_in(world, app, "ben")
    ada = signed_in(world, app, "ada")
    person = world.people["cleo"].id
    assert ben.get("/api/sessions", params={"person": person}).status_code == 403
    body = {"person_id": person, "tokens": True}
    assert ben.ask("POST", "/api/sessions/end-all", json=body, headers=OWN).status_code == 403
    assert cleo.who() == person
    assert len(ada.get("/api/sessions", params={"person": person}).json()["items"]) == 1
    assert ada.ask("POST", "/api/sessions/end-all", json=body, headers=OWN).json()["sessions"] == 1
    assert cleo.refusal() == "session_over"


def test_what_somebody_becomes_counts_from_the_next_request(world: World, app: ASGIApp) -> None:
    browser, ada, cleo = signed_in(world, app), world.actor("ada"), world.people["cleo"].id
    assert len(browser.get("/api/people").json()["items"]) == 3
    world.portal.people.deactivate(world.actor("ben"), cleo, reason="left")
    assert browser.refusal() == "person_deactivated"
    world.portal.people.reactivate(ada, cleo, reason="is back")
    assert browser.refusal() == "session_over", "nothing from before comes back"
    assert browser.post("/session/signout").status_code == 303, "who has nothing to end is signed out all the same"
    assert SESSION_COOKIE not in browser.cookies
