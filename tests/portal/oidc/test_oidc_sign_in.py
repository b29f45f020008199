"""Signing in at a real provider that no one here wrote: who comes in as whom, and what is refused by name."""

import asyncio
import json

import httpx
import pytest

from agreements.actors import LAB, Role
from agreements.credentials import SignInMethod
from agreements.errors import ConcordatError, Unauthenticated
from agreements.identity_providers import ClientAuthentication
from portal.api.auth import SESSION_COOKIE
from portal.api.session import create_session
from portal.services.sign_in import SignedIn
from tests.portal.oidc.conftest import SECRET, SignIn


def session_of(sign_in: SignIn, signed_in: SignedIn) -> str:
    return sign_in.world.portal.sign_in.session_id(signed_in.secret)


@pytest.mark.parametrize(
    ("client_id", "authentication"),
    [
        ("portal", ClientAuthentication.SECRET),
        ("signing", ClientAuthentication.PRIVATE_KEY),
        ("public", ClientAuthentication.NONE),
    ],
)
def test_a_known_person_comes_in_as_themselves(
    sign_in: SignIn, client_id: str, authentication: ClientAuthentication
) -> None:
    sign_in.provider.control("client_keys", json.dumps(sign_in.world.portal.oidc.client_keys()))
    registered = sign_in.register(client_id, authentication)
    entered = sign_in.come("cleo", registered)
    assert entered.onward == "/findings"
    actor = sign_in.world.portal.sign_in.actor(session_of(sign_in, entered.signed_in))
    assert (actor.person_id, actor.name) == (sign_in.world.people["cleo"].id, "Cleo")
    (view,) = sign_in.world.portal.sessions.list(actor)
    assert (view.method, view.provider, view.browser) == (
        SignInMethod.PROVIDER,
        "North's accounts",
        "Firefox on Linux",
    )


def test_a_newcomer_waits_for_a_leads_word(sign_in: SignIn) -> None:
    portal, ben = sign_in.world.portal, sign_in.world.actor("ben")
    registered = sign_in.register()
    entered = sign_in.come("wes", registered)
    session = session_of(sign_in, entered.signed_in)
    with pytest.raises(Unauthenticated) as refusal:
        portal.sign_in.actor(session)
    assert refusal.value.code == "awaiting_approval"
    assert portal.sessions.waiting(session) is not None
    (wes,) = portal.people.waiting(ben)
    assert (wes.name, wes.email) == ("Wes Newcomer", "wes@north.example")
    assert portal.people.waiting(sign_in.world.actor("dan")) == ()
    assert [notice.kind for notice in portal.notices.inbox(ben)] == ["membership.requested"]
    again = sign_in.come("wes", registered)
    assert len(portal.people.waiting(ben)) == 1, "the same person, still waiting"
    portal.people.approve(ben, wes.id, role=Role.RESEARCHER)
    for one in (entered, again):
        assert portal.sign_in.actor(session_of(sign_in, one.signed_in)).has(Role.RESEARCHER, "north")


def test_who_was_refused_is_told_why(sign_in: SignIn) -> None:
    portal, registered = sign_in.world.portal, sign_in.register()
    session = session_of(sign_in, sign_in.come("wes", registered).signed_in)
    (wes,) = portal.people.waiting(sign_in.world.actor("ada"))
    portal.people.refuse(sign_in.world.actor("ben"), wes.id, reason="nobody here knows you")
    waiting = portal.sessions.waiting(session)
    assert waiting is not None
    assert waiting.pending is not None
    assert waiting.pending.refused == "nobody here knows you"
    with pytest.raises(Unauthenticated, match="nobody here knows you"):
        sign_in.come("wes", registered)


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("doubtful", "email_not_verified"),
        ("outsider", "email_domain_not_served"),
        ("mute", "email_missing"),
        ("dan", "not_of_this_institution"),
    ],
)
def test_whom_the_provider_cannot_vouch_for_stays_out(sign_in: SignIn, who: str, code: str) -> None:
    registered, before = sign_in.register(), sign_in.world.size
    with pytest.raises(Unauthenticated) as refusal:
        sign_in.come(who, registered)
    assert refusal.value.code == code
    assert sign_in.world.size == before


