"""Positions, objections and outcomes of norms."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.actors import LAB, Actor, Membership, Role
from agreements.dsse import sign
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound, VerificationError
from agreements.keys import SigningKey
from portal.norms.decider import (
    NORM,
    NormCommand,
    Propose,
    RecordOutcome,
    ReviseNorm,
    TakePosition,
    blocks_to,
)
from portal.norms.model import (
    POSITION_TYPE,
    Choice,
    Decision,
    EvidenceLink,
    Norm,
    NormClause,
    NormText,
    Objection,
    PositionStatement,
    revision_digest,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ID = "NRM-0001"
INSTITUTIONS = ("uni", "institute", "charity", LAB)
KEYS = {institution: SigningKey.generate() for institution in INSTITUTIONS}


def lead(institution_id: str) -> Actor:
    role = Role.COORDINATOR if institution_id == LAB else Role.PARTNER_LEAD
    return Actor(
        person_id=f"lead-{institution_id}",
        name="Lead",
        memberships=(Membership(institution_id=institution_id, role=role),),
    )


COORDINATOR = lead(LAB)
MEMBER = Actor(
    person_id="mem", name="Member", memberships=(Membership(institution_id="uni", role=Role.PARTNER_MEMBER),)
)


def text(title: str = "Delay recipes", **changes: Any) -> NormText:
    clauses = (
        NormClause(clause_id="delay", text="Wait 30 days."),
        NormClause(clause_id="notice", text="Tell the lab."),
    )
    return NormText(title=title, clauses=clauses, **changes)


def propose(quorum: int = 2) -> Propose:
    return Propose(norm_id=ID, institution_id="uni", quorum=quorum, text=text())


def position(
    state: Norm, institution_id: str, choice: Choice, *, minutes: int = 0, **changes: Any
) -> PositionStatement:
    objection = Objection(clause_id="delay", harm="Slows defence", cure="Make it 7 days")
    return PositionStatement.model_validate(
        {
            "norm_id": ID,
            "revision_digest": state.current.digest,
            "institution_id": institution_id,
            "position": choice,
            "reason": "Because",
            "objection": objection if choice is Choice.OBJECT else None,
            "taken_at": NOW - timedelta(hours=1) + timedelta(minutes=minutes),
            **changes,
        }
    )


def signed(statement: PositionStatement, key: SigningKey | None = None) -> TakePosition:
    signer = key or KEYS[statement.institution_id]
    return TakePosition(
        envelope=sign(POSITION_TYPE, statement.payload(), signer),
        keys=(KEYS[statement.institution_id].public.raw.hex(),),
    )


def after(state: Norm, command: NormCommand, actor: Actor) -> Norm:
    return NORM.fold(NORM.decide(state, command, actor, NOW), state)


def proposed(quorum: int = 2) -> Norm:
    return after(NORM.initial, propose(quorum), lead("uni"))


def with_positions(state: Norm, **choices: Choice) -> Norm:
    for institution_id, choice in choices.items():
        state = after(state, signed(position(state, institution_id, choice)), lead(institution_id))
    return state


def record(state: Norm, decision: Decision) -> RecordOutcome:
    return RecordOutcome(decision=decision, revision_digest=state.current.digest, rationale="Read and weighed.")


def refused(state: Norm, command: NormCommand, actor: Actor, kind: type[ConcordatError], code: str) -> None:
    with pytest.raises(kind) as refusal:
        NORM.decide(state, command, actor, NOW)
    assert refusal.value.code == code


def test_observers_do_not_propose() -> None:
    observer = Actor(person_id="o", name="O", memberships=(Membership(institution_id="uni", role=Role.OBSERVER),))
    refused(NORM.initial, propose(), observer, Forbidden, "may_not_propose")


def test_an_unknown_norm_takes_no_command() -> None:
    unknown = RecordOutcome(decision=Decision.REJECTED, revision_digest="sha256:" + "0" * 64, rationale="No")
    refused(NORM.initial, unknown, COORDINATOR, NotFound, "norm_not_found")


def test_a_position_is_kept_with_a_signature_that_verifies() -> None:
    state = with_positions(proposed(), institute=Choice.SUPPORT)
    assert state.position_of("institute", state.current.digest) is not None
    assert state.positions[0].public_key == KEYS["institute"].public.raw.hex()


def test_a_foreign_key_does_not_speak_for_an_institution() -> None:
    state = proposed()
    command = signed(position(state, "institute", Choice.SUPPORT), key=KEYS["uni"])
    refused(state, command, lead("institute"), VerificationError, "foreign_key")


def test_a_member_does_not_bind_the_institution() -> None:
    state = proposed()
    refused(state, signed(position(state, "uni", Choice.SUPPORT)), MEMBER, Forbidden, "may_not_bind")


def test_a_lead_does_not_bind_another_institution() -> None:
    state = proposed()
    refused(state, signed(position(state, "uni", Choice.SUPPORT)), lead("institute"), Forbidden, "may_not_bind")


def test_a_position_on_an_older_revision_is_refused_and_kept_ones_go_stale() -> None:
    first = with_positions(proposed(), institute=Choice.OBJECT)
    second = after(first, ReviseNorm(base=first.current.digest, text=text("Shorter"), note="Cure"), lead("uni"))
    assert second.standing_objections == ()
    assert second.positions == first.positions
    late = signed(position(first, "charity", Choice.SUPPORT))
    refused(second, late, lead("charity"), Conflict, "stale_revision")


def test_one_institution_has_one_position_and_an_older_one_cannot_be_replayed() -> None:
    state = proposed()
    early = signed(position(state, "institute", Choice.OBJECT))
    state = after(state, early, lead("institute"))
    state = after(state, signed(position(state, "institute", Choice.SUPPORT, minutes=1)), lead("institute"))
    assert [p.statement.position for p in state.positions] == [Choice.SUPPORT]
    refused(state, early, lead("institute"), Conflict, "position_superseded")


def test_a_position_from_the_future_is_refused() -> None:
    state = proposed()
    command = signed(position(state, "institute", Choice.SUPPORT, taken_at=NOW + timedelta(hours=1)))
    refused(state, command, lead("institute"), Invalid, "position_from_future")


def test_an_objection_names_a_clause_that_is_there() -> None:
    state = proposed()
    objection = Objection(clause_id="absent", harm="h", cure="c")
    command = signed(position(state, "institute", Choice.OBJECT, objection=objection))
    refused(state, command, lead("institute"), Invalid, "unknown_clause")


@pytest.mark.parametrize(
    "changes",
    [
        {"position": Choice.OBJECT, "objection": None},
        {"position": Choice.OBJECT, "reason": " "},
        {"position": Choice.SUPPORT, "objection": Objection(clause_id="delay", harm="h", cure="c")},
        {"taken_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - the missing zone is the point
    ],
)
def test_an_incomplete_statement_is_not_one(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        position(proposed(), "uni", Choice.OBJECT, **changes)


@given(st.binary(max_size=200))
def test_whatever_is_signed_as_a_position_only_a_refusal_escapes(payload: bytes) -> None:
    command = TakePosition(envelope=sign(POSITION_TYPE, payload, KEYS["uni"]), keys=(KEYS["uni"].public.raw.hex(),))
    with pytest.raises(ConcordatError):
        NORM.decide(PROPOSED, command, lead("uni"), NOW)


def test_a_statement_with_a_second_reading_is_refused() -> None:
    state = proposed()
    payload = position(state, "uni", Choice.SUPPORT).payload() + b" "
    command = TakePosition(envelope=sign(POSITION_TYPE, payload, KEYS["uni"]), keys=(KEYS["uni"].public.raw.hex(),))
    refused(state, command, lead("uni"), Invalid, "bad_position")


PROPOSED = proposed()
choices = st.dictionaries(st.sampled_from(INSTITUTIONS), st.sampled_from(Choice))


@given(choices, st.sampled_from(Decision), st.integers(min_value=1, max_value=4))
def test_the_outcome_follows_the_declared_rule(positions: dict[str, Choice], decision: Decision, quorum: int) -> None:
    state = with_positions(proposed(quorum), **positions)
    counted = {i for i, choice in positions.items() if choice is not Choice.RECUSE}
    objects = {i for i, choice in positions.items() if choice is Choice.OBJECT}
    expected = {
        Decision.ADOPTED: len(counted) >= quorum and counted != {LAB} and not objects,
        Decision.ADOPTED_WITH_DISSENT: len(counted) >= quorum and counted != {LAB} and bool(objects),
        Decision.REJECTED: len(counted) >= quorum,
        Decision.RETURNED: True,
        Decision.WITHDRAWN: True,
    }[decision]
    if not expected:
        assert blocks_to(state, decision)
        with pytest.raises(Conflict):
            NORM.decide(state, record(state, decision), COORDINATOR, NOW)
        return
    assert blocks_to(state, decision) == ()
    outcome = after(state, record(state, decision), COORDINATOR).outcome
    assert outcome is not None
    assert {d.institution_id for d in outcome.dissent} == objects
    assert sum(outcome.tally.values()) == len(positions)


def test_dissent_is_carried_in_the_objectors_words() -> None:
    state = with_positions(proposed(), institute=Choice.OBJECT, charity=Choice.SUPPORT)
    state = after(state, record(state, Decision.ADOPTED_WITH_DISSENT), COORDINATOR)
    assert state.outcome is not None
    assert state.outcome.dissent[0].harm == "Slows defence"
    assert state.outcome.dissent[0].cure == "Make it 7 days"


def test_only_a_coordinator_decides_and_only_on_the_revision_that_was_read() -> None:
    state = with_positions(proposed(), institute=Choice.SUPPORT, charity=Choice.SUPPORT)
    refused(state, record(state, Decision.ADOPTED), lead("uni"), Forbidden, "coordinator_only")
    newer = after(state, ReviseNorm(base=state.current.digest, text=text("Other"), note="n"), COORDINATOR)
    refused(newer, record(state, Decision.ADOPTED), COORDINATOR, Conflict, "stale_revision")


def test_a_decided_norm_is_closed() -> None:
    state = after(proposed(), record(PROPOSED, Decision.WITHDRAWN), COORDINATOR)
    refused(state, record(state, Decision.REJECTED), COORDINATOR, Conflict, "norm_decided")


def test_strangers_do_not_revise() -> None:
    state = proposed()
    command = ReviseNorm(base=state.current.digest, text=text("Mine"), note="n")
    refused(state, command, lead("charity"), Forbidden, "not_your_norm")


def test_the_digest_covers_rule_words_and_evidence() -> None:
    link = EvidenceLink(finding_id="CDT-2026-0001", version=1, digest="sha256:" + "1" * 64)
    digests = {
        revision_digest(ID, 2, 1, text()),
        revision_digest(ID, 3, 1, text()),
        revision_digest(ID, 2, 2, text()),
        revision_digest(ID, 2, 1, text("Other")),
        revision_digest(ID, 2, 1, text(evidence=(link,))),
    }
    assert len(digests) == 5
