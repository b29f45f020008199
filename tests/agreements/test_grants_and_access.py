"""Grants within their agreement, and the one rule of who may query what."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.access import Allowed, Basis, Denied, Held, Question, Subject, decide_access
from agreements.actors import Actor
from agreements.agreement import Agreement, Terminate
from agreements.errors import Conflict, Fixer, Forbidden, Invalid
from agreements.grants import GRANT, AccessLevel, Grant, IssueGrant, RevokeGrant
from agreements.scopes import Operation, Scope
from tests.agreements.parties import (
    COORDINATOR,
    LATER,
    LEAD,
    MEMBER,
    NOW,
    OUTSIDER,
    PARTNER,
    RESEARCHER,
    apply,
    in_force,
)

AGREEMENT = in_force()
WIDEST = AGREEMENT.bounds()
BOUNDS = WIDEST.scope
GENERATE = Question(operations=frozenset({Operation.GENERATE}), purpose="bias-analysis")


def issued(agreement: Agreement = AGREEMENT, actor: Actor = COORDINATOR, **changes: object) -> Grant:
    """A grant of all the agreement allows, with changes."""
    scope = BOUNDS.model_copy(update=changes)
    command = IssueGrant(
        grant_id="grt_test",
        institution_id=PARTNER,
        agreement_id=agreement.id,
        agreement_digest=agreement.document_digest or "",
        label="test grant",
        scope=scope,
        bounds=WIDEST,
    )
    return GRANT.fold(GRANT.decide(Grant(), command, actor, NOW))


def revoked() -> Grant:
    """A grant that was revoked."""
    grant = issued()
    return GRANT.fold(GRANT.decide(grant, RevokeGrant(reason="leaked token"), COORDINATOR, LATER), grant)


def subject(stage: str, checkpoint_id: str = "ladder-l") -> Subject:
    """A checkpoint at a stage."""
    return Subject.model_validate({"checkpoint_id": checkpoint_id, "family": "ladder", "stage": stage})


def ask(
    actor: Actor, target: Subject, grant: Grant | None, question: Question = GENERATE, agreement: Agreement = AGREEMENT
) -> Allowed | Denied:
    """The answer a day later."""
    return decide_access(actor, target, question, [Held(grant=grant, agreement=agreement)] if grant else [], LATER)


def code(answer: Allowed | Denied) -> str:
    """The denial's code, or the ground of the permission."""
    return answer.code if isinstance(answer, Denied) else answer.basis.value


@pytest.mark.parametrize(
    ("changes", "dimension"),
    [
        ({"checkpoints": frozenset({"other"})}, "checkpoints"),
        ({"operations": frozenset({Operation.FINE_TUNE})}, "operations"),
        ({"purposes": frozenset({"profit"})}, "purposes"),
        ({"token_budget": BOUNDS.token_budget + 1}, "token_budget"),
        ({"requests_per_minute": BOUNDS.requests_per_minute + 1}, "requests_per_minute"),
        ({"expires_at": BOUNDS.expires_at + timedelta(seconds=1)}, "expires_at"),
    ],
)
def test_a_grant_beyond_its_agreement_is_refused_with_the_dimension(changes: dict[str, object], dimension: str) -> None:
    with pytest.raises(Invalid) as refused:
        issued(**changes)  # type: ignore[arg-type]  # fields of a scope
    assert refused.value.code == "beyond_agreement"
    assert refused.value.param == dimension


