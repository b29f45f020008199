"""Sessions: both limits hold, across restarts too; lists show no secret; ending one, all, or a person's."""

from datetime import timedelta

import pytest

from agreements.actors import Channel, Role
from agreements.credentials import SignInMethod
from agreements.errors import Conflict, Forbidden, NotFound, Unauthenticated
from portal.services.sign_in import SignedIn
from tests.portal.services.world import World


def enter(world: World, name: str, browser: str = "Firefox on Linux") -> SignedIn:
    code = world.portal.sign_in.issue_link(world.actor("ada"), world.people[name].id).partition("code=")[2]
    return world.portal.sign_in.enter(code, browser=browser)


def session_of(world: World, signed_in: SignedIn) -> str:
    return world.portal.sign_in.session_id(signed_in.secret)


def why_not(world: World, signed_in: SignedIn) -> str:
    """The code of the refusal; empty where the session is good."""
    try:
        world.portal.sign_in.actor(session_of(world, signed_in))
    except Unauthenticated as refusal:
        return refusal.code
    return ""


def test_a_session_not_used_is_over_and_stays_so(world: World) -> None:
    signed_in, idle = enter(world, "cleo"), world.settings.session_idle_hours
    world.clock.advance(hours=idle, seconds=-1)
    assert why_not(world, signed_in) == ""
    world.clock.advance(hours=idle, seconds=-1)
    assert why_not(world, signed_in) == "", "each use begins the limit anew"
    world.clock.advance(hours=idle)
    assert why_not(world, signed_in) == "session_idle"
    world.clock.advance(hours=-idle)
    assert why_not(world, signed_in) == "session_over", "it was ended, not only refused"


def test_no_use_makes_a_session_outlive_its_absolute_limit(world: World) -> None:
    signed_in = enter(world, "cleo")
    for _ in range(world.settings.session_hours - 1):
        world.clock.advance(hours=1)
        assert why_not(world, signed_in) == ""
    world.clock.advance(hours=1)
    assert why_not(world, signed_in) == "session_over"


def test_use_is_marked_now_and_then_and_not_at_every_request(world: World) -> None:
    signed_in = enter(world, "cleo")
    before = world.size
    for _ in range(60):
        world.clock.advance(seconds=30)
        assert why_not(world, signed_in) == ""
    # Half an hour of use, and a mark at most each eighth of four hours.
    assert world.size - before == 1


@pytest.mark.parametrize("crash", [False, True])
def test_the_idle_limit_holds_after_a_restart_and_never_later(world: World, crash: bool) -> None:
    signed_in, idle = enter(world, "cleo"), timedelta(hours=world.settings.session_idle_hours)
    world.clock.now += idle / 2
    assert why_not(world, signed_in) == ""
    last_use = world.clock.now
    world.reopen(crash=crash)
    world.clock.now = last_use + idle * 7 / 8 - timedelta(seconds=1)
    assert why_not(world, signed_in) == "", "a mark is at most an eighth older than the use"
    last_use = world.clock.now
    world.reopen(crash=crash)
    world.clock.now = last_use + idle
    assert why_not(world, signed_in) == "session_idle"


def test_the_list_says_where_from_and_shows_nothing_that_opens(world: World) -> None:
    here, there = enter(world, "cleo"), enter(world, "cleo", "Safari on iPhone")
    enter(world, "eve")
    world.clock.advance(minutes=5)
    assert why_not(world, here) == ""
    cleo, current = world.actor("cleo"), session_of(world, here)
    first, second = world.portal.sessions.list(cleo, current=current)
    assert (first.current, first.browser, first.method) == (True, "Firefox on Linux", SignInMethod.LINK)
    assert first.last_seen == world.clock.now
    assert (second.current, second.browser) == (False, "Safari on iPhone")
    shown = first.model_dump_json() + second.model_dump_json()
    for signed_in in (here, there):
        assert signed_in.secret not in shown
        assert session_of(world, signed_in) not in shown


def test_a_handle_opens_nothing(world: World) -> None:
    enter(world, "cleo")
    (view,) = world.portal.sessions.list(world.actor("cleo"))
    with pytest.raises(Unauthenticated):
        world.portal.sign_in.actor(view.handle)
    with pytest.raises(Unauthenticated):
        world.portal.sign_in.actor(world.portal.sign_in.session_id(view.handle))