def test_a_partners_provider_opens_nothing_that_others_entrusted(sign_in: SignIn) -> None:
    portal, ada, cleo = sign_in.world.portal, sign_in.world.actor("ada"), sign_in.world.people["cleo"].id
    registered = sign_in.register()
    session = session_of(sign_in, sign_in.come("cleo", registered).signed_in)
    portal.people.add_membership(ada, cleo, institution_id=LAB, role=Role.COORDINATOR)
    for attempt in (lambda: portal.sign_in.actor(session), lambda: sign_in.come("cleo", registered)):
        with pytest.raises(Unauthenticated) as refusal:
            attempt()
        assert refusal.value.code == "roles_elsewhere"


def test_a_deactivated_person_stays_out(sign_in: SignIn) -> None:
    portal, registered = sign_in.world.portal, sign_in.register()
    session = session_of(sign_in, sign_in.come("cleo", registered).signed_in)
    portal.people.deactivate(sign_in.world.actor("ben"), sign_in.world.people["cleo"].id, reason="left")
    for attempt in (lambda: portal.sign_in.actor(session), lambda: sign_in.come("cleo", registered)):
        with pytest.raises(Unauthenticated) as refusal:
            attempt()
        assert refusal.value.code == "person_deactivated"


def test_keys_rotate_and_nobody_notices(sign_in: SignIn) -> None:
    registered = sign_in.register()
    sign_in.come("cleo", registered)
    sign_in.provider.control("rotate")
    with pytest.raises(ConcordatError) as refusal:
        sign_in.come("cleo", registered)
    assert refusal.value.code == "id_token_key_unknown", "keys were asked for just now, and are not asked for in a loop"
    sign_in.world.clock.advance(minutes=1)
    assert sign_in.come("cleo", registered).signed_in.person.name == "Cleo"


def test_another_nonce_is_another_sign_in(sign_in: SignIn) -> None:
    oidc, registered = sign_in.world.portal.oidc, sign_in.register()
    sign_in.provider.control("user", "cleo")
    begun, other = oidc.begin(registered.id, "/"), oidc.begin(registered.id, "/")
    nonce, foreign = (url.partition("nonce=")[2].partition("&")[0] for url in (begun.url, other.url))
    answer = sign_in.visit(begun.url.replace(nonce, foreign), registered)
    with pytest.raises(ConcordatError) as refusal:
        oidc.finish(begun.cookie, registered.id, answer)
    assert refusal.value.code == "wrong_nonce"


def test_an_answer_belongs_to_the_browser_that_asked(sign_in: SignIn) -> None:
    oidc, registered = sign_in.world.portal.oidc, sign_in.register()
    sign_in.provider.control("user", "cleo")
    begun, other = oidc.begin(registered.id, "/"), oidc.begin(registered.id, "/")
    answer = sign_in.visit(begun.url, registered)
    for cookie in (other.cookie, "", "made.up", begun.cookie[:-2]):
        with pytest.raises(Unauthenticated) as refusal:
            oidc.finish(cookie, registered.id, answer)
        assert refusal.value.code == "sign_in_not_begun_here"
    sign_in.world.clock.advance(minutes=10)
    with pytest.raises(Unauthenticated) as refusal:
        oidc.finish(begun.cookie, registered.id, answer)
    assert refusal.value.code == "sign_in_not_begun_here"


def test_an_answer_in_anothers_name_is_refused(sign_in: SignIn) -> None:
    oidc, registered = sign_in.world.portal.oidc, sign_in.register()
    sign_in.provider.control("user", "cleo")
    begun = oidc.begin(registered.id, "/")
    answer = sign_in.visit(begun.url, registered)
    with pytest.raises(ConcordatError) as refusal:
        oidc.finish(begun.cookie, registered.id, {**answer, "iss": "https://evil.example"})
    assert refusal.value.code == "wrong_issuer"


def test_a_code_is_good_once(sign_in: SignIn) -> None:
    oidc, registered = sign_in.world.portal.oidc, sign_in.register()
    sign_in.provider.control("user", "cleo")
    begun = oidc.begin(registered.id, "/")
    answer = sign_in.visit(begun.url, registered)
    oidc.finish(begun.cookie, registered.id, answer)
    with pytest.raises(Unauthenticated) as refusal:
        oidc.finish(begun.cookie, registered.id, answer)
    assert refusal.value.code == "code_refused"


def test_a_provider_answers_under_its_own_name_only(sign_in: SignIn) -> None:
    registered = sign_in.register(issuer=f"http://localhost:{sign_in.provider.port}")
    with pytest.raises(ConcordatError) as refusal:
        sign_in.world.portal.oidc.begin(registered.id, "/")
    assert refusal.value.code == "wrong_issuer"


