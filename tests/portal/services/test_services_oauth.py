"""The token endpoint at the service: programs, narrowing, delegation, refresh, proofs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agreements.actors import Actor, Role
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.grants import Grant, HolderKind
from agreements.jose import Key
from agreements.jwks import thumbprint_of
from agreements.programs import Program
from agreements.proofs import verify_proof
from model_access.client import ProgramKey
from portal.services.aggregates import CREDENTIALS
from portal.services.oauth import TokenAnswer
from tests.portal.services.token_world import (
    as_form,
    assertion,
    by_program,
    delegated,
    details,
    exchange,
    jwks_of,
    new_key,
    proof,
)
from tests.portal.services.world import PURPOSE, World, ask, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.checkpoint("ladder-l")
    yield made
    made.portal.close()


def registered(world: World, key: Key, who: str = "ben") -> Program:
    """A program of north."""
    return world.portal.programs.register(
        world.actor(who), institution_id="north", name="Nightly probes", contact="ben@north.example", jwks=jwks_of(key)
    )


def held_by_program(world: World, grant: Grant, program: Program) -> Grant:
    """A grant that the program holds under ``grant``."""
    return delegated(world.portal, world.actor("ben"), grant, HolderKind.PROGRAM, program.id)


def token(world: World, form: dict[str, str], dpop: str | None = None) -> TokenAnswer:
    """What the endpoint answers."""
    endpoint = world.portal.oauth.token_endpoint
    proven = verify_proof(dpop, method="POST", urls=frozenset({endpoint}), now=world.clock()) if dpop else None
    return world.portal.oauth.token(form, proven)


def credentials(world: World, program: Program, key: Key, **form: Any) -> TokenAnswer:
    """A token by client credentials."""
    endpoint = world.portal.oauth.token_endpoint
    return token(world, by_program(program, key, endpoint, world.clock(), grant_type="client_credentials", **form))


def code(call: Any) -> str:
    """The code of the refusal."""
    with pytest.raises(ConcordatError) as refusal:
        call()
    return refusal.value.code


def who(world: World, text: str, key: str | None = None) -> Actor:
    """Whom a token speaks for."""
    return world.portal.tokens.authenticate(text, key_thumbprint=key).actor


@pytest.mark.parametrize("kind", ["Ed25519", "P-256"])
def test_a_program_gets_a_token_for_its_grant_and_runs(world: World, kind: str) -> None:
    key = new_key(kind)
    program = registered(world, key)
    grant = held_by_program(world, world.grant(), program)
    answer = credentials(world, program, key, authorization_details=details(grant_id=grant.id, purpose=PURPOSE))
    assert (answer.token_type, answer.expires_in, answer.refresh_token) == ("Bearer", 3600, None)
    actor = who(world, answer.access_token)
    assert (actor.person_id, actor.program, actor.grant_id) == (program.id, True, grant.id)
    assert [m.role for m in actor.memberships] == [Role.PARTNER_MEMBER]
    run = world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE)
    assert (run.terms.person_id, run.terms.grant_id) == (program.id, grant.id)


def test_a_program_asks_with_the_key_it_made(world: World, tmp_path: Path) -> None:
    key = ProgramKey.create(tmp_path / "program.pem")
    assert ProgramKey.load(tmp_path / "program.pem").thumbprint == key.thumbprint
    assert str(key.key.as_dict(private=True)["d"]) not in repr(key)
    program = world.portal.programs.register(
        world.actor("ben"), institution_id="north", name="Probes", contact="ben@north.example", jwks=key.jwks()
    )
    grant = held_by_program(world, world.grant(), program)
    said = as_form({"grant_type": "client_credentials", "authorization_details": details(grant_id=grant.id)})
    form = {**said, **key.authentication(program.id, world.settings.url, now_s=world.clock().timestamp())}
    assert who(world, token(world, form).access_token).person_id == program.id


def test_an_agreement_may_let_tokens_be_kept_fresh_for_less_or_not_at_all(world: World) -> None:
    for days, after in ((0, None), (2, 2), (90, 30)):
        clauses = [
            {**one, "refresh_days": days} if one["kind"] == "confidentiality" else one
            for one in (c.model_dump(mode="json") for c in world.agreement(until="draft").clauses)
        ]
        grant = granted_under(world, clauses)
        if after is None:
            assert (
                code(
                    lambda grant=grant: world.portal.refresh.issue(
                        world.actor("ben"), label="script", grant_id=grant.id
                    )
                )
                == "no_refresh"
            )
            continue
        issued = world.portal.refresh.issue(world.actor("ben"), label="script", grant_id=grant.id)
        family = world.portal.kernel.state(CREDENTIALS, issued.record.parent_id)
        assert family.expires_at == world.clock() + timedelta(days=after)


def granted_under(world: World, clauses: list[Any]) -> Grant:
    """A grant under an agreement of these clauses."""
    service, ada, ben = world.portal.agreements, world.actor("ada"), world.actor("ben")
    agreement = service.offer(ada, service.draft(ada, institution_id="north", clauses=clauses).id)
    for signer in (ben, ada):
        agreement = service.sign(
            signer, agreement.id, typed_name=signer.name, document_digest=agreement.document_digest or ""
        )
    return world.portal.grants.issue(ada, agreement_id=agreement.id, label="A study")


def test_an_assertion_is_good_once_and_only_as_it_should_be(world: World) -> None:
    key, other = new_key(), new_key()
    program = registered(world, key)
    grant = held_by_program(world, world.grant(), program)
    endpoint, now = world.portal.oauth.token_endpoint, world.clock()
    form = by_program(program, key, endpoint, now, grant_type="client_credentials")
    form["authorization_details"] = f'[{{"type": "concordat-access/v1", "grant_id": "{grant.id}"}}]'
    assert token(world, form).access_token
    assert code(lambda: token(world, form)) == "proof_replayed"
    moment = int(now.timestamp())
    bad: list[dict[str, Any]] = [
        {"aud": "https://other.example/token"},
        {"aud": [endpoint, "other"]},
        {"iss": "prg_other"},
        {"sub": "prg_other"},
        {"exp": moment},
        {"exp": moment + 3600},
        {"exp": None},
        {"iat": moment + 60},
        {"iat": None},
        {"jti": None},
        {"nbf": moment + 600},
        {"extra": 1},
        {"header_typ": "at+jwt"},
        {"header_jku": "https://attacker.example/keys"},
        {"header_kid": "another"},
    ]
    for changes in bad:
        forged = {**form, "client_assertion": assertion(key, program.id, endpoint, now, **changes)}
        assert code(lambda form=forged: token(world, form)) == "invalid_client", changes
    foreign = {**form, "client_assertion": assertion(other, program.id, endpoint, now)}
    assert code(lambda: token(world, foreign)) == "invalid_client"
    assert code(lambda: token(world, {**form, "client_assertion": "x.y.z"})) == "invalid_client"
    unproven = {"grant_type": "client_credentials", "client_id": program.id}
    assert code(lambda: token(world, unproven)) == "invalid_client"


def test_a_program_that_is_stopped_gets_and_uses_no_token(world: World) -> None:
    key = new_key()
    program = registered(world, key)
    grant = held_by_program(world, world.grant(), program)
    said = details(grant_id=grant.id)
    text = credentials(world, program, key, authorization_details=said).access_token
    world.portal.programs.suspend(world.actor("ben"), program.id, reason="it runs wild")
    assert code(lambda: who(world, text)) == "program_stopped"
    assert code(lambda: credentials(world, program, key, authorization_details=said)) == "invalid_client"
    world.portal.programs.resume(world.actor("ben"), program.id)
    assert who(world, text).person_id == program.id
    world.portal.programs.end(world.actor("ada"), program.id, reason="the study is over")
    assert code(lambda: who(world, text)) == "program_stopped"
    assert code(lambda: world.portal.programs.resume(world.actor("ben"), program.id)) == "program_ended"


def test_rotated_keys_of_a_program_work_together_and_then_the_new_one_alone(world: World) -> None:
    old, new = new_key(), new_key("P-256")
    program = registered(world, old)
    said = {"authorization_details": details(grant_id=held_by_program(world, world.grant(), program).id)}
    world.portal.programs.replace_keys(world.actor("ben"), program.id, jwks=jwks_of(old, new))
    assert credentials(world, program, old, **said).access_token
    assert credentials(world, program, new, **said).access_token
    world.portal.programs.replace_keys(world.actor("ben"), program.id, jwks=jwks_of(new))
    assert code(lambda: credentials(world, program, old, **said)) == "invalid_client"


@pytest.mark.parametrize("name", ["cleo", "nina", "dan", "rae"])
def test_programs_are_registered_by_leads_and_coordinators_only(world: World, name: str) -> None:
    before = world.size
    with pytest.raises(Forbidden):
        registered(world, new_key(), name)
    assert world.size == before


def test_a_private_key_is_not_taken(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        world.portal.programs.register(
            world.actor("ben"),
            institution_id="north",
            name="Nightly probes",
            contact="ben@north.example",
            jwks={"keys": [new_key().as_dict(private=True)]},
        )
    assert refusal.value.code == "private_key_sent"


def person_token(world: World, grant: Grant, name: str = "ben", **wish: Any) -> str:
    """A person's token for a grant."""
    return world.portal.tokens.issue(world.actor(name), label="notebook", grant_id=grant.id, **wish).token


