"""On screen: identity providers registered, tested, paused with their consequences named, and read by their lead."""

import pytest

from agreements.credentials import SignInMethod
from agreements.errors import Unavailable
from agreements.identities import LinkIdentity, identity_id
from agreements.identity_providers import ClientAuthentication, IdentityProvider, ProviderStatus
from portal.services.people_rows import IDENTITIES
from portal.services.sign_in import SIGN_IN
from tests.portal.pages.pages_world import World, click, said

SECRET = "handed-out-by-the-provider"


def provider(world: World, label: str = "Northfield account", institution: str = "northfield") -> IdentityProvider:
    return world.portal.identity_providers.register(
        world.actor(world.coordinator),
        institution_id=institution,
        label=label,
        issuer=f"https://login.{institution}.example",
        client_id="concordat",
        domains=[f"{institution}.example"],
    )


def comes_by_it(world: World, made: IdentityProvider) -> None:
    link = LinkIdentity(issuer=made.issuer, subject="ben", provider_id=made.id, person_id=world.member.id)
    world.portal.kernel.execute(IDENTITIES, identity_id(link.issuer, "ben"), link, SIGN_IN)
    world.portal.sessions.open(world.member, method=SignInMethod.PROVIDER, provider_id=made.id)


def test_a_coordinator_adds_a_provider_and_its_secret_is_never_shown(world: World) -> None:
    app = world.screen(world.coordinator, "sign_in_methods")
    assert "No identity provider yet" in said(app)
    assert "a redirect URI (callback) of its own" in said(app)
    app.selectbox(key="provider.register.institution").set_value("northfield")
    app.text_input(key="provider.register.issuer").set_value("https://login.northfield.example")
    app.text_input(key="provider.register.label").set_value("Northfield account")
    app.text_area(key="provider.register.domains").set_value("northfield.example, @labs.northfield.example")
    app.text_input(key="provider.register.client_id").set_value("concordat")
    app.selectbox(key="provider.register.authentication").set_value(ClientAuthentication.SECRET)
    app.text_input(key="provider.register.secret").set_value(SECRET)
    click(app, "provider.register.submit")
    (made,) = world.portal.identity_providers.list(world.actor(world.coordinator))
    assert made.domains == ("northfield.example", "labs.northfield.example")
    assert world.portal.identity_providers.secret(made) == SECRET
    assert app.query_params["provider"] == made.id
    assert "Not tested since" in said(app)
    assert f"{world.portal.settings.url}/session/oidc/callback/{made.id}" in said(app)
    typed = [str(one.value) for one in (*app.text_input, *app.text_area)]
    assert SECRET not in said(app)
    assert not any(SECRET in one for one in typed)


def test_a_domain_that_is_none_is_refused_and_what_was_typed_stays(world: World) -> None:
    app = world.screen(world.coordinator, "sign_in_methods")
    app.text_input(key="provider.register.issuer").set_value("https://login.northfield.example")
    app.text_input(key="provider.register.label").set_value("Northfield account")
    app.text_area(key="provider.register.domains").set_value("ada@northfield.example")
    app.text_input(key="provider.register.client_id").set_value("concordat")
    click(app, "provider.register.submit")
    assert "bad_domain" in said(app)
    assert app.text_input(key="provider.register.label").value == "Northfield account"
    assert world.portal.identity_providers.list(world.actor(world.coordinator)) == ()


def test_a_failing_test_says_what_failed_and_what_to_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise Unavailable(
            "provider_unreachable", "The identity provider cannot be reached (its name does not resolve)."
        )

    monkeypatch.setattr(world.portal.identity_providers._http, "get", down)
    made = provider(world)
    app = world.screen(world.coordinator, "sign_in_methods", provider=made.id)
    click(app, f"provider.test:{made.id}.act")
    assert "its name does not resolve" in said(app)
    assert "concordat identity-provider check" in said(app)
    assert not app.success
    assert not app.error, "it is told once, beside the button"


def test_pausing_names_who_is_left_outside(world: World) -> None:
    made = provider(world)
    comes_by_it(world, made)
    app = world.screen(world.coordinator, "sign_in_methods", provider=made.id)
    assert "by no other provider" in said(app)
    app = click(app, f"provider.pause:{made.id}.open")
    assert "1 session opened by it end" in said(app)
    assert "one-time link: Ben Okoro" in said(app)
    app.text_area(key=f"provider.pause:{made.id}.reason").set_value("it moves").run()
    app = click(app, f"provider.pause:{made.id}.confirm")
    assert world.portal.identity_providers.get(world.actor(world.coordinator), made.id).status is ProviderStatus.PAUSED
    assert world.portal.sessions.list(world.actor(world.member)) == ()
    assert "Paused: it moves" in said(app)
    app = click(app, f"provider.resume:{made.id}.act")
    assert world.portal.identity_providers.get(world.actor(world.coordinator), made.id).status is ProviderStatus.ACTIVE


def test_removing_without_a_reason_is_refused_in_place(world: World) -> None:
    made = provider(world)
    app = world.screen(world.coordinator, "sign_in_methods", provider=made.id)
    app = click(app, f"provider.remove:{made.id}.open")
    app = click(app, f"provider.remove:{made.id}.confirm")
    assert "reason" in "".join(one.value for one in app.error)
    assert world.portal.identity_providers.get(world.actor(world.coordinator), made.id).status is ProviderStatus.ACTIVE


def test_a_lead_reads_their_own_and_changes_nothing(world: World) -> None:
    made, other = provider(world), provider(world, "Open Press account", "open-press")
    comes_by_it(world, made)
    app = world.screen(world.lead, "sign_in_methods")
    assert not any(one.key == f"go:Open Press account:provider={other.id}" for one in app.button)
    assert [one.key for one in app.button if (one.key or "").startswith("go:Northfield")]
    app = world.screen(world.lead, "sign_in_methods", provider=made.id)
    assert "1 person, 1 session open now" in said(app)
    assert "A coordinator registers, changes, tests" in said(app)
    assert not [one.key for one in app.button if (one.key or "").startswith("provider.")]
    app = world.screen(world.lead, "sign_in_methods", provider=other.id)
    assert "identity_provider_not_found" in said(app)


def test_the_list_is_narrowed_by_institution(world: World) -> None:
    provider(world)
    provider(world, "Open Press account", "open-press")
    app = world.screen(world.coordinator, "sign_in_methods", institution="open-press")
    links = [one.label for one in app.button]
    assert "Open Press account" in links
    assert "Northfield account" not in links
