"""Invitations: one link, one person; who may send them, and what makes a link dead."""

import pytest

from agreements.actors import LAB, Role
from agreements.credentials import SignInMethod
from agreements.errors import ConcordatError, Conflict, Forbidden, NotFound, Unauthenticated
from agreements.invitations import InvitationStatus
from portal.services.invitations import Invited
from tests.portal.services.world import World

WES = "wes@north.example"


def invite(
    world: World, by: str = "ben", *, email: str = WES, role: Role = Role.RESEARCHER, at: str = "north"
) -> Invited:
    return world.portal.invitations.invite(world.actor(by), email=email, memberships=[(at, role)])


def code_of(invited: Invited) -> str:
    return invited.url.partition("code=")[2]


def refused(world: World, code: str) -> str:
    with pytest.raises(ConcordatError) as refusal:
        world.portal.invitations.accept(code, name="Wes")
    return refusal.value.code


def test_who_accepts_is_a_person_and_signed_in(world: World) -> None:
    invited, portal = invite(world), world.portal
    offer = portal.invitations.offer(code_of(invited))
    assert (offer.email, offer.roles, offer.invited_by) == (WES, ("researcher, North University",), "Ben")
    signed_in = portal.invitations.accept(code_of(invited), name="  Wes Newcomer ", browser="Firefox")
    assert (signed_in.person.name, signed_in.person.email) == ("Wes Newcomer", WES)
    actor = portal.sign_in.actor(portal.sign_in.session_id(signed_in.secret))
    assert actor.has(Role.RESEARCHER, "north")
    assert [view.method for view in portal.sessions.list(actor)] == [SignInMethod.INVITATION]
    (view,) = portal.invitations.list(world.actor("ben"))
    assert (view.status, view.person_id) == (InvitationStatus.ACCEPTED, actor.person_id)
    assert refused(world, code_of(invited)) == "invitation_over"


def test_a_link_is_dead_when_renewed_revoked_or_late(world: World) -> None:
    first = invite(world)
    second = world.portal.invitations.renew(world.actor("ben"), first.invitation.id)
    assert refused(world, code_of(first)) == "invitation_over"
    world.clock.advance(hours=world.settings.invitation_hours)
    assert refused(world, code_of(second)) == "invitation_over"
    third = world.portal.invitations.renew(world.actor("ada"), first.invitation.id)
    world.portal.invitations.revoke(world.actor("ben"), first.invitation.id, reason="a mistake")
    assert refused(world, code_of(third)) == "invitation_over"
    with pytest.raises(Conflict):
        world.portal.invitations.renew(world.actor("ben"), first.invitation.id)


def test_a_name_that_cannot_be_kept_spends_nothing(world: World) -> None:
    code = code_of(invite(world))
    for name in ("", "x", "n" * 121, "W\u202ees", "\ud800x"):
        with pytest.raises(ConcordatError):
            world.portal.invitations.accept(code, name=name)
    assert world.portal.invitations.accept(code, name="Wes").person.name == "Wes"


@pytest.mark.parametrize(
    ("by", "role", "at"),
    [
        ("ben", Role.PARTNER_LEAD, "north"),
        ("ben", Role.RESEARCHER, "south"),
        ("ben", Role.OBSERVER, LAB),
        ("cleo", Role.OBSERVER, "north"),
        ("rae", Role.OBSERVER, LAB),
    ],
)
def test_nobody_invites_whom_they_could_not_let_in(world: World, by: str, role: Role, at: str) -> None:
    before = world.size
    with pytest.raises(Forbidden):
        invite(world, by, role=role, at=at)
    assert world.size == before
    assert invite(world, "ada", role=role, at=at).url


def test_an_address_is_invited_once_and_only_while_it_is_free(world: World) -> None:
    invite(world)
    for email, code in ((WES.upper(), "invitation_open"), ("Cleo@People.example", "address_taken")):
        with pytest.raises(Conflict) as refusal:
            invite(world, email=email)
        assert refusal.value.code == code


def test_an_address_taken_meanwhile_stops_the_acceptance(world: World) -> None:
    code = code_of(invite(world))
    world.portal.people.register(world.actor("ada"), name="Wes", email=WES, memberships=[("south", Role.OBSERVER)])
    assert refused(world, code) == "address_taken"


def test_whoever_is_let_go_leaves_no_way_in(world: World) -> None:
    code = code_of(invite(world))
    world.portal.people.deactivate(world.actor("ada"), world.people["ben"].id, reason="left", without_lead=True)
    with pytest.raises(Unauthenticated) as refusal:
        world.portal.invitations.offer(code)
    assert refusal.value.code == "inviter_left"
    assert refused(world, code) == "inviter_left"


def test_others_see_and_change_nothing(world: World) -> None:
    invited = invite(world)
    for name in ("dan", "cleo", "eve"):
        assert world.portal.invitations.list(world.actor(name)) == ()
        with pytest.raises(NotFound):
            world.portal.invitations.renew(world.actor(name), invited.invitation.id)
        with pytest.raises(NotFound):
            world.portal.invitations.revoke(world.actor(name), invited.invitation.id, reason="no")


def test_the_secret_is_nowhere_on_record(world: World) -> None:
    invited = invite(world)
    assert "code" not in invited.invitation.model_dump()
    world.portal.store.between_transactions(lambda connection: connection.execute("SELECT 1"))
    for path in (world.settings.database_path, *world.settings.data_dir.glob("*.wal")):
        assert code_of(invited).encode() not in path.read_bytes()