def test_a_token_is_narrowed_and_held_to_it_at_every_use(world: World) -> None:
    grant = world.grant()
    said = details(operations=["score"], purposes=[PURPOSE], limits={"token_budget": 500})
    answer = token(world, exchange(person_token(world, grant), authorization_details=said, expires_in="600"))
    assert answer.expires_in == 600
    assert answer.issued_token_type is not None
    assert answer.authorization_details[0].limits is not None
    actor = who(world, answer.access_token)
    assert actor.person_id == world.people["ben"].id
    assert code(lambda: world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE)) == "token_narrowed"


def test_a_narrowed_budget_holds_for_all_that_was_made_from_the_token(world: World) -> None:
    grant = world.grant()
    cost = world.portal.runs.estimate(world.actor("ben"), "ladder-l", ask(), purpose=PURPOSE).most_tokens
    said = details(limits={"token_budget": cost + 1})
    first = token(world, exchange(person_token(world, grant), authorization_details=said)).access_token
    below = [token(world, exchange(first)).access_token for _ in range(2)]
    world.portal.runs.begin(who(world, below[0]), "ladder-l", ask(), purpose=PURPOSE).result()
    assert code(lambda: world.portal.runs.begin(who(world, below[1]), "ladder-l", ask(), purpose=PURPOSE)) == (
        "budget_exhausted"
    )


