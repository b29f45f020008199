"""Identity providers as coordinators and leads look after them: tried, who comes by them, who would be left outside."""

import json

import pytest

from agreements.actors import LAB
from agreements.credentials import SignInMethod
from agreements.errors import ConcordatError, Forbidden, Invalid, NotFound, Unavailable, VerificationError
from agreements.identities import LinkIdentity, identity_id
from agreements.identity_providers import IdentityProvider
from portal.oidc.transport import Answer
from portal.services.identity_providers import IdentityProviderService
from portal.services.people_rows import IDENTITIES
from portal.services.sign_in import SIGN_IN
from tests.portal.services.world import World

ISSUER = "https://login.north.example"
KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


class Web:
    """What the provider answers, by the end of the address asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.discovery: dict[str, object] = {
            "issuer": ISSUER,
            **{name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")},
        }
        self.keys: list[dict[str, str]] = [KEY]
        self.down = False

    def get(self, url: str, _headers: object = None) -> Answer:
        """Answer one request."""
        self.asked.append(url)
        if self.down:
            raise Unavailable("provider_unreachable", "The identity provider cannot be reached (ConnectError).")
        found = self.discovery if url.endswith("openid-configuration") else {"keys": self.keys}
        return Answer(status_code=200, body=json.dumps(found).encode())


@pytest.fixture
def web(world: World, monkeypatch: pytest.MonkeyPatch) -> Web:
    stand_in = Web()
    monkeypatch.setattr(world.portal.identity_providers._http, "get", stand_in.get)
    return stand_in


def register(world: World, institution: str = "north", domain: str = "north.example", **more: str) -> IdentityProvider:
    return world.portal.identity_providers.register(
        world.actor("ada"),
        institution_id=institution,
        label=f"{institution.title()} accounts",
        issuer=more.get("issuer", ISSUER),
        client_id="portal",
        domains=[domain],
    )


def came_by(world: World, provider: IdentityProvider, name: str, subject: str = "") -> str:
    """The person is linked and has a session opened by the provider; the session's id."""
    person = world.people[name]
    link = LinkIdentity(issuer=provider.issuer, subject=subject or name, provider_id=provider.id, person_id=person.id)
    world.portal.kernel.execute(IDENTITIES, identity_id(link.issuer, link.subject), link, SIGN_IN)
    signed_in = world.portal.sessions.open(person, method=SignInMethod.PROVIDER, provider_id=provider.id)
    return world.portal.sign_in.session_id(signed_in.secret)


def kept(world: World, provider: IdentityProvider) -> IdentityProvider:
    return world.portal.identity_providers.get(world.actor("ada"), provider.id)


def test_what_came_of_a_trial_is_kept_until_something_changes(world: World, web: Web) -> None:
    service, ada = world.portal.identity_providers, world.actor("ada")
    provider = register(world)
    assert provider.tried is None
    service.check(ada, provider.id)
    tried = kept(world, provider).tried
    assert tried is not None
    assert (tried.code, tried.at, tried.ends_sessions) == ("", world.clock.now, False)
    assert [remark.split(",")[0] for remark in tried.remarks] == [
        "It does not list none among the ways in which clients authenticate"
    ]
    service.change(
        ada,
        provider.id,
        label=provider.label,
        client_id="another",
        domains=provider.domains,
        client_authentication=provider.client_authentication,
    )
    assert kept(world, provider).tried is None


def test_a_trial_asks_for_the_keys_each_time(world: World, web: Web) -> None:
    provider = register(world)
    for _ in range(2):
        world.portal.identity_providers.check(world.actor("ada"), provider.id)
    assert len([url for url in web.asked if url.endswith("jwks_uri")]) == 2


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("down", "provider_unreachable", "cannot be reached"),
        ("keyless", "provider_answer_unusable", "no key that signs"),
        ("slash", "wrong_issuer", f"another issuer than the one it is registered under: {ISSUER}/"),
        ("no_pkce", "provider_answer_unusable", "PKCE"),
    ],
)
def test_a_trial_that_fails_is_kept_in_words(world: World, web: Web, how: str, code: str, words: str) -> None:
    provider = register(world)
    web.down = how == "down"
    if how == "keyless":
        web.keys = [{"kty": "oct", "k": "c2VjcmV0"}]
    if how == "slash":
        web.discovery["issuer"] = f"{ISSUER}/"
    if how == "no_pkce":
        web.discovery["code_challenge_methods_supported"] = ["plain"]
    with pytest.raises((Unavailable, VerificationError)) as refusal:
        world.portal.identity_providers.check(world.actor("ada"), provider.id)
    tried = kept(world, provider).tried
    assert tried is not None
    assert (refusal.value.code, tried.code) == (code, code)
    assert words in tried.problem


