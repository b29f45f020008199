"""Invitations as a browser and a mailbox meet them: looking spends nothing, accepting counts once."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from agreements.actors import Role
from portal.api.auth import SESSION_COOKIE
from portal.api.root import create_app
from portal.services.invitations import Invited
from tests.portal.api.browser import Browser, flags
from tests.portal.notices.outside import Post, reopened
from tests.portal.services.world import World, make_world

WES = "wes@north.example"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.portal.close()


@pytest.fixture
def app(world: World) -> ASGIApp:
    return create_app(world.portal, with_screens=False)


def invite(world: World, by: str = "ben", email: str = WES) -> Invited:
    memberships = [("north", Role.RESEARCHER)]
    return world.portal.invitations.invite(world.actor(by), email=email, memberships=memberships)


def code_of(invited: Invited) -> str:
    return invited.url.partition("code=")[2]


def part(letter: EmailMessage, kind: str) -> str:
    body = letter.get_body((kind,))
    assert body is not None
    said: str = body.get_content()
    return said


def test_an_invitation_is_looked_at_as_often_as_one_likes_and_accepted_once(world: World, app: ASGIApp) -> None:
    invited, scanner, browser = invite(world), Browser(app), Browser(app)
    for method in ("HEAD", "GET", "GET", "OPTIONS", "HEAD"):
        before = world.size
        answer = scanner.ask(method, invited.url)
        assert answer.status_code == (405 if method == "OPTIONS" else 200)
        assert "set-cookie" not in answer.headers
        assert world.size == before, "programs that open links before people do spend nothing"
    page = browser.get(invited.url)
    assert all(words in page.text for words in ("You are invited", WES, "researcher, North University", "Ben"))
    assert page.headers["referrer-policy"] == "no-referrer", "its style is fetched without telling the code"
    assert page.headers["cache-control"] == "no-store"
    answer = browser.post("/session/invitation", code=code_of(invited), name="Wes Newcomer")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    opened = flags(answer, SESSION_COOKIE)
    assert {**opened, "max-age": ""} == {"httponly": "", "max-age": "", "path": "/", "samesite": "lax"}
    me = browser.get("/api/me").json()
    assert (me["actor"]["name"], me["actor"]["memberships"][0]["role"]) == ("Wes Newcomer", "researcher")
    late = Browser(app)
    for answer in (late.get(invited.url), late.post("/session/invitation", code=code_of(invited), name="Eve Again")):
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert code_of(invited) not in answer.text
    assert browser.who() is not None, "whoever accepted stays signed in"


def test_two_who_accept_at_once_are_not_two_people(world: World, app: ASGIApp) -> None:
    code = code_of(invite(world))
    browsers = [Browser(app) for _ in range(4)]
    with ThreadPoolExecutor(len(browsers)) as pool:
        answers = [
            pool.submit(one.post, "/session/invitation", code=code, name=f"Wes {n}") for n, one in enumerate(browsers)
        ]
        codes = sorted(one.result().status_code for one in answers)
    assert codes[0] == 303
    assert all(code in (401, 409) for code in codes[1:])
    assert len([one for one in world.portal.people.list(world.actor("ada")) if one.email == WES]) == 1
    assert len([one for one in browsers if one.who()]) == 1


def test_dead_links_are_all_alike_and_lead_nowhere(world: World, app: ASGIApp) -> None:
    browser, first = Browser(app), invite(world)
    second = world.portal.invitations.renew(world.actor("ben"), first.invitation.id)
    revoked = invite(world, email="ida@north.example")
    world.portal.invitations.revoke(world.actor("ben"), revoked.invitation.id, reason="a mistake")
    expired = invite(world, email="kim@north.example")
    dead = [code_of(first), code_of(revoked), "made-up", "", "x" * 4000, "<script>alert(1)</script>"]
    pages = {browser.get("/session/invitation", params={"code": code}).text for code in dead}
    assert len(pages) == 1, "nobody learns from a dead link whether there ever was an invitation"
    assert "<script" not in pages.pop()
    world.clock.advance(hours=world.settings.invitation_hours)
    for code in filter(None, (*dead, code_of(expired), code_of(second))):
        answer = browser.post("/session/invitation", code=code, name="Wes Newcomer")
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert all(one.email != WES for one in world.portal.people.list(world.actor("ada")))


def test_whoever_was_let_go_leaves_no_way_in(world: World, app: ASGIApp) -> None:
    browser, invited = Browser(app), invite(world)
    world.portal.people.deactivate(world.actor("ada"), world.people["ben"].id, reason="left", without_lead=True)
    for answer in (browser.get(invited.url), browser.post("/session/invitation", code=code_of(invited), name="Wes")):
        assert (answer.status_code, "may not invite you any more" in answer.text) == (401, True)


def test_a_name_that_cannot_be_kept_spends_nothing(world: World, app: ASGIApp) -> None:
    browser, code = Browser(app), code_of(invite(world))
    for name in ("", "x", "n" * 121, "W\u202ees", "\x00\x01"):
        answer = browser.post("/session/invitation", code=code, name=name)
        assert answer.status_code in (400, 422), name
        assert "set-cookie" not in answer.headers
    assert browser.post("/session/invitation", name="Wes").status_code == 400, "without its code"
    assert browser.post("/session/invitation", code=code, name="Zoë Wes").status_code == 303


def test_no_other_site_accepts_for_somebody(world: World, app: ASGIApp) -> None:
    browser, code = Browser(app), code_of(invite(world))
    for headers in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        answer = browser.post("/session/invitation", headers=headers, code=code, name="Wes Newcomer")
        assert answer.status_code == 403
    assert browser.post("/session/invitation", code=code, name="Wes Newcomer").status_code == 303


def test_whoever_is_signed_in_already_becomes_who_was_invited(world: World, app: ASGIApp) -> None:
    browser, invited = Browser(app), invite(world)
    browser.get(world.portal.sign_in.issue_link(world.actor("ada"), world.people["cleo"].id))
    before = browser.session
    assert browser.who() == world.people["cleo"].id
    browser.post("/session/invitation", code=code_of(invited), name="Wes Newcomer")
    assert browser.who() not in (None, world.people["cleo"].id)
    old = Browser(app)
    old.cookies[SESSION_COOKIE] = before or ""
    assert old.refusal() == "session_over", "the session that the browser had is ended, not left behind"


def test_the_letter_has_the_link_and_no_other_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="mail.log")  # the server's at the other end
    with Post() as post:
        reopened(world, smtp_url=post.url, mail_from="portal@lab.example")
        invited = invite(world)
        assert (invited.mailed, invited.mail_problem) == (True, "")
        (letter,) = post.letters
        text, html = part(letter, "plain"), part(letter, "html")
        assert (letter["to"], letter["from"]) == (WES, "portal@lab.example")
        assert "Ben invites you" in text
        for body in (text, html):
            assert set(re.findall(r"https?://[^\s\"<]+", body)) == {invited.url}
        assert "<img" not in html, "nothing tells the portal that it was opened"
        assert parsedate_to_datetime(letter["date"]).tzinfo is not None
        assert invited.invitation.id not in text + html
        assert code_of(invited) not in str(letter["subject"]) + str(letter["message-id"])
        assert code_of(invited) not in caplog.text
        renewed = world.portal.invitations.renew(world.actor("ben"), invited.invitation.id)
        assert renewed.url in part(post.letters[1], "plain")
        browser = Browser(create_app(world.portal, with_screens=False))
        assert browser.get(invited.url).status_code == 401
        assert browser.get(renewed.url).status_code == 200
        post.refused.add("kim@north.example")
        problem = invite(world, email="kim@north.example")
        assert (problem.mailed, bool(problem.mail_problem)) == (False, True)
        assert code_of(problem) not in problem.mail_problem + caplog.text
        assert browser.get(problem.url).status_code == 200, "the invitation stands all the same"