@pytest.mark.parametrize(
    ("said", "dimension"),
    [
        ({"operations": ["generate", "fine_tune"]}, "operations"),
        ({"checkpoints": ["secret-model"]}, "checkpoints"),
        ({"purposes": ["marketing"]}, "purposes"),
        ({"limits": {"token_budget": 10**12}}, "token_budget"),
        ({"limits": {"requests_per_minute": 100_000}}, "requests_per_minute"),
    ],
)
def test_a_wider_token_is_refused_naming_the_dimension(world: World, said: dict[str, Any], dimension: str) -> None:
    text = person_token(world, world.grant())
    before = world.size
    with pytest.raises(Invalid) as refusal:
        token(world, exchange(text, authorization_details=details(**said)))
    assert (refusal.value.code, refusal.value.param) == ("beyond_token", dimension)
    assert world.size == before


def test_a_child_does_not_win_back_what_its_parent_gave_up(world: World) -> None:
    text = person_token(world, world.grant())
    narrow = token(world, exchange(text, authorization_details=details(operations=["score"]))).access_token
    wider = exchange(narrow, authorization_details=details(operations=["score", "generate"]))
    assert code(lambda: token(world, wider)) == "beyond_token"
    again = who(world, token(world, exchange(narrow)).access_token)
    assert code(lambda: world.portal.runs.begin(again, "ladder-l", ask(), purpose=PURPOSE)) == "token_narrowed"
    other = exchange(narrow, authorization_details=details(grant_id=world.grant().id))
    assert code(lambda: token(world, other)) == "token_widens"


def test_revoking_a_token_ends_all_that_was_made_from_it(world: World) -> None:
    grant = world.grant()
    first = world.portal.tokens.issue(world.actor("ben"), label="first", grant_id=grant.id)
    child = token(world, exchange(first.token)).access_token
    grandchild = token(world, exchange(child)).access_token
    sibling = person_token(world, grant)
    (listed,) = [one for one in world.portal.tokens.list(world.actor("ben")) if one.id == first.record.id]
    assert listed.descendants == 2
    world.portal.tokens.revoke(world.actor("ben"), first.record.id)
    assert [code(lambda text=text: who(world, text)) for text in (child, grandchild)] == ["token_revoked"] * 2
    assert who(world, sibling).person_id == world.people["ben"].id


