"""Sign-in pages: links are spent once, cookies are careful, nobody is sent elsewhere."""

import httpx
import pytest

from agreements.actors import Channel
from portal.api.auth import SESSION_COOKIE
from tests.portal.api.api_stand import Stand

OWN = {"sec-fetch-site": "same-origin"}


def link(stand: Stand, who: str = "lead") -> str:
    """A fresh one-time link's path."""
    url = stand.portal.sign_in.issue_link(stand.people["coordinator"].actor(Channel.CLI), stand.people[who].id)
    return url.removeprefix(stand.portal.settings.url)


def cookie(answer: httpx.Response) -> dict[str, str]:
    """The session that an answer sets."""
    return {SESSION_COOKIE: answer.cookies[SESSION_COOKIE]}


def test_a_link_opens_a_session_and_goes_home(stand: Stand) -> None:
    answer = stand.ask("GET", link(stand))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    header = answer.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    assert "Secure" not in header  # the portal under test is on plain http
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    me = stand.ask("GET", "/api/me", cookies=cookie(answer)).json()
    assert me["actor"]["person_id"] == stand.people["lead"].id


def test_a_link_works_once(stand: Stand) -> None:
    path = link(stand)
    first = stand.ask("GET", path)
    again = stand.ask("GET", path)
    assert again.status_code == 401
    assert "used before" in again.text
    assert SESSION_COOKIE not in again.cookies
    signed_in = stand.ask("GET", path, cookies=cookie(first))
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")


def test_looking_at_a_link_without_opening_it_does_not_spend_it(stand: Stand) -> None:
    path = link(stand)
    assert stand.ask("HEAD", path).status_code == 200
    assert stand.ask("GET", path).status_code == 303


@pytest.mark.parametrize("code", ["", "made-up", "x" * 5000, "%00", "<script>alert(1)</script>"])
def test_a_code_that_is_none_is_refused_as_a_page(stand: Stand, code: str) -> None:
    answer = stand.ask("GET", "/session/enter", params={"code": code})
    assert answer.status_code == 401
    assert "text/html" in answer.headers["content-type"]
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("target", "goes"),
    [
        ("/findings?finding=CDT-2026-0001", "/findings?finding=CDT-2026-0001"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("findings", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(stand: Stand, target: str, goes: str) -> None:
    code = link(stand).partition("code=")[2]
    answer = stand.ask("GET", "/session/enter", params={"code": code, "next": target})
    assert answer.headers["location"] == goes


def test_another_sign_in_ends_the_session_the_browser_had(stand: Stand) -> None:
    first = cookie(stand.ask("GET", link(stand, "lead")))
    second = cookie(stand.ask("GET", link(stand, "member"), cookies=first))
    assert stand.ask("GET", "/api/me", cookies=first).status_code == 401
    assert stand.ask("GET", "/api/me", cookies=second).status_code == 200


def test_signing_out_asks_first_and_ends_the_session_on_the_server(stand: Stand) -> None:
    session = cookie(stand.ask("GET", link(stand)))
    assert "Sign out?" in stand.ask("GET", "/session/signout", cookies=session).text
    assert stand.ask("POST", "/session/signout", cookies=session).status_code == 403
    assert stand.ask("GET", "/api/me", cookies=session).status_code == 200
    answer = stand.ask("POST", "/session/signout", cookies=session, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/session/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert stand.ask("GET", "/api/me", cookies=session).status_code == 401


def test_a_demonstration_lets_people_in_by_a_button(stand: Stand) -> None:
    page = stand.ask("GET", "/session/login?next=/norms").text
    assert "Enter the demonstration" in page
    assert "Ben Lead" in page
    form = {"person_id": stand.people["lead"].id, "next": "/norms"}
    answer = stand.ask("POST", "/session/demo", data=form, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/norms")
    assert stand.ask("GET", "/session/login", cookies=cookie(answer)).headers["location"] == "/"
    assert stand.ask("POST", "/session/demo", data=form).status_code == 403
    assert stand.ask("POST", "/session/demo", data={"person_id": "nobody"}, headers=OWN).status_code == 404
    assert stand.ask("POST", "/session/demo", data={}, headers=OWN).status_code == 400


def test_the_pages_bring_their_own_style_and_no_script(stand: Stand) -> None:
    page = stand.ask("GET", "/session/login")
    assert "<script" not in page.text
    assert " style=" not in page.text
    style = stand.ask("GET", "/session/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text
