"""The sign-in pages with a real provider behind them: cookies, states and addresses, as a browser meets them."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from starlette.types import ASGIApp

from agreements.actors import Role
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.api.auth import SESSION_COOKIE
from portal.api.root import create_app
from portal.api.session import ATTEMPT_COOKIE
from tests.portal.api.browser import Browser, flags
from tests.portal.oidc.conftest import SignIn
from tests.portal.services.world import World, make_world


@pytest.fixture
def app(world: World) -> ASGIApp:
    return create_app(world.portal, with_screens=False)


@pytest.fixture
def browser(app: ASGIApp) -> Browser:
    return Browser(app)


@pytest.fixture
def registered(sign_in: SignIn) -> IdentityProvider:
    return sign_in.register()


def start(browser: Browser, registered: IdentityProvider, onward: str = "/findings") -> str:
    """On to the provider: its address with everything asked of it."""
    answer = browser.get("/session/oidc/start", params={"provider": registered.id, "next": onward})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def back(sign_in: SignIn, url: str, who: str = "cleo") -> str:
    """The address that the provider sends somebody back to, who signed in there."""
    sign_in.provider.control("user", who)
    answer = httpx.get(url, trust_env=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come(sign_in: SignIn, browser: Browser, registered: IdentityProvider, who: str = "cleo") -> httpx.Response:
    return browser.get(back(sign_in, start(browser, registered), who))


def changed(url: str, **query: str | None) -> str:
    """The address with other values in its query; None takes one away."""
    parts = urlsplit(url)
    pairs = {**dict(parse_qsl(parts.query)), **query}
    return parts._replace(query=urlencode({name: value for name, value in pairs.items() if value is not None})).geturl()


def refused(answer: httpx.Response, status: int, words: str) -> None:
    """A page that says why, opens no session and takes the attempt's cookie away."""
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")
    assert flags(answer, ATTEMPT_COOKIE)["max-age"] == "0"