def test_a_token_reaches_no_other_token_of_its_holder(world: World) -> None:
    grant, other = world.grant(), world.grant()
    first = world.portal.tokens.issue(world.actor("ben"), label="first", grant_id=grant.id)
    second = world.portal.tokens.issue(world.actor("ben"), label="second", grant_id=other.id)
    actor = who(world, first.token)
    for call in (world.portal.tokens.narrow, world.portal.tokens.rotate):
        assert code(lambda call=call: call(actor, second.record.id)) == "token_widens"
    child = world.portal.tokens.narrow(actor, first.record.id)
    assert world.portal.tokens.rotate(actor, child.record.id).record.parent_id == first.record.id
    assert code(lambda: world.portal.tokens.issue(world.actor("ben"), label="x", delegate_id="per_x")) == (
        "nothing_to_pass_on"
    )


def test_a_rotated_token_is_replaced_by_one_as_wide(world: World) -> None:
    issued = world.portal.tokens.issue(
        world.actor("ben"), label="first", grant_id=world.grant().id, hours=2, narrowing={"operations": ["score"]}
    )
    child = token(world, exchange(issued.token)).access_token
    world.clock.advance(hours=1)
    again = world.portal.tokens.rotate(world.actor("ben"), issued.record.id)
    assert [code(lambda text=text: who(world, text)) for text in (issued.token, child)] == ["token_revoked"] * 2
    assert who(world, again.token).bounds[0].narrowing.operations == frozenset({"score"})
    assert again.record.expires_at == world.clock() + timedelta(hours=2)
    assert code(lambda: world.portal.tokens.rotate(world.actor("ben"), issued.record.id)) == "token_ended"
    assert code(lambda: world.portal.tokens.rotate(world.actor("cleo"), again.record.id)) == "token_not_found"
    opens = world.portal.tokens.opens(world.actor("ben"), again.record.id)
    assert opens is not None
    assert {one.value for one in opens.operations} == {"score"}


def test_the_purpose_of_a_narrowed_token_fits_what_is_left(world: World) -> None:
    grant = world.grant()
    one, other, *_ = sorted(grant.scope.purposes) if grant.scope else ("", "")
    text = person_token(world, grant, purpose=one)

    def purpose_of(*purposes: str) -> str | None:
        made = token(world, exchange(text, authorization_details=details(purposes=list(purposes))))
        return world.portal.tokens.authenticate(made.access_token).purpose

    assert purpose_of(one, other) == one
    assert purpose_of(other) == other
    assert world.portal.tokens.authenticate(token(world, exchange(text)).access_token).purpose == one


def test_a_grant_for_key_holders_is_drawn_on_with_the_key_alone(world: World) -> None:
    grant, key = world.grant(holder_bound=True), new_key()
    text = person_token(world, grant, key_thumbprint=thumbprint_of(key))
    actor = who(world, text, thumbprint_of(key))
    assert world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE).terms.grant_id == grant.id
    unproven = world.portal.tokens.look_up(text).actor
    assert code(lambda: world.portal.runs.begin(unproven, "ladder-l", ask(), purpose=PURPOSE)) == "proof_required"


def test_a_delegate_acts_for_the_subject_and_only_with_the_grant(world: World) -> None:
    grant = world.grant()
    text = person_token(world, grant)
    cleo, ben = world.people["cleo"].id, world.people["ben"].id
    answer = token(world, exchange(text, delegate=cleo, authorization_details=details(purposes=[PURPOSE])))
    known = world.portal.tokens.look_up(answer.access_token)
    assert (known.actor.person_id, known.record.subject_id, known.record.granted_by) == (cleo, ben, (ben,))
    claims = world.portal.token_keys.issuer().decode(answer.access_token, world.clock())
    assert (claims.sub, claims.act and claims.act.sub, claims.client_id) == (ben, cleo, cleo)
    run = world.portal.runs.begin(known.actor, "ladder-l", ask(), purpose=PURPOSE)
    assert run.terms.person_id == cleo
    for stranger in (world.people["dan"].id, "per_nobody", "prg_nobody"):
        with pytest.raises((NotFound, Forbidden)):
            token(world, exchange(text, delegate=stranger))
    assert known.record.id in {one.id for one in world.portal.tokens.list(world.actor("ben"))}
    world.portal.tokens.revoke(world.actor("ben"), known.record.id)
    assert code(lambda: who(world, answer.access_token)) == "token_revoked"