def test_a_removed_provider_is_not_asked(world: World, web: Web) -> None:
    provider = register(world)
    world.portal.identity_providers.remove(world.actor("ada"), provider.id, reason="moved on")
    with pytest.raises(ConcordatError) as refusal:
        world.portal.identity_providers.check(world.actor("ada"), provider.id)
    assert refusal.value.code == "provider_removed"
    assert web.asked == []


@pytest.mark.parametrize("name", ["ben", "cleo", "dan"])
def test_only_a_coordinator_has_a_provider_tried(world: World, web: Web, name: str) -> None:
    provider = register(world)
    with pytest.raises(Forbidden):
        world.portal.identity_providers.check(world.actor(name), provider.id)
    assert web.asked == []


@pytest.mark.parametrize(
    ("domains", "code"),
    [(["no domain"], "bad_domain"), (["ada@north.example"], "bad_domain"), (["", "@"], "domains_missing")],
)
def test_what_is_no_domain_is_refused_by_name(world: World, domains: list[str], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        world.portal.identity_providers.register(
            world.actor("ada"), institution_id="north", label="North", issuer=ISSUER, client_id="p", domains=domains
        )
    assert refusal.value.code == code


def test_domains_are_taken_as_people_write_them(world: World) -> None:
    assert register(world, domain=" @North.Example. ").domains == ("north.example",)


def test_leads_see_a_paused_provider_and_nobody_else_does(world: World) -> None:
    provider = register(world)
    service: IdentityProviderService = world.portal.identity_providers

    def seen(name: str) -> bool:
        listed = provider.id in [one.id for one in service.list(world.actor(name))]
        try:
            service.visible(world.actor(name), provider.id)
        except NotFound:
            assert not listed
            return False
        assert listed
        return True

    assert [seen(name) for name in ("ada", "ben", "cleo", "dan")] == [True, True, True, False]
    service.pause(world.actor("ada"), provider.id, reason="moves")
    assert [seen(name) for name in ("ada", "ben", "cleo", "dan")] == [True, True, False, False]
    service.remove(world.actor("ada"), provider.id, reason="gone")
    assert [seen(name) for name in ("ada", "ben", "cleo", "dan")] == [True, False, False, False]


def test_who_comes_by_it_and_who_would_be_left_outside(world: World) -> None:
    provider, ways_in = register(world), world.portal.ways_in
    spare = register(world, domain="spare.example", issuer="https://spare.example")
    session = came_by(world, provider, "cleo")
    came_by(world, provider, "ben")
    came_by(world, spare, "ben")
    for reader in ("ada", "ben"):
        use = ways_in.of_provider(world.actor(reader), provider.id, current=session)
        assert [(user.name, user.sessions, user.other) for user in use.people] == [
            ("Ben", 1, "North accounts"),
            ("Cleo", 1, ""),
        ]
        assert [user.name for user in use.stranded] == ["Cleo"]
        assert (use.sessions, use.own_session, use.every_coordinator) == (2, True, False)
    world.portal.people.deactivate(world.actor("ben"), world.people["cleo"].id, reason="left")
    assert [user.name for user in ways_in.of_provider(world.actor("ada"), provider.id).people] == ["Ben"]


def test_people_are_known_by_issuer_after_the_provider_was_added_anew(world: World) -> None:
    provider = register(world)
    came_by(world, provider, "cleo")
    world.portal.identity_providers.remove(world.actor("ada"), provider.id, reason="by mistake")
    again = register(world)
    (user,) = world.portal.ways_in.of_provider(world.actor("ada"), again.id).people
    assert (user.name, user.sessions) == ("Cleo", 0)


def test_the_last_way_in_of_every_coordinator_is_named(world: World) -> None:
    provider = register(world, institution=LAB, domain="lab.example")
    came_by(world, provider, "ada")
    assert world.portal.ways_in.of_provider(world.actor("ada"), provider.id).every_coordinator


@pytest.mark.parametrize("name", ["cleo", "nina", "dan", "eve"])
def test_who_comes_by_it_is_for_its_lead_and_coordinators(world: World, name: str) -> None:
    provider = register(world)
    with pytest.raises(NotFound):
        world.portal.ways_in.of_provider(world.actor(name), provider.id)
