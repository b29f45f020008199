"""Links that sign in once, sessions looked up anew each time, and what neither can be made to do."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agreements.actors import Channel
from agreements.errors import Forbidden, NotFound, Unauthenticated
from portal.services.sign_in import SignedIn
from tests.portal.services.world import World


def _code(world: World, name: str) -> str:
    return world.portal.sign_in.issue_link(world.actor("ada"), world.people[name].id).partition("code=")[2]


def _signed_in(world: World, name: str) -> SignedIn:
    return world.portal.sign_in.enter(_code(world, name))


def _actor_name(world: World, signed_in: SignedIn) -> str:
    service = world.portal.sign_in
    return service.actor(service.session_id(signed_in.secret)).name


def test_a_link_signs_its_person_in(world: World) -> None:
    signed_in = _signed_in(world, "cleo")
    session_id = world.portal.sign_in.session_id(signed_in.secret)
    expected = world.people["cleo"].actor(Channel.SCREEN).model_copy(update={"session_id": session_id})
    assert world.portal.sign_in.actor(session_id) == expected
    assert signed_in.max_age_s == world.settings.session_hours * 3600


def test_a_link_signs_in_once_even_in_a_crowd(world: World) -> None:
    code, start = _code(world, "cleo"), threading.Barrier(8)

    def enter(_: int) -> str:
        start.wait()
        try:
            world.portal.sign_in.enter(code)
        except Unauthenticated as refusal:
            return refusal.code
        return "in"

    with ThreadPoolExecutor(8) as crowd:
        outcomes = list(crowd.map(enter, range(8)))
    assert sorted(outcomes) == ["in", *["link_spent"] * 7]


def test_a_link_is_over_after_its_time(world: World) -> None:
    code = _code(world, "cleo")
    world.clock.advance(hours=world.settings.sign_in_link_hours)
    with pytest.raises(Unauthenticated) as refusal:
        world.portal.sign_in.enter(code)
    assert refusal.value.code == "link_spent"


def test_a_session_is_over_after_its_time(world: World) -> None:
    signed_in = _signed_in(world, "cleo")
    world.clock.advance(hours=world.settings.session_hours)
    with pytest.raises(Unauthenticated, match="not signed in"):
        _actor_name(world, signed_in)


@pytest.mark.parametrize("guess", ["", "x", "\ud800", "a" * 100_000, "\x00", "🦆"])
def test_a_guess_signs_nobody_in_and_changes_nothing(world: World, guess: str) -> None:
    before = world.size
    with pytest.raises(Unauthenticated) as refusal:
        world.portal.sign_in.enter(guess)
    assert refusal.value.code == "link_unknown"
    with pytest.raises(Unauthenticated):
        world.portal.sign_in.actor(world.portal.sign_in.session_id(guess))
    assert world.size == before


def test_one_kind_of_secret_does_not_stand_for_another(world: World) -> None:
    service, code = world.portal.sign_in, _code(world, "cleo")
    with pytest.raises(Unauthenticated):
        service.actor(service.session_id(code))
    session = service.enter(code).secret
    with pytest.raises(Unauthenticated) as refusal:
        service.enter(session)
    assert refusal.value.code == "link_spent"
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook")
    for secret in (token.token, token.record.id):
        with pytest.raises(Unauthenticated):
            service.enter(secret)
        with pytest.raises(Unauthenticated):
            service.actor(secret)


def test_deactivation_ends_sessions_and_links_with_the_next_request(world: World) -> None:
    signed_in, code = _signed_in(world, "cleo"), _code(world, "cleo")
    world.portal.people.deactivate(world.actor("ben"), world.people["cleo"].id, reason="left the project")
    with pytest.raises(Unauthenticated) as refusal:
        _actor_name(world, signed_in)
    assert refusal.value.code == "person_deactivated"
    with pytest.raises(Unauthenticated):
        world.portal.sign_in.enter(code)
    with pytest.raises(Unauthenticated):
        _code(world, "cleo")


def test_signing_out_ends_one_session_and_keeps_the_name_in_the_log(world: World) -> None:
    service = world.portal.sign_in
    one, other = _signed_in(world, "cleo"), _signed_in(world, "cleo")
    service.sign_out(service.session_id(one.secret))
    with pytest.raises(Unauthenticated):
        _actor_name(world, one)
    assert _actor_name(world, other) == "Cleo"
    newest = world.portal.log.entries(world.actor("ada"), limit=1)[0]
    assert (newest.type, newest.actor_name) == ("credential:ended", "Cleo")


def test_signing_out_of_what_is_no_session_changes_nothing(world: World) -> None:
    service = world.portal.sign_in
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook")
    over = _signed_in(world, "cleo")
    service.sign_out(service.session_id(over.secret))
    before = world.size
    for session_id in ("unknown", token.record.id, service.session_id(over.secret)):
        service.sign_out(session_id)
    assert world.size == before
    assert world.portal.tokens.authenticate(token.token).actor.name == "Cleo"


def test_entering_without_a_link_is_for_demonstrations_only(world: World) -> None:
    with pytest.raises(Forbidden) as refusal:
        world.portal.sign_in.enter_demo(world.people["ada"].id)
    assert refusal.value.code == "not_a_demo"


def test_a_link_for_nobody_is_not_made(world: World) -> None:
    with pytest.raises(NotFound):
        world.portal.sign_in.issue_link(world.actor("ada"), "per_nobody")


def test_links_open_at_the_address_people_type(world: World) -> None:
    link = world.portal.sign_in.issue_link(world.actor("ada"), world.people["cleo"].id)
    assert link.startswith(f"{world.settings.url}/session/enter?code=")