def test_one_session_is_ended_by_its_holder_or_a_coordinator(world: World) -> None:
    one, other = enter(world, "cleo"), enter(world, "cleo")
    handles = {view.handle for view in world.portal.sessions.list(world.actor("cleo"))}
    for name in ("eve", "ben", "dan"):
        for handle in handles:
            with pytest.raises(NotFound):
                world.portal.sessions.end(world.actor(name), handle)
    assert (why_not(world, one), why_not(world, other)) == ("", "")
    for name in ("cleo", "ada"):
        world.portal.sessions.end(world.actor(name), handles.pop())
    assert (why_not(world, one), why_not(world, other)) == ("session_over", "session_over")


def test_signing_out_everywhere_spares_tokens_unless_they_are_meant(world: World) -> None:
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook").token
    here, there, others = enter(world, "cleo"), enter(world, "cleo"), enter(world, "eve")
    link = world.portal.sign_in.issue_link(world.actor("ada"), world.people["cleo"].id).partition("code=")[2]
    cleo, sessions = world.actor("cleo"), world.portal.sessions
    ended = sessions.end_all(cleo, cleo.person_id, keep=session_of(world, here))
    assert (ended.sessions, ended.tokens) == (2, 0), "a session, and the link not used yet"
    assert (why_not(world, here), why_not(world, there), why_not(world, others)) == ("", "session_over", "")
    with pytest.raises(Unauthenticated):
        world.portal.sign_in.enter(link)
    assert world.portal.tokens.authenticate(token).actor.person_id == cleo.person_id
    ended = sessions.end_all(world.actor("ada"), cleo.person_id, tokens=True)
    assert (ended.sessions, ended.tokens) == (1, 1)
    with pytest.raises(Unauthenticated):
        world.portal.tokens.authenticate(token)
    assert why_not(world, here) == "session_over"


@pytest.mark.parametrize("name", ["ben", "eve", "dan"])
def test_nobody_else_sees_or_ends_them(world: World, name: str) -> None:
    enter(world, "cleo")
    for call in (world.portal.sessions.of_person, world.portal.sessions.end_all):
        with pytest.raises(Forbidden):
            call(world.actor(name), world.people["cleo"].id)
    assert world.portal.sessions.list(world.actor(name)) == ()


def test_what_deactivation_ended_does_not_come_back_with_the_person(world: World) -> None:
    signed_in = enter(world, "cleo")
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook").token
    people, cleo = world.portal.people, world.people["cleo"].id
    people.deactivate(world.actor("ben"), cleo, reason="a long journey")
    assert why_not(world, signed_in) == "person_deactivated"
    people.reactivate(world.actor("ben"), cleo, reason="returned")
    assert why_not(world, signed_in) == "session_over"
    with pytest.raises(Unauthenticated):
        world.portal.tokens.authenticate(token)
    assert why_not(world, enter(world, "cleo")) == ""


def test_another_role_counts_from_the_next_request_on(world: World) -> None:
    people, ada, cleo = world.portal.people, world.actor("ada"), world.people["cleo"].id
    signed_in = enter(world, "cleo")
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook").token
    people.add_membership(ada, cleo, institution_id="south", role=Role.OBSERVER)
    people.change_role(ada, cleo, institution_id="north", before=Role.PARTNER_MEMBER, after=Role.PARTNER_LEAD)
    for actor in (
        world.portal.sign_in.actor(session_of(world, signed_in)),
        world.portal.tokens.authenticate(token).actor,
    ):
        assert {(m.institution_id, m.role) for m in actor.memberships} == {
            ("north", Role.PARTNER_LEAD),
            ("south", Role.OBSERVER),
        }
    people.remove_membership(ada, cleo, institution_id="north", role=Role.PARTNER_LEAD, reason="moved on")
    assert not world.portal.tokens.authenticate(token).actor.belongs_to("north")
    assert not world.portal.sign_in.actor(session_of(world, signed_in), Channel.API).belongs_to("north")


def test_two_leads_who_go_at_once_do_not_both_go(world: World) -> None:
    people, ada = world.portal.people, world.actor("ada")
    people.change_role(
        ada, world.people["cleo"].id, institution_id="north", before=Role.PARTNER_MEMBER, after=Role.PARTNER_LEAD
    )
    people.deactivate(ada, world.people["ben"].id, reason="moved on")
    with pytest.raises(Conflict) as refusal:
        people.deactivate(ada, world.people["cleo"].id, reason="moved on")
    assert refusal.value.code == "last_lead"
    people.deactivate(ada, world.people["cleo"].id, reason="the project is over", without_lead=True)
