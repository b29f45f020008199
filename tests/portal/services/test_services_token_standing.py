"""Why a token opens nothing, told to whom it concerns; rotation with a grace; the end of a family that was copied."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agreements.actors import Actor
from agreements.errors import ConcordatError, NotFound, Unauthenticated
from agreements.grants import HolderKind
from portal.services.refresh import REUSED
from portal.services.tokens import IssuedToken
from tests.portal.services.token_world import delegated, exchange, jwks_of, new_key
from tests.portal.services.world import PURPOSE, World, ask, make_world

REASON = "Prompts for exploits were seen."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.checkpoint("ladder-l")
    yield made
    made.portal.close()


def issued(world: World, name: str = "ben") -> IssuedToken:
    """A token for north's grant."""
    return world.portal.tokens.issue(world.actor(name), label="notebook", grant_id=world.grant().id, purpose=PURPOSE)


def why(world: World, token: str, who: str = "ben") -> str:
    """The code by which introspection explains a token to somebody; ``active`` or ``unknown`` otherwise."""
    found = world.portal.token_standings.introspect(world.actor(who), token)
    if found is None:
        return "unknown"
    return found.why_not.code if found.why_not is not None else "active"


def begin(world: World, token: str) -> None:
    """A run with the token."""
    actor = world.portal.tokens.authenticate(token).actor
    world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE)


def test_every_end_of_a_token_is_explained_to_those_whom_it_concerns_and_to_nobody_else(world: World) -> None:
    token = issued(world)
    grant_id = token.record.grant_id or ""
    grant = world.portal.grants.get(world.actor("ada"), grant_id).grant
    assert {why(world, token.token, who) for who in ("ben", "ada")} == {"active"}
    for who in ("cleo", "dan", "rae", "olga"):
        assert why(world, token.token, who) == "unknown"
        with pytest.raises(NotFound):
            world.portal.token_standings.get(world.actor(who), token.record.id)

    def explained(code: str) -> None:
        assert why(world, token.token) == why(world, token.token, "ada") == code
        assert why(world, token.token, "cleo") == "unknown"
        by_id = world.portal.token_standings.get(world.actor("ben"), token.record.id)
        assert (by_id.active, by_id.why_not and by_id.why_not.code) == (False, code)
        # The reason given is the reason met: the model API refuses for it too.
        with pytest.raises(ConcordatError) as refusal:
            begin(world, token.token)
        assert refusal.value.code == code

    world.portal.grants.suspend(world.actor("ada"), grant_id, reason=REASON)
    explained("grant_suspended")
    world.portal.grants.lift(world.actor("ada"), grant_id, reason="settled")
    assert why(world, token.token) == "active"
    world.portal.agreements.suspend(
        world.actor("ada"), grant.agreement_id, reason="security_incident", statement="A key was left in a repository."
    )
    explained("agreement_suspended")
    world.portal.grants.revoke(world.actor("ada"), grant_id, reason=REASON)
    explained("grant_revoked")
    world.portal.tokens.revoke(world.actor("ben"), token.record.id)
    explained("token_revoked")


def test_a_token_whose_time_is_over_and_one_of_somebody_who_left_are_explained(world: World) -> None:
    token, other = issued(world), issued(world, "cleo")
    world.portal.people.deactivate(world.actor("ada"), world.people["cleo"].id, reason="left")
    assert why(world, other.token, "ada") in {"person_deactivated", "token_revoked"}
    world.clock.advance(hours=25)
    assert why(world, token.token) == "token_expired"
    for junk in ("", "made-up", token.token[:-2], "cdrt_x"):
        assert why(world, junk, "ada") == "unknown"


def test_a_delegate_whose_line_is_broken_learns_it_and_so_does_whoever_passed_it_on(world: World) -> None:
    first = issued(world)
    child = world.portal.tokens.narrow(
        world.actor("ben"), first.record.id, delegate_id=world.people["cleo"].id, narrowing={"token_budget": 500}
    )
    assert why(world, child.token, "cleo") == why(world, child.token, "ben") == "active"
    world.portal.tokens.revoke(world.actor("ben"), first.record.id)
    assert why(world, child.token, "cleo") == why(world, child.token, "ben") == "token_revoked"
    assert why(world, first.token, "cleo") == "unknown"


def test_the_lead_of_a_program_learns_why_its_token_is_refused(world: World) -> None:
    program = world.portal.programs.register(
        world.actor("ben"),
        institution_id="north",
        name="Nightly probes",
        contact="ben@north.example",
        jwks=jwks_of(new_key()),
    )
    grant = delegated(world.portal, world.actor("ben"), world.grant(), HolderKind.PROGRAM, program.id)
    token = world.portal.tokens.issue(program.actor(), label="nightly", grant_id=grant.id).token
    world.portal.programs.suspend(world.actor("ben"), program.id, reason="it runs wild")
    assert (why(world, token), why(world, token, "cleo")) == ("program_stopped", "unknown")


