"""On screen: letting in who waits, inviting, and ending sessions elsewhere."""

from agreements.actors import Actor, Role
from agreements.credentials import SignInMethod
from agreements.people import RequestMembership
from tests.portal.pages.pages_world import World


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
    assert any("Wes Newcomer" in one.value for one in app.markdown)
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
