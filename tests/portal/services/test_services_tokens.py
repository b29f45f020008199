"""Access tokens at the service: what they name, when they stop, and what a stolen or altered one is good for."""

from datetime import datetime, timedelta

import pytest

from agreements.actors import Actor, Channel, Role
from agreements.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.keys import SigningKey
from agreements.tokens import AccessClaims, AuthorizationDetails, TokenIssuer
from portal.services.token_keys import TOKEN_AUDIENCE
from tests.portal.services.world import PURPOSE, World, ask


def _claims(world: World, jti: str, sub: str, **changes: object) -> AccessClaims:
    now = int(world.clock().timestamp())
    fields: dict[str, object] = {
        "iss": world.settings.issuer,
        "aud": TOKEN_AUDIENCE,
        "sub": sub,
        "client_id": sub,
        "iat": now,
        "exp": now + 3600,
        "jti": jti,
        "authorization_details": (AuthorizationDetails(),),
    }
    return AccessClaims.model_validate({**fields, **changes})


def _own_issuer(world: World, key: SigningKey | None = None) -> TokenIssuer:
    return TokenIssuer(key or world.portal.keyring.own("token"), issuer=world.settings.issuer, audience=TOKEN_AUDIENCE)


def _code(world: World, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        world.portal.tokens.authenticate(token)
    assert token not in str(refusal.value)
    return refusal.value.code


def test_a_token_speaks_for_its_person_within_its_grant(world: World) -> None:
    grant = world.grant()
    issued = world.portal.tokens.issue(world.actor("cleo"), label=" notebook ", grant_id=grant.id, purpose=PURPOSE)
    known = world.portal.tokens.authenticate(issued.token)
    named = world.people["cleo"].actor(Channel.API, token_id=issued.record.id, grant_id=grant.id)
    signed_by = world.portal.token_keys.list(world.actor("ada"))[0].kid
    assert known.actor == named.model_copy(update={"agreement_digest": grant.agreement_digest, "token_key": signed_by})
    assert (known.purpose, issued.record.label) == (PURPOSE, "notebook")
    assert known.expires_at == world.clock() + timedelta(hours=world.settings.token_hours)


def test_a_token_held_to_a_grant_binds_nobody(world: World) -> None:
    offered, grant = world.agreement(until="offered"), world.grant()
    held = world.portal.tokens.issue(world.actor("ben"), label="notebook", grant_id=grant.id, purpose=PURPOSE).token
    actor = world.portal.tokens.authenticate(held).actor
    assert actor.has(Role.PARTNER_MEMBER, grant.institution_id)
    assert not actor.has(Role.PARTNER_LEAD, grant.institution_id)
    with pytest.raises(Forbidden) as refusal:
        world.portal.agreements.decline(actor, offered.id, reason="from a stolen notebook")
    assert refusal.value.code == "not_signatory"


def test_a_token_held_to_no_grant_serves_the_whole_role(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant()
    free = world.portal.tokens.issue(world.actor("ben"), label="script", purpose=PURPOSE).token
    known = world.portal.tokens.authenticate(free)
    assert known.actor.has(Role.PARTNER_LEAD, grant.institution_id)
    run = world.portal.runs.begin(known.actor, "ladder-l", ask(), purpose=known.purpose)
    assert run.terms.grant_id == grant.id
    narrowed = world.portal.tokens.issue(known.actor, label="narrower", grant_id=grant.id)
    assert narrowed.record.grant_id == grant.id


@pytest.mark.parametrize("purpose", ["", "x" * 121, "Profit!", "a b"])
def test_a_purpose_has_the_form_of_one(world: World, purpose: str) -> None:
    with pytest.raises(Invalid) as refusal:
        world.portal.tokens.issue(world.actor("ben"), label="script", purpose=purpose)
    assert refusal.value.param == "purpose"


def test_a_token_held_to_one_grant_opens_no_other(world: World) -> None:
    world.checkpoint("ladder-l")
    wide, narrow = world.grant(), world.grant(checkpoints=frozenset({"ladder/*"}))
    actor = world.portal.tokens.authenticate(
        world.portal.tokens.issue(world.actor("cleo"), label="narrow", grant_id=narrow.id).token
    ).actor
    with pytest.raises(Forbidden) as refusal:
        world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE)
    assert refusal.value.code == "checkpoint_not_granted"
    assert wide.id not in refusal.value.message


@pytest.mark.parametrize("hours", [0, -1, 25, 10**9])
def test_a_token_lives_no_longer_than_allowed(world: World, hours: int) -> None:
    with pytest.raises(Invalid) as refusal:
        world.portal.tokens.issue(world.actor("cleo"), label="long", hours=hours)
    assert (refusal.value.code, refusal.value.param) == ("token_too_long", "hours")


def test_a_token_ends_with_its_grant_at_the_latest(world: World) -> None:
    soon = world.clock() + timedelta(minutes=10)
    grant = world.grant(expires_at=soon)
    issued = world.portal.tokens.issue(world.actor("cleo"), label="short", grant_id=grant.id)
    assert issued.record.expires_at == soon
    world.clock.now = soon
    assert _code(world, issued.token) == "token_expired"


def test_a_purpose_outside_the_grant_is_refused(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        world.portal.tokens.issue(world.actor("cleo"), label="x", grant_id=world.grant().id, purpose="marketing")
    assert refusal.value.code == "purpose_not_granted"


def test_a_grant_of_others_cannot_be_named(world: World) -> None:
    theirs = world.grant("south")
    with pytest.raises(NotFound):
        world.portal.tokens.issue(world.actor("cleo"), label="x", grant_id=theirs.id)
    with pytest.raises(Forbidden):
        world.portal.tokens.issue(world.actor("ada"), label="x", grant_id=theirs.id)


def test_a_grant_that_ended_gets_no_token(world: World) -> None:
    grant = world.grant()
    world.portal.grants.revoke(world.actor("ada"), grant.id, reason="a breach")
    with pytest.raises(Conflict) as refusal:
        world.portal.tokens.issue(world.actor("cleo"), label="x", grant_id=grant.id)
    assert refusal.value.code == "grant_not_active"


@pytest.mark.parametrize("who", ["cleo", "ada"])
def test_a_revoked_token_is_refused_at_once(world: World, who: str) -> None:
    issued = world.portal.tokens.issue(world.actor("cleo"), label="notebook")
    world.portal.tokens.revoke(world.actor(who), issued.record.id)
    assert _code(world, issued.token) == "token_revoked"


def test_a_deactivated_person_has_no_tokens(world: World) -> None:
    issued = world.portal.tokens.issue(world.actor("cleo"), label="notebook")
    world.portal.people.deactivate(world.actor("ada"), world.people["cleo"].id, reason="left the project")
    assert _code(world, issued.token) == "token_revoked"


def test_what_the_record_does_not_bear_out_is_refused(world: World) -> None:
    """Even with the portal's own key a token says nothing that its record does not."""
    cleo, ada = world.people["cleo"].id, world.people["ada"].id
    grant = world.grant()
    record = world.portal.tokens.issue(world.actor("cleo"), label="notebook").record
    link = world.portal.sign_in.issue_link(world.actor("ada"), cleo).partition("code=")[2]
    own = _own_issuer(world)
    forged = [
        _claims(world, "tok_0000000000000000", cleo),
        _claims(world, record.id, ada),
        _claims(world, record.id, "per_nobody"),
        _claims(world, record.id, cleo, authorization_details=(AuthorizationDetails(grant_id=grant.id),)),
        _claims(world, world.portal.sign_in.session_id(link), cleo),
    ]
    assert {_code(world, own.encode(claims)) for claims in forged} == {"token_unknown"}
    later = int((world.clock() + timedelta(days=400)).timestamp())
    token = own.encode(_claims(world, record.id, cleo, exp=later))
    world.clock.advance(days=2)
    assert _code(world, token) == "token_expired"


@pytest.mark.parametrize("changes", [{"iss": "other"}, {"aud": "other"}])
def test_a_token_for_another_portal_is_refused(world: World, changes: dict[str, object]) -> None:
    record = world.portal.tokens.issue(world.actor("cleo"), label="notebook").record
    token = _own_issuer(world).encode(_claims(world, record.id, record.person_id, **changes))
    assert _code(world, token) == "invalid_token"


def test_a_token_by_another_key_is_refused(world: World) -> None:
    record = world.portal.tokens.issue(world.actor("cleo"), label="notebook").record
    foreign = _own_issuer(world, SigningKey.generate())
    assert _code(world, foreign.encode(_claims(world, record.id, record.person_id))) == "invalid_token"


def _by_token(world: World, **named: str) -> tuple[Actor, datetime]:
    known = world.portal.tokens.authenticate(
        world.portal.tokens.issue(world.actor("cleo"), label="first", hours=1, **named).token
    )
    return known.actor, known.expires_at


def test_a_token_cannot_prolong_itself(world: World) -> None:
    actor, end = _by_token(world)
    world.clock.advance(minutes=50)
    child = world.portal.tokens.issue(actor, label="second")
    assert child.record.expires_at == end


def test_a_token_cannot_widen_itself(world: World) -> None:
    first, second = world.grant(), world.grant()
    actor, _ = _by_token(world, grant_id=first.id, purpose=PURPOSE)
    before = world.size
    for named in ({}, {"grant_id": second.id, "purpose": PURPOSE}):
        with pytest.raises(Forbidden) as refusal:
            world.portal.tokens.issue(actor, label="wider", **named)  # type: ignore[arg-type]  # strings
        assert refusal.value.code == "token_widens"
    assert world.size == before
    same = world.portal.tokens.issue(actor, label="same", grant_id=first.id, purpose=PURPOSE)
    assert same.record.grant_id == first.id


def test_the_keys_that_verify_tokens_are_public_and_only_public(world: World) -> None:
    keys = world.portal.tokens.jwks()["keys"]
    assert isinstance(keys, list)
    assert [set(key) >= {"kty", "crv", "x", "kid"} and "d" not in key for key in keys] == [True]


def test_somebody_else_is_told_nothing_of_a_token(world: World) -> None:
    issued = world.portal.tokens.issue(world.actor("cleo"), label="notebook")
    link = world.portal.sign_in.issue_link(world.actor("ada"), world.people["cleo"].id).partition("code=")[2]
    for token_id, who in (
        (issued.record.id, "ben"),
        ("tok_0000000000000000", "ada"),
        (world.portal.sign_in.session_id(link), "ada"),
    ):
        with pytest.raises(NotFound) as refusal:
            world.portal.tokens.revoke(world.actor(who), token_id)
        assert refusal.value.code == "token_not_found"
    assert world.people["cleo"].memberships[0].role is Role.PARTNER_MEMBER