def test_a_token_for_a_grant_is_passed_on_for_one_below_it(world: World) -> None:
    grant = world.grant()
    text = person_token(world, grant)
    cleo = world.people["cleo"].id
    below = delegated(world.portal, world.actor("ben"), grant, HolderKind.PERSON, cleo)
    answer = token(world, exchange(text, delegate=cleo, authorization_details=details(grant_id=below.id)))
    actor = who(world, answer.access_token)
    assert (actor.person_id, actor.grant_id) == (cleo, below.id)
    unnamed = who(world, token(world, exchange(text, delegate=cleo)).access_token)
    assert unnamed.grant_id in {grant.id, below.id}
    upwards = exchange(answer.access_token, authorization_details=details(grant_id=grant.id))
    assert code(lambda: token(world, upwards)) == "token_widens"
    beside = exchange(text, authorization_details=details(grant_id=world.grant().id))
    assert code(lambda: token(world, beside)) == "token_widens"
    assert code(lambda: token(world, exchange(text, authorization_details=details(grant_id="grt_none")))) in {
        "token_widens",
        "grant_not_found",
    }


def test_a_delegated_token_ends_with_whoever_gave_it(world: World) -> None:
    answer = token(world, exchange(person_token(world, world.grant(), "cleo"), delegate=world.people["ben"].id))
    world.portal.people.deactivate(world.actor("ada"), world.people["cleo"].id, reason="left the project")
    assert code(lambda: who(world, answer.access_token)) in {"person_deactivated", "token_revoked"}


def test_a_whole_role_is_not_passed_on(world: World) -> None:
    text = world.portal.tokens.issue(world.actor("ben"), label="role").token
    assert code(lambda: token(world, exchange(text, delegate=world.people["cleo"].id))) == "grant_needed"


def test_a_tokens_areas_only_shrink(world: World) -> None:
    text = world.portal.tokens.issue(world.actor("ben"), label="reads", areas=["run"]).token
    assert who(world, text).areas == frozenset({"read", "run"})
    answer = token(world, exchange(text, scope="read"))
    assert answer.scope == "read"
    assert code(lambda: token(world, exchange(answer.access_token, scope="read run"))) == "token_widens"
    assert code(lambda: token(world, exchange(text, scope="everything"))) == "invalid_scope"
    assert who(world, token(world, exchange(answer.access_token)).access_token).areas == frozenset({"read"})


def test_a_token_is_narrowed_eight_times_and_no_more(world: World) -> None:
    text = person_token(world, world.grant())
    for _ in range(8):
        text = token(world, exchange(text)).access_token
    assert code(lambda: token(world, exchange(text))) == "narrowed_too_often"


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password"},
        {"grant_type": ""},
        {"authorization_details": "{}"},
        {"authorization_details": "[]"},
        {"authorization_details": "[{}, {}]"},
        {"authorization_details": '[{"type": "payment"}]'},
        {"authorization_details": '[{"type": "concordat-access/v1", "type": "concordat-access/v1"}]'},
        {"authorization_details": '[{"type": "concordat-access/v1", "rights": "all"}]'},
        {"authorization_details": "[" * 500},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"actor_token": "x"},
        {"audience": "https://other.example"},
        {"expires_in": "0"},
        {"expires_in": "-5"},
        {"expires_in": "9" * 400},
        {"dpop_jkt": "short"},
    ],
)
def test_what_the_endpoint_does_not_take_is_refused_as_invalid(world: World, form: dict[str, str]) -> None:
    base = exchange(person_token(world, world.grant()))
    before = world.size
    with pytest.raises(Invalid):
        token(world, {**base, **form})
    assert world.size == before


def kept_fresh(world: World, **wish: Any) -> tuple[str, str]:
    """A token that is kept fresh, and what does it."""
    issued = world.portal.refresh.issue(world.actor("ben"), label="script", grant_id=world.grant().id, **wish)
    assert issued.refresh_token is not None
    return issued.token, issued.refresh_token


def refreshed(world: World, secret: str, dpop: str | None = None) -> TokenAnswer:
    """What a refresh token is traded for."""
    return token(world, {"grant_type": "refresh_token", "refresh_token": secret}, dpop)


def test_a_refresh_token_is_traded_for_the_next_and_rotates(world: World) -> None:
    text, secret = kept_fresh(world)
    assert secret.startswith("cdrt_")
    world.clock.advance(hours=30)
    assert code(lambda: who(world, text)) == "token_expired"
    answer = refreshed(world, secret)
    assert who(world, answer.access_token).grant_id is not None
    assert answer.refresh_token not in (None, secret)