@pytest.mark.parametrize("actor", [LEAD, MEMBER, OUTSIDER, RESEARCHER])
def test_only_coordinators_issue(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        issued(actor=actor)


@pytest.mark.parametrize(
    ("high_risk", "agreed_by", "request_id", "refused"),
    [
        (("ladder-l is withheld",), COORDINATOR.person_id, "", True),
        (("ladder-l is withheld",), "per_another", "", False),
        ((), COORDINATOR.person_id, "", False),
        (("ladder-l is withheld",), COORDINATOR.person_id, "req_test", False),
    ],
)
def test_high_risk_is_not_opened_by_whoever_signed_for_the_lab_alone(
    high_risk: tuple[str, ...], agreed_by: str, request_id: str, *, refused: bool
) -> None:
    command = IssueGrant(
        grant_id="grt_test",
        institution_id=PARTNER,
        agreement_id=AGREEMENT.id,
        agreement_digest=AGREEMENT.document_digest or "",
        label="test grant",
        scope=BOUNDS,
        bounds=WIDEST,
        request_id=request_id,
        high_risk=high_risk,
        agreed_by=(agreed_by,),
    )
    if not refused:
        assert GRANT.decide(Grant(), command, COORDINATOR, NOW)
        return
    with pytest.raises(Conflict) as refusal:
        GRANT.decide(Grant(), command, COORDINATOR, NOW)
    assert (refusal.value.code, refusal.value.fixer) == ("second_person_needed", Fixer.COORDINATOR)


def test_revocation_is_for_good() -> None:
    grant = revoked()
    with pytest.raises(Conflict) as refused:
        GRANT.decide(grant, RevokeGrant(reason="once more"), COORDINATOR, LATER)
    assert refused.value.code == "already_revoked"
    assert code(ask(MEMBER, subject("withheld"), grant)) == "grant_revoked"


@pytest.mark.parametrize(
    ("operations", "level"),
    [
        ({Operation.GENERATE}, AccessLevel.AL1),
        ({Operation.GENERATE, Operation.LOGPROBS}, AccessLevel.AL2),
        ({Operation.ACTIVATIONS}, AccessLevel.AL3),
    ],
)
def test_access_level_follows_the_operations(operations: set[Operation], level: AccessLevel) -> None:
    scope = BOUNDS.model_copy(update={"operations": frozenset(operations)})
    assert Grant(scope=scope).access_level is level


NAMED = issued(checkpoints=frozenset({"ladder-l"}))
BY_FAMILY = issued(checkpoints=frozenset({"ladder/*"}))


@pytest.mark.parametrize(
    ("stage", "actor", "grant", "expected"),
    [
        ("withheld", MEMBER, NAMED, "grant"),
        ("withheld", MEMBER, BY_FAMILY, "checkpoint_not_granted"),
        ("withheld", MEMBER, None, "no_grant"),
        ("withheld", RESEARCHER, None, "no_grant"),
        ("withheld", COORDINATOR, None, "lab"),
        ("partner_access", MEMBER, NAMED, "grant"),
        ("partner_access", MEMBER, BY_FAMILY, "grant"),
        ("partner_access", RESEARCHER, None, "no_grant"),
        ("partner_access", OUTSIDER, BY_FAMILY, "not_a_member"),
        ("public", RESEARCHER, None, "public"),
        ("public", MEMBER, BY_FAMILY, "grant"),
        ("retired", MEMBER, NAMED, "checkpoint_retired"),
        ("retired", COORDINATOR, None, "checkpoint_retired"),
    ],
)
def test_who_may_query_follows_the_stage(stage: str, actor: Actor, grant: Grant | None, expected: str) -> None:
    assert code(ask(actor, subject(stage), grant)) == expected


def test_a_token_is_held_to_the_grant_it_names() -> None:
    bound = MEMBER.model_copy(update={"grant_id": "grt_test"})
    assert code(ask(bound, subject("public"), revoked())) == "grant_revoked"
    assert code(ask(MEMBER, subject("public"), revoked())) == "public"


def test_operations_are_separate_permissions() -> None:
    grant = issued(operations=frozenset({Operation.GENERATE}))
    question = Question(operations=frozenset({Operation.GENERATE, Operation.LOGPROBS}), purpose="bias-analysis")
    denied = ask(MEMBER, subject("withheld"), grant, question)
    assert isinstance(denied, Denied)
    assert denied.code == "operation_not_granted"
    assert "logprobs" in denied.message


def test_a_purpose_is_declared_and_granted() -> None:
    several = Question(operations=frozenset({Operation.GENERATE}))
    assert code(ask(MEMBER, subject("withheld"), NAMED, several)) == "purpose_required"
    other = Question(operations=frozenset({Operation.GENERATE}), purpose="profit")
    assert code(ask(MEMBER, subject("withheld"), NAMED, other)) == "purpose_not_granted"
    single = issued(purposes=frozenset({"bias-analysis"}))
    answer = ask(MEMBER, subject("withheld"), single, several)
    assert isinstance(answer, Allowed)
    assert answer.purpose == "bias-analysis"


def test_an_ended_agreement_ends_its_grants() -> None:
    ended = apply(AGREEMENT, Terminate(reason="breach of terms"), COORDINATOR, LATER)
    denied = ask(MEMBER, subject("withheld"), NAMED, agreement=ended)
    assert isinstance(denied, Denied)
    assert denied.code == "agreement_not_in_force"
    assert denied.fixer is Fixer.COORDINATOR


def test_an_expired_grant_says_when() -> None:
    short = issued(expires_at=NOW + timedelta(hours=1))
    denied = ask(MEMBER, subject("withheld"), short)
    assert isinstance(denied, Denied)
    assert denied.code == "grant_expired"
    assert "2026-03-01 13:00 UTC" in denied.message


SCOPE_PARTS = st.fixed_dictionaries(
    {
        "checkpoints": st.frozensets(st.sampled_from(["ladder-l", "ladder-s", "ladder/*"]), min_size=1),
        "operations": st.frozensets(st.sampled_from([Operation.GENERATE, Operation.SCORE]), min_size=1),
        "purposes": st.frozensets(st.sampled_from(["bias-analysis", "misuse-analysis"]), min_size=1),
    }
)


@given(
    SCOPE_PARTS,
    st.sampled_from(["withheld", "partner_access", "public", "retired"]),
    st.sampled_from([Operation.GENERATE, Operation.SCORE]),
    st.sampled_from([None, "bias-analysis", "profit"]),
    st.booleans(),
)
def test_a_grant_never_opens_what_it_does_not_contain(
    parts: dict[str, frozenset[str]], stage: str, operation: Operation, purpose: str | None, is_revoked: bool
) -> None:
    grant = Grant(
        id="grt_x",
        institution_id=PARTNER,
        agreement_id=AGREEMENT.id,
        agreement_digest=AGREEMENT.document_digest or "",
        scope=Scope.model_validate(BOUNDS.model_dump() | parts),
    )
    if is_revoked:
        grant = GRANT.fold(GRANT.decide(grant, RevokeGrant(reason="misuse"), COORDINATOR, NOW), grant)
    bound = MEMBER.model_copy(update={"grant_id": grant.id})
    answer = ask(bound, subject(stage), grant, Question(operations=frozenset({operation}), purpose=purpose))
    if isinstance(answer, Allowed):
        scope = grant.scope
        assert scope is not None
        assert not is_revoked
        assert stage != "retired"
        assert operation in scope.operations
        assert answer.purpose in scope.purposes
        assert "ladder-l" in scope.checkpoints or (stage != "withheld" and "ladder/*" in scope.checkpoints)
        assert answer.basis is Basis.GRANT
    else:
        assert answer.message
        assert answer.hint
