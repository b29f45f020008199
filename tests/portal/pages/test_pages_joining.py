"""On screen: letting in who waits, inviting, and ending sessions elsewhere."""

from typing import Any

from agreements.actors import Actor, Role
from agreements.credentials import SignInMethod
from agreements.identity_providers import RecordTrial
from agreements.people import RequestMembership
from portal.services.people_rows import IDENTITY_PROVIDERS
from tests.portal.pages.pages_world import World


def links(part: Any) -> list[str]:
    """The links that are written as HTML."""
    return [one.body for one in part.get("html")]


def _waits(world: World) -> str:
    institution_id = world.lead.memberships[0].institution_id
    command = RequestMembership(
        person_id="per_wes", name="Wes Newcomer", email="wes@north.example", institution_id=institution_id
    )
    steps = world.portal.people.admitting(command)
    world.portal.kernel.execute_all(steps, Actor.automatic("sign-in"))
    return command.person_id


def test_a_lead_lets_in_who_waits(world: World) -> None:
    person_id = _waits(world)
    app = world.screen(world.lead, "people", view="waiting")
    assert any(one.label == "Wes Newcomer" for one in app.button)
    app.selectbox(key=f"person.approve:{person_id}.role").set_value(Role.RESEARCHER).run()
    app.button(key=f"person.approve:{person_id}.act").click().run()
    assert not app.exception
    assert world.portal.people.get(person_id).memberships[0].role is Role.RESEARCHER


def test_a_refusal_asks_for_its_reason(world: World) -> None:
    person_id = _waits(world)
    app = world.screen(world.lead, "people", view="waiting")
    app.button(key=f"person.refuse:{person_id}.open").click().run()
    app.text_area(key=f"person.refuse:{person_id}.reason").set_value("nobody here knows you").run()
    app.button(key=f"person.refuse:{person_id}.confirm").click().run()
    assert not app.exception
    pending = world.portal.people.get(person_id).pending
    assert pending is not None
    assert pending.refused == "nobody here knows you"


def test_an_invitation_shows_its_link_once(world: World) -> None:
    app = world.screen(world.lead, "people", view="invitations")
    app.text_input(key="person.invite.email").set_value("wes@north.example")
    app.button(key="person.invite.submit").click().run()
    assert not app.exception
    (view,) = world.portal.invitations.list(world.actor(world.lead))
    assert any("/session/invitation?code=" in one.value for one in app.code)
    app.button(key=f"hide_invitation_{view.id}").click().run()
    assert not any("/session/invitation?code=" in one.value for one in app.code)


def test_signing_out_everywhere_ends_this_session_too(world: World) -> None:
    world.portal.sessions.open(world.member, method=SignInMethod.LINK, browser="Safari on iPhone")
    world.portal.tokens.issue(world.actor(world.member), label="notebook")
    app = world.screen(world.member, "sessions")
    app.checkbox(key="sessions.tokens").check().run()
    app.button(key="session.end_everything.open").click().run()
    assert any("this one too" in one.value and "access token" in one.value for one in app.markdown)
    app.button(key="session.end_everything.confirm").click().run()
    assert not app.exception
    assert [one.value for one in app.title] == ["You are signed out"]
    assert world.portal.sessions.list(world.actor(world.member)) == ()


def test_somebody_signed_in_once_is_told_so(world: World) -> None:
    app = world.screen(world.member, "sessions")
    assert any("signed in nowhere else" in one.value for one in app.markdown)
    assert any("no network address" in one.value for one in app.markdown)


def test_the_way_out_leads_to_the_provider_too_where_it_has_one(world: World) -> None:
    made = world.portal.identity_providers.register(
        world.actor(world.coordinator),
        institution_id="northfield",
        label="Northfield <b>account</b>",
        issuer="https://login.northfield.example",
        client_id="concordat",
        domains=["northfield.example"],
    )
    app = world.screen(world.member)
    assert not any("/session/signout" in one for one in links(app.sidebar))
    tried = RecordTrial(ends_sessions=True)
    world.portal.kernel.execute(IDENTITY_PROVIDERS, made.id, tried, world.actor(world.coordinator))
    opened = world.portal.sessions.open(world.member, method=SignInMethod.PROVIDER, provider_id=made.id)
    app.user = {"session": world.portal.sign_in.session_id(opened.secret)}
    app.run()
    (link,) = [one for one in links(app.sidebar) if "/session/signout" in one]
    assert "Northfield &lt;b&gt;account&lt;/b&gt;" in link
    app.button(key="sign_out").click().run()
    assert any("/session/oidc/leave" in one for one in links(app))


def test_other_sessions_are_ended_and_this_one_stays(world: World) -> None:
    other = world.portal.sessions.open(world.member, method=SignInMethod.LINK, browser="Safari on iPhone")
    app = world.screen(world.member, "sessions")
    assert any("Safari on iPhone" in one.value for one in app.markdown)
    assert other.secret not in str(app)
    app.button(key="session.end_all.open").click().run()
    app.button(key="session.end_all.confirm").click().run()
    assert not app.exception
    (left,) = world.portal.sessions.list(world.actor(world.member))
    assert left.browser == ""