def test_a_provider_that_is_down_is_said_to_be(sign_in: SignIn) -> None:
    registered = sign_in.register(issuer="http://127.0.0.1:1")
    with pytest.raises(ConcordatError) as refusal:
        sign_in.world.portal.oidc.begin(registered.id, "/")
    assert refusal.value.code == "provider_unreachable"


def test_a_paused_provider_ends_its_sessions(sign_in: SignIn) -> None:
    portal, registered = sign_in.world.portal, sign_in.register()
    session = session_of(sign_in, sign_in.come("cleo", registered).signed_in)
    portal.identity_providers.pause(sign_in.world.actor("ada"), registered.id, reason="it was broken into")
    with pytest.raises(Unauthenticated):
        portal.sign_in.actor(session)
    with pytest.raises(ConcordatError) as refusal:
        portal.oidc.begin(registered.id, "/")
    assert refusal.value.code == "provider_not_found"


def test_signing_out_goes_on_to_the_provider(sign_in: SignIn) -> None:
    portal, registered = sign_in.world.portal, sign_in.register()
    session = session_of(sign_in, sign_in.come("cleo", registered).signed_in)
    portal.sign_in.sign_out(session)
    target = portal.oidc.leaving(session)
    assert target is not None
    assert target.startswith(f"{sign_in.provider.issuer}/session?")
    assert "id_token_hint=" in target
    again = portal.oidc.leaving(session)
    assert again is not None
    assert "id_token_hint" not in again, "it was kept in memory alone, and is given out once"


def test_where_to_sign_out_too_is_known_without_asking(sign_in: SignIn) -> None:
    portal, registered = sign_in.world.portal, sign_in.register()
    session = session_of(sign_in, sign_in.come("cleo", registered).signed_in)
    by_link = portal.sessions.open(sign_in.world.people["cleo"], method=SignInMethod.LINK)
    assert portal.oidc.signs_out_at(session) == "North's accounts"
    assert portal.oidc.signs_out_at(session_of(sign_in, by_link)) == ""
    assert portal.oidc.signs_out_at("unknown") == ""
    sign_in.world.reopen()
    portal = sign_in.world.portal
    assert portal.oidc.signs_out_at(session) == "", "nobody was asked since the start"
    portal.identity_providers.check(sign_in.world.actor("ada"), registered.id)
    sign_in.world.reopen()
    assert sign_in.world.portal.oidc.signs_out_at(session) == "North's accounts", "a trial is on record"


def test_the_pages_offer_to_sign_out_at_the_provider(sign_in: SignIn) -> None:
    portal, registered = sign_in.world.portal, sign_in.register()
    pages = create_session(portal)

    def ask(method: str, path: str, secret: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(pages)
            async with httpx.AsyncClient(
                transport=transport, base_url=portal.settings.url, cookies={SESSION_COOKIE: secret}
            ) as client:
                return await client.request(method, path, headers={"sec-fetch-site": "same-origin"})

        return asyncio.run(send())

    secret = sign_in.come("cleo", registered).signed_in.secret
    assert "Sign out here and at North&#x27;s accounts" in ask("GET", "/signout", secret).text
    assert ask("GET", "/oidc/leave", secret).headers["location"] == "/session/login", "not while signed in here"
    assert ask("POST", "/signout", secret).headers["refresh"] == "0; url=/session/oidc/leave"
    left = ask("GET", "/oidc/leave", secret)
    assert left.headers["location"].startswith(f"{sign_in.provider.issuer}/session?")
    assert "Max-Age=0" in left.headers["set-cookie"]


def test_the_secret_lies_in_a_closed_file_and_nowhere_else(sign_in: SignIn) -> None:
    registered = sign_in.register()
    sign_in.come("cleo", registered)
    settings = sign_in.world.settings
    (path,) = settings.keys_dir.glob("identity-provider-*.secret")
    assert path.stat().st_mode & 0o077 == 0
    sign_in.world.portal.store.between_transactions(lambda connection: connection.execute("SELECT 1"))
    for file in (settings.database_path, *settings.data_dir.glob("*.wal")):
        assert SECRET.encode() not in file.read_bytes()
    sign_in.world.portal.identity_providers.remove(sign_in.world.actor("ada"), registered.id, reason="replaced")
    assert list(settings.keys_dir.glob("identity-provider-*.secret")) == []