def test_a_refresh_token_that_comes_twice_ends_its_family(world: World) -> None:
    _text, secret = kept_fresh(world)
    answer = refreshed(world, secret)
    assert code(lambda: refreshed(world, secret)) == "refresh_reused"
    assert code(lambda: who(world, answer.access_token)) == "token_revoked"
    assert code(lambda: refreshed(world, answer.refresh_token or "")) == "token_revoked"


def test_a_family_has_a_last_day_that_no_refresh_moves(world: World) -> None:
    _text, secret = kept_fresh(world)
    refreshes = 0
    for _ in range(20):
        world.clock.advance(days=3)
        try:
            secret = refreshed(world, secret).refresh_token or ""
        except ConcordatError:
            break
        refreshes += 1
    assert refreshes == 9


def test_a_refresh_token_that_nobody_uses_lapses(world: World) -> None:
    _text, secret = kept_fresh(world)
    world.clock.advance(days=8)
    with pytest.raises(Unauthenticated):
        refreshed(world, secret)


def test_a_refresh_token_is_handed_in_by_whoever_holds_it(world: World) -> None:
    text, secret = kept_fresh(world)
    world.portal.refresh.end("cdrt_made_up")
    world.portal.refresh.end(secret)
    assert code(lambda: who(world, text)) == "token_revoked"
    with pytest.raises(Unauthenticated):
        refreshed(world, secret)


def test_refreshing_opens_no_grant_that_has_ended(world: World) -> None:
    grant = world.grant()
    issued = world.portal.refresh.issue(world.actor("ben"), label="script", grant_id=grant.id)
    world.portal.grants.revoke(world.actor("ada"), grant.id, reason="a breach")
    with pytest.raises(Conflict):
        refreshed(world, issued.refresh_token or "")


def test_a_refresh_token_is_bound_to_the_key_it_was_issued_for(world: World) -> None:
    key, other = new_key(), new_key("P-256")
    endpoint, now = world.portal.oauth.token_endpoint, world.clock()
    _text, secret = kept_fresh(world, key_thumbprint=thumbprint_of(key))
    assert code(lambda: refreshed(world, secret)) == "proof_required"
    assert code(lambda: refreshed(world, secret, proof(other, "POST", endpoint, now))) == "proof_required"
    answer = refreshed(world, secret, proof(key, "POST", endpoint, now))
    assert answer.token_type == "DPoP"


def test_a_bound_token_is_good_with_its_key_alone(world: World) -> None:
    key = new_key()
    thumbprint = thumbprint_of(key)
    text = person_token(world, world.grant(), key_thumbprint=thumbprint)
    assert who(world, text, thumbprint).key_thumbprint == thumbprint
    assert code(lambda: who(world, text)) == "proof_required"
    assert code(lambda: who(world, text, thumbprint_of(new_key()))) == "proof_required"
    unbound = person_token(world, world.grant())
    assert code(lambda: who(world, unbound, thumbprint)) == "token_not_bound"


def test_a_child_of_a_bound_token_is_bound(world: World) -> None:
    key, delegates = new_key(), new_key()
    endpoint, now = world.portal.oauth.token_endpoint, world.clock()
    text = person_token(world, world.grant(), key_thumbprint=thumbprint_of(key))
    assert code(lambda: token(world, exchange(text))) == "proof_required"
    child = token(world, exchange(text), proof(key, "POST", endpoint, now))
    keyless = exchange(text, delegate=world.people["cleo"].id)
    assert code(lambda: token(world, keyless, proof(key, "POST", endpoint, now))) == "key_needed"
    assert world.portal.tokens.look_up(text).actor.key_thumbprint is None
    assert (child.token_type, who(world, child.access_token, thumbprint_of(key)).program) == ("DPoP", False)
    passed = token(
        world,
        exchange(text, delegate=world.people["cleo"].id, dpop_jkt=thumbprint_of(delegates)),
        proof(key, "POST", endpoint, now),
    )
    assert who(world, passed.access_token, thumbprint_of(delegates)).person_id == world.people["cleo"].id


def test_a_grant_for_key_holders_issues_no_other_token(world: World) -> None:
    grant = world.grant(holder_bound=True)
    assert code(lambda: person_token(world, grant)) == "key_needed"
    assert person_token(world, grant, key_thumbprint=thumbprint_of(new_key()))
