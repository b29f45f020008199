"""Who gets in: tokens, cookies and the operator; and who does not."""

import pytest

from agreements.actors import Channel
from portal.api.auth import SESSION_COOKIE, OperatorKey
from tests.portal.api.api_stand import BASE_URL, Stand


def session_of(stand: Stand, who: str) -> dict[str, str]:
    """A browser's cookies after signing in."""
    ada = stand.people["coordinator"].actor(Channel.CLI)
    code = stand.portal.sign_in.issue_link(ada, stand.people[who].id).partition("code=")[2]
    return {SESSION_COOKIE: stand.portal.sign_in.enter(code).secret}


def test_a_token_speaks_for_its_holder_and_its_grant(stand: Stand) -> None:
    me = stand.ask("GET", "/api/me", as_="partner").json()
    assert me["actor"]["person_id"] == stand.people["member"].id
    assert me["actor"]["grant_id"] == stand.grant_id
    assert me["actor"]["channel"] == "api"
    assert me["purpose"] == "misuse-analysis"


def test_without_a_credential_the_answer_says_how_to_send_one(stand: Stand) -> None:
    answer = stand.ask("GET", "/api/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "no_credential")
    assert answer.headers["www-authenticate"] == 'Bearer realm="concordat"'


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Basic dXNlcjpwYXNz", "Bearer a.b.c", "x" * 10_000, "Bearer " + "é" * 20],
)
@pytest.mark.parametrize("path", ["/api/me", "/api/findings", "/v1/models"])
def test_a_malformed_token_is_a_typed_401_even_where_the_public_may_read(stand: Stand, path: str, header: str) -> None:
    answer = stand.ask("GET", path, headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_revoked_token_opens_nothing_from_the_next_request_on(stand: Stand) -> None:
    issued = stand.ask("POST", "/api/tokens", as_="lead", json={"label": "short"}).json()
    stand.tokens["short"] = issued["token"]
    assert stand.ask("GET", "/api/me", as_="short").status_code == 200
    assert stand.ask("POST", f"/api/tokens/{issued['record']['id']}/revoke", as_="lead").status_code == 200
    answer = stand.ask("GET", "/api/me", as_="short")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_a_browser_session_reads_the_api(stand: Stand) -> None:
    me = stand.ask("GET", "/api/me", cookies=session_of(stand, "lead")).json()
    assert me["actor"]["person_id"] == stand.people["lead"].id
    assert stand.ask("GET", "/api/me", cookies={SESSION_COOKIE: "made-up"}).json()["code"] == "session_over"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": BASE_URL}, 201),
        ({"sec-fetch-site": "cross-site", "origin": BASE_URL}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_change_by_cookie_has_to_come_from_our_own_pages(stand: Stand, headers: dict[str, str], status: int) -> None:
    before = stand.log_size()
    cookies = session_of(stand, "lead")
    after_sign_in = stand.log_size()
    answer = stand.ask("POST", "/api/tokens", cookies=cookies, headers=headers, json={"label": "from a page"})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_site"
        assert stand.log_size() == after_sign_in > before


def test_a_bad_token_is_not_made_good_by_a_cookie(stand: Stand) -> None:
    answer = stand.ask("GET", "/api/me", cookies=session_of(stand, "lead"), headers={"authorization": "Bearer x"})
    assert answer.status_code == 401


def test_the_operator_acts_as_the_first_coordinator_by_command_line(stand: Stand) -> None:
    actor = stand.ask("GET", "/api/me", as_="operator").json()["actor"]
    assert actor["person_id"] == stand.people["coordinator"].id
    assert actor["channel"] == "cli"


def test_another_operator_secret_opens_nothing(stand: Stand) -> None:
    answer = stand.ask("GET", "/api/me", headers={"authorization": f"Bearer {OperatorKey.new_secret()}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_the_operator_secret_is_not_kept_in_the_clear() -> None:
    secret = OperatorKey.new_secret()
    key = OperatorKey(secret)
    assert key.opens(secret)
    assert not key.opens(secret + "x")
    assert not key.opens("operator-é")
    assert secret not in repr(vars(key))