def test_a_token_of_an_older_version_says_so_when_its_grace_is_over(world: World) -> None:
    token = issued(world)
    grant = world.portal.grants.get(world.actor("ada"), token.record.grant_id or "").grant
    found = world.portal.token_standings.get(world.actor("ben"), token.record.id)
    assert found.agreement_digest == grant.agreement_digest


# ---- rotation --------------------------------------------------------------------------------------------------------


def test_a_rotated_token_goes_on_for_its_grace_and_not_a_moment_longer(world: World) -> None:
    first = issued(world)
    child = world.portal.oauth.token(exchange(first.token), None).access_token
    second = world.portal.tokens.rotate(world.actor("ben"), first.record.id, grace_minutes=15)
    for token in (first.token, child, second.token):
        assert world.portal.tokens.authenticate(token).actor.person_id == world.people["ben"].id
    with pytest.raises(ConcordatError) as again:
        world.portal.tokens.rotate(world.actor("ben"), first.record.id)
    assert again.value.code == "token_rotated"
    world.clock.advance(minutes=15)
    for token in (first.token, child):
        with pytest.raises(Unauthenticated) as refusal:
            world.portal.tokens.authenticate(token)
        assert refusal.value.code == "token_revoked"
        assert "replaced by another token" in refusal.value.message
    assert why(world, second.token) == "active"
    assert second.record.expires_at == world.clock() - timedelta(minutes=15) + timedelta(
        hours=world.settings.token_hours
    )


@pytest.mark.parametrize("minutes", [-1, 24 * 60 + 1])
def test_a_grace_is_no_longer_than_a_token(world: World, minutes: int) -> None:
    first = issued(world)
    before = world.size
    with pytest.raises(ConcordatError) as refusal:
        world.portal.tokens.rotate(world.actor("ben"), first.record.id, grace_minutes=minutes)
    assert (refusal.value.code, refusal.value.param, world.size) == ("grace_too_long", "grace_minutes", before)


def test_a_token_that_ends_before_its_grace_ends_then(world: World) -> None:
    first = world.portal.tokens.issue(world.actor("ben"), label="short", grant_id=world.grant().id, hours=1)
    world.portal.tokens.rotate(world.actor("ben"), first.record.id, grace_minutes=600)
    assert world.portal.token_standings.get(world.actor("ben"), first.record.id).record.expires_at == (
        first.record.expires_at
    )


# ---- a copied refresh token -----------------------------------------------------------------------------------------


def notices(world: World, actor: Actor) -> list[str]:
    """The kinds of somebody's notices."""
    return [one.kind for one in world.portal.notices.inbox(actor)]


def test_a_refresh_token_that_comes_twice_is_told_to_its_holder_and_the_lead(world: World) -> None:
    token = world.portal.refresh.issue(world.actor("cleo"), label="script", grant_id=world.grant().id)
    spent = token.refresh_token or ""
    fresh = world.portal.refresh.refresh(spent, client_id=None, key_thumbprint=None)
    for _ in range(3):
        with pytest.raises(Unauthenticated) as refusal:
            world.portal.refresh.refresh(spent, client_id=None, key_thumbprint=None)
        assert refusal.value.code == "refresh_reused"
    for name, told in (("cleo", 1), ("ben", 1), ("nina", 0), ("ada", 0), ("dan", 0)):
        assert notices(world, world.actor(name)).count("security.refresh_reused") == told, name
    (notice,) = [one for one in world.portal.notices.inbox(world.actor("cleo")) if one.kind.startswith("security.")]
    assert spent not in notice.body + notice.subject
    assert why(world, fresh.token, "cleo") == "token_revoked"
    (record,) = [one for one in world.portal.tokens.list(world.actor("cleo")) if one.kind == "refresh_family"]
    assert record.end_reason == REUSED


def test_a_family_of_the_lab_is_told_to_its_coordinators_and_an_ended_one_to_nobody(world: World) -> None:
    token = world.portal.refresh.issue(world.actor("rae"), label="dashboard")
    world.portal.refresh.refresh(token.refresh_token or "", client_id=None, key_thumbprint=None)
    with pytest.raises(Unauthenticated):
        world.portal.refresh.refresh(token.refresh_token or "", client_id=None, key_thumbprint=None)
    for name in ("rae", "ada"):
        assert notices(world, world.actor(name)) == ["security.refresh_reused"]
    other = world.portal.refresh.issue(world.actor("ben"), label="script")
    world.portal.refresh.refresh(other.refresh_token or "", client_id=None, key_thumbprint=None)
    world.portal.tokens.revoke(world.actor("ben"), other.record.parent_id)
    with pytest.raises(Unauthenticated):
        world.portal.refresh.refresh(other.refresh_token or "", client_id=None, key_thumbprint=None)
    assert "security.refresh_reused" not in notices(world, world.actor("ben"))
