"""What is shown once is on that one screen, that one time: no screen, field or widget has it afterwards."""

from collections.abc import Iterator

from streamlit.testing.v1 import AppTest

from agreements.actors import LAB, Role
from agreements.people import Person
from agreements.tokens import TOKEN_PREFIX
from portal.pages.menu import SCREENS
from tests.portal.pages.pages_world import World


def on_screen(app: AppTest) -> str:
    """The whole of a screen as it is sent to the browser: words, fields and attributes, shown or not."""
    return "\n".join(str(getattr(element, "proto", "")) for part in (app.main, app.sidebar) for element in part)


def go_to(app: AppTest, screen: str, **query: str) -> str:
    """Another screen in the same tab."""
    app.switch_page(f"screens/{screen}.py")
    app.query_params.clear()
    app.query_params.update(query)
    app.run()
    assert not app.exception, app.exception
    return on_screen(app)


def secrets_of(world: World) -> dict[str, str]:
    """Secrets of every kind, as they were handed out."""
    portal, coordinator = world.portal, world.actor(world.coordinator)
    grant = world.grant()
    member = world.actor(world.member)
    invited = portal.invitations.invite(coordinator, email="ida@lab.example", memberships=[(LAB, Role.RESEARCHER)])
    fresh = portal.refresh.issue(member, label="script", grant_id=grant.id)
    token = portal.tokens.issue(member, label="notebook", grant_id=grant.id).token
    link = portal.sign_in.issue_link(coordinator, world.member.id)
    return {
        "invitation": invited.url.partition("code=")[2],
        "sign-in link": link.partition("code=")[2],
        "token": token,
        "signature": token.rpartition(".")[2],
        "refresh token": fresh.refresh_token or "",
        "refreshed": fresh.token.rpartition(".")[2],
    }


def seen(world: World, person: Person) -> Iterator[tuple[str, str]]:
    """Every screen that somebody may open."""
    for screen in SCREENS:
        if screen.open_to(world.actor(person)):
            yield screen.name, on_screen(world.screen(person, screen.name))


def test_no_screen_has_a_secret_that_was_handed_out(world: World) -> None:
    secrets = secrets_of(world)
    assert all(len(secret) > 30 for secret in secrets.values())
    found = [
        (person.name, screen, name)
        for person in (world.coordinator, world.member)
        for screen, words in seen(world, person)
        for name, secret in secrets.items()
        if secret in words
    ]
    assert found == []


def test_a_link_is_gone_once_its_screen_is_left(world: World) -> None:
    app = world.screen(world.lead, "people", view="invitations")
    app.text_input(key="person.invite.email").set_value("wes@north.example")
    app.button(key="person.invite.submit").click().run()
    code = next(one.value for one in app.code if "/session/invitation?code=" in one.value).partition("code=")[2]
    assert code in on_screen(app), "the search does find what is there"
    assert code not in go_to(app, "sessions")
    assert code not in go_to(app, "people", view="invitations")
    assert "wes@north.example" in on_screen(app)


def test_a_token_is_gone_once_its_screen_is_left(world: World) -> None:
    world.grant()
    app = world.screen(world.lead, "tokens")
    app.text_input(key="token.issue.label").set_value("script")
    app.checkbox(key="token.issue.fresh").set_value(True)
    app.button(key="token.issue.submit").click().run()
    token = next(one.value for one in app.code if one.value.startswith(TOKEN_PREFIX))
    secrets = [token, token.rpartition(".")[2]]
    assert token in on_screen(app)
    for screen in ("sessions", "tokens"):
        words = go_to(app, screen)
        assert [secret for secret in secrets if secret in words] == [], screen