def test_signing_in_from_the_page_to_home(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider, world: World
) -> None:
    page = browser.get("/session/login", params={"next": "/findings?view=mine"}).text
    link = page.partition('href="/session/oidc/start?')[2].partition('"')[0].replace("&amp;", "&")
    answer = browser.get(f"/session/oidc/start?{link}")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert asked["redirect_uri"] == f"{world.settings.url}/session/oidc/callback/{registered.id}"
    assert (asked["response_type"], asked["client_id"]) == ("code", "portal")
    assert asked["code_challenge_method"] == "S256"
    assert set(asked["scope"].split()) == {"openid", "email", "profile"}
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert len({asked[name] for name in ("state", "nonce", "code_challenge")}) == 3
    kept = flags(answer, ATTEMPT_COOKIE)
    assert kept == {"httponly": "", "max-age": "600", "path": "/session/oidc", "samesite": "lax"}
    assert not any(asked[name] in browser.cookies[ATTEMPT_COOKIE] for name in ("state", "nonce"))
    assert answer.headers["cache-control"] == "no-store"
    answer = browser.get(back(sign_in, answer.headers["location"]), headers={"user-agent": "Firefox/140 Linux"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/findings?view=mine")
    opened = flags(answer, SESSION_COOKIE)
    assert {**opened, "max-age": ""} == {"httponly": "", "max-age": "", "path": "/", "samesite": "lax"}
    assert int(opened["max-age"]) == world.settings.session_hours * 3600
    assert ATTEMPT_COOKIE not in browser.cookies
    assert browser.who() == world.people["cleo"].id
    (mine,) = browser.get("/api/sessions").json()["items"]
    assert (mine["current"], mine["browser"], mine["provider"]) == (True, "Firefox on Linux", "North's accounts")


def test_over_https_no_cookie_travels_in_the_clear(world: World, sign_in: SignIn, tmp_path: Path) -> None:
    made = make_world(tmp_path / "https")
    settings = made.settings.model_copy(update={"base_url": "https://portal.lab.example"})
    made.portal.close()
    made.settings = settings
    made.reopen()
    made.clock.now = world.clock.now
    there = SignIn(made, sign_in.provider)
    browser = Browser(create_app(made.portal, with_screens=False), "https://portal.lab.example")
    registered = there.register()
    answer = browser.get("/session/oidc/start", params={"provider": registered.id})
    assert "secure" in flags(answer, ATTEMPT_COOKIE)
    answer = browser.get(back(there, answer.headers["location"]))
    assert "secure" in flags(answer, SESSION_COOKIE)
    assert "max-age=" in answer.headers["strict-transport-security"]
    made.portal.close()


def test_a_session_of_before_is_another_afterwards(sign_in: SignIn, app: ASGIApp, registered: IdentityProvider) -> None:
    planted, victim = Browser(app), Browser(app)
    come(sign_in, planted, registered)
    known = planted.session
    victim.cookies[SESSION_COOKIE] = known or ""
    come(sign_in, victim, registered)
    assert victim.session != known
    assert victim.who() is not None
    assert planted.refusal() == "session_over", "what somebody else knew of opens nothing any more"
    made_up = Browser(app)
    made_up.cookies[SESSION_COOKIE] = "chosen-by-somebody-else"
    come(sign_in, made_up, registered)
    assert made_up.session != "chosen-by-somebody-else"
    assert made_up.who() is not None


def test_an_answer_is_good_once(sign_in: SignIn, browser: Browser, registered: IdentityProvider) -> None:
    answered = back(sign_in, start(browser, registered))
    cookie = browser.cookies[ATTEMPT_COOKIE]
    assert browser.get(answered).status_code == 303
    refused(browser.get(answered), 401, "began no such sign-in")
    browser.cookies[ATTEMPT_COOKIE] = cookie
    refused(browser.get(answered), 401, "does not take the sign-in any more")
    assert browser.who() is not None, "the session that there is stays"


BEGUN, CODE, REFUSED, OTHER = (
    (401, "began no such sign-in"),
    (401, "does not take the sign-in any more"),
    (401, "did not sign you in"),
    (400, "not from the identity provider that was asked"),
)


def test_another_answer_than_the_providers_is_refused(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider
) -> None:
    answers: list[tuple[dict[str, str | None], tuple[int, str]]] = [
        ({"state": None}, BEGUN),
        ({"state": ""}, BEGUN),
        ({"state": "x" * 43}, BEGUN),
        ({"state": "\U0001f99d\x00"}, BEGUN),
        ({"code": None}, REFUSED),
        ({"code": "made-up"}, CODE),
        ({"code": "x" * 3000}, CODE),
        ({"error": "access_denied"}, REFUSED),
        ({"error": "server_error", "error_description": "<b>call 555</b>", "code": None}, REFUSED),
        ({"iss": "https://evil.example"}, OTHER),
        ({"iss": ""}, OTHER),
    ]
    for query, (status, words) in answers:
        answer = browser.get(changed(back(sign_in, start(browser, registered)), **query))
        refused(answer, status, words)
        assert "555" not in answer.text, "what came with the address is not said in the portal's name"
    for name in ("code", "state", "iss", "error"):
        answered = back(sign_in, start(browser, registered))
        refused(browser.get(f"{answered}&{name}=a&{name}=b"), 400, "given twice")
    assert browser.who() is None


def test_without_its_cookie_an_answer_is_nobodys(sign_in: SignIn, app: ASGIApp, registered: IdentityProvider) -> None:
    begins, receives, another = Browser(app), Browser(app), Browser(app)
    answered = back(sign_in, start(begins, registered))
    refused(receives.get(answered), 401, "began no such sign-in")
    start(another, registered)
    refused(another.get(answered), 401, "began no such sign-in")
    for cookie in ("", "x", "." * 50, begins.cookies[ATTEMPT_COOKIE] + "A", "\x7f", "A" * 3000):
        receives.cookies[ATTEMPT_COOKIE] = cookie
        refused(receives.get(answered), 401, "began no such sign-in")
    assert begins.get(answered).status_code == 303


def test_ten_minutes_are_enough(sign_in: SignIn, browser: Browser, registered: IdentityProvider) -> None:
    answered = back(sign_in, start(browser, registered))
    sign_in.world.clock.advance(minutes=10)
    refused(browser.get(answered), 401, "took too long")


def test_a_restart_forgets_who_was_on_the_way(sign_in: SignIn, browser: Browser, registered: IdentityProvider) -> None:
    answered = back(sign_in, start(browser, registered))
    sign_in.world.reopen()
    again = Browser(create_app(sign_in.world.portal, with_screens=False))
    again.cookies = browser.cookies
    refused(again.get(answered), 401, "began no such sign-in")


def test_no_provider_passes_anothers_answer_for_its_own(
    sign_in: SignIn, app: ASGIApp, registered: IdentityProvider
) -> None:
    """Mix-up (RFC 9700, section 4.4): one begins, and the answer that comes is another's, which names nobody."""
    evil = sign_in.register("public", ClientAuthentication.NONE, "south", ("south.example",))
    attacker, victim = Browser(app), Browser(app)
    honest = start(attacker, registered)
    at_evil = start(victim, evil)
    # The evil one sends the victim on to the honest one, with its own state and what the attacker's sign-in asked for.
    state = parse_qs(urlsplit(at_evil).query)["state"][0]
    answered = back(sign_in, changed(honest, state=state))
    assert urlsplit(answered).path == f"/session/oidc/callback/{registered.id}"
    refused(victim.get(answered), *OTHER)
    # Nor can it have the answer delivered to its own address: the honest one knows that address from nobody.
    sideways = httpx.get(changed(honest, redirect_uri="http://127.0.0.1:8765/session/oidc/callback/x"), trust_env=False)
    assert sideways.status_code == 400
    for path in (f"/session/oidc/callback/{evil.id}", "/session/oidc/callback/idp_unknown"):
        moved = f"{path}?{urlsplit(changed(answered, state=parse_qs(urlsplit(honest).query)['state'][0])).query}"
        start_again = attacker.cookies[ATTEMPT_COOKIE]
        refused(attacker.get(moved), *OTHER)
        attacker.cookies[ATTEMPT_COOKIE] = start_again
    assert (attacker.who(), victim.who()) == (None, None)


@pytest.mark.parametrize("break_it", ["pause", "remove"])
def test_a_provider_out_of_use_lets_nobody_in(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider, break_it: str
) -> None:
    answered = back(sign_in, start(browser, registered))
    end: Callable[..., object] = getattr(sign_in.world.portal.identity_providers, break_it)
    end(sign_in.world.actor("ada"), registered.id, reason="it was broken into")
    refused(browser.get(answered), 404, "no such identity provider")
    assert browser.get("/session/oidc/start", params={"provider": registered.id}).status_code == 404
    assert registered.label not in browser.get("/session/login").text


def test_an_unknown_provider_is_a_page(browser: Browser) -> None:
    for provider_id in ("", "idp_unknown", "x" * 2000, "'; drop table", "\x00"):
        answer = browser.get(f"/session/oidc/start?{urlencode({'provider': provider_id})}")
        assert answer.status_code == 404, (provider_id, answer.text)
        assert "set-cookie" not in answer.headers
        assert "no such identity provider" in answer.text


def test_no_sign_in_ends_elsewhere(sign_in: SignIn, browser: Browser, registered: IdentityProvider) -> None:
    for onward in (
        *("https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"),
        *("///x", "http:evil.example", "\u2028/x", "/%0d%0aset-cookie: a=b\r\n", "@evil.example"),
    ):
        answer = browser.get(back(sign_in, start(browser, registered, onward)))
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), onward


def test_an_address_tells_the_provider_and_not_whether_anybody_has_it(
    browser: Browser, registered: IdentityProvider
) -> None:
    """Who is registered is nobody's business: a page depends on the domain alone."""
    known, unknown = (
        browser.post("/session/login", email=email, next="/norms").text
        for email in ("cleo@people.example", "  Nobody.At.All@PEOPLE.example ")
    )
    assert known == unknown
    assert f"provider={registered.id}" in known
    elsewhere, staff = (
        browser.post("/session/login", email=email, next="/norms").text
        for email in ("somebody@elsewhere.example", "ada@lab.example")
    )
    assert elsewhere == staff, "also of somebody who is registered, and signs in by link"
    assert "No institution" in elsewhere
    assert "elsewhere.example" not in elsewhere
    for odd in ("no address", "@", "@people.example", "a@b@people.example", "<script>", "\x00", "x" * 150):
        answer = browser.post("/session/login", email=odd)
        assert answer.status_code == 200
        assert "<script" not in answer.text
    evil = browser.post("/session/login", email="cleo@people.example", next="https://evil.example")
    assert "evil.example" not in evil.text


def test_forms_of_other_sites_are_refused(sign_in: SignIn, browser: Browser, registered: IdentityProvider) -> None:
    come(sign_in, browser, registered)
    own, origins = "http://127.0.0.1:8765", ["null", "https://evil.example", "http://127.0.0.1:1", "http://[", "x", ""]
    elsewhere: list[dict[str, str]] = [{}, *({"origin": origin} for origin in origins)]
    elsewhere += [{"sec-fetch-site": site, "origin": own} for site in ("cross-site", "same-site", "none", "")]
    for headers in elsewhere:
        for path, form in (("/session/login", {"email": "x@y.example"}), ("/session/signout", {})):
            answer = browser.post(path, headers=headers, **form)
            assert (answer.status_code, "own pages" in answer.text) == (403, True), headers
    assert browser.who() is not None
    assert browser.post("/session/signout", headers={"origin": own}).status_code == 200
    assert browser.who() is None


def test_signing_out_is_for_the_provider_too(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider, world: World
) -> None:
    with httpx.Client(trust_env=False) as there:
        sign_in.provider.control("user", "cleo")
        browser.get(there.get(start(browser, registered)).headers["location"])
        _leave_both(sign_in, browser, there, world)


def _leave_both(sign_in: SignIn, browser: Browser, there: httpx.Client, world: World) -> None:
    early = browser.get("/session/oidc/leave")
    assert early.headers["location"] == "/session/login", "nobody is signed out there by a link"
    assert browser.who() is not None
    page = browser.post("/session/signout")
    assert page.status_code == 200
    assert page.headers["refresh"] == "0; url=/session/oidc/leave"
    assert "You are signed out here." in page.text
    assert browser.who() is None
    leave = browser.get("/session/oidc/leave")
    target = leave.headers["location"]
    assert target.startswith(f"{sign_in.provider.issuer}/session?")
    asked = parse_qs(urlsplit(target).query)
    assert asked["post_logout_redirect_uri"] == [f"{world.settings.url}/session/login"]
    assert asked["client_id"] == ["portal"]
    assert len(asked["id_token_hint"]) == 1
    assert SESSION_COOKIE not in browser.cookies
    confirm = there.get(target)
    assert confirm.status_code == 303, "the provider takes the token and the address"
    home = there.get(confirm.headers["location"])
    assert (home.status_code, home.headers["location"]) == (303, f"{world.settings.url}/session/login")
    assert browser.get("/session/oidc/leave").headers["location"] == "/session/login"


def test_who_waits_sees_one_page_and_may_go(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider, world: World
) -> None:
    come(sign_in, browser, registered, "wes")
    page = browser.get("/session/waiting")
    assert "You are known, and wait to be let in" in page.text
    assert "Wes Newcomer" in page.text
    assert browser.refusal() == "awaiting_approval"
    for path in ("/api/people", "/api/findings", "/api/checkpoints", "/api/agreements", "/v1/models"):
        assert browser.get(path).status_code == 401
    assert browser.get("/session/login").headers["location"] == "/session/waiting"
    (wes,) = world.portal.people.waiting(world.actor("ben"))
    world.portal.people.refuse(world.actor("ben"), wes.id, reason="we know <b>no</b> Wes")
    page = browser.get("/session/waiting")
    assert "we know &lt;b&gt;no&lt;/b&gt; Wes" in page.text
    assert browser.post("/session/signout").status_code == 200
    assert browser.get("/session/waiting").headers["location"] == "/session/login"
    again = browser.get(back(sign_in, start(browser, registered), "wes"))
    refused(again, 401, "You were not let in")


def test_who_was_let_in_goes_on_with_the_session_they_have(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider, world: World
) -> None:
    come(sign_in, browser, registered, "wes")
    (wes,) = world.portal.people.waiting(world.actor("ben"))
    world.portal.people.approve(world.actor("ben"), wes.id, role=Role.RESEARCHER)
    assert browser.who() == wes.id
    assert browser.get("/session/waiting").headers["location"] == "/session/login"
    assert browser.get("/session/login").headers["location"] == "/"


def test_whom_the_provider_cannot_vouch_for_is_told_why(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider
) -> None:
    for who, words in (
        ("doubtful", "has not verified your e-mail address"),
        ("outsider", "speaks for other addresses than yours"),
        ("mute", "does not say what your e-mail address is"),
        ("dan", "does not belong to the institution"),
    ):
        refused(come(sign_in, browser, registered, who), 401, words)


def test_the_portals_key_is_there_for_providers(browser: Browser) -> None:
    (key,) = browser.get("/session/oidc/keys").json()["keys"]
    assert (key["kty"], key["use"], key["alg"]) == ("EC", "sig", "ES256")
    assert "d" not in key


def test_every_page_says_that_it_is_kept_by_nobody(
    sign_in: SignIn, browser: Browser, registered: IdentityProvider
) -> None:
    pages = [browser.get("/session/login"), browser.get("/session/signout")]
    pages += [come(sign_in, browser, registered), browser.get("/session/oidc/start?provider=none")]
    for page in pages:
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
