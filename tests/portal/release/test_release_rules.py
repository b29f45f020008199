"""What a release decision must cite, and who may take it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.actors import LAB, Actor, Membership, Role
from agreements.dsse import sign
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, VerificationError
from agreements.keys import SigningKey
from model_access.stages import Move, Stage
from portal.norms.model import Decision as NormDecision
from portal.release.decider import DECISION, RecordDecision, Requirement, missing, requirements
from portal.release.model import (
    DECISION_TYPE,
    FindingCitation,
    NormCitation,
    Proposal,
    ReleaseDecision,
    Verdict,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY, OTHER_KEY = SigningKey.generate(), SigningKey.generate()
COORDINATOR = Actor(person_id="cora", name="Cora", memberships=(Membership(institution_id=LAB, role=Role.COORDINATOR),))
LEAD = Actor(person_id="lea", name="Lea", memberships=(Membership(institution_id="uni", role=Role.PARTNER_LEAD),))
DIGEST = "sha256:" + "a" * 64
FINDING = FindingCitation(finding_id="CDT-2026-0001", version=1, digest=DIGEST, about_checkpoint=True)
ASIDE = FindingCitation(finding_id="CDT-2026-0002", version=1, digest=DIGEST)
ADOPTED = NormCitation(norm_id="NRM-0001", revision_digest=DIGEST, outcome=NormDecision.ADOPTED)
DISSENTED = NormCitation(norm_id="NRM-0002", revision_digest=DIGEST, outcome=NormDecision.ADOPTED_WITH_DISSENT)
REJECTED = NormCitation(norm_id="NRM-0003", revision_digest=DIGEST, outcome=NormDecision.REJECTED)


def proposal(**changes: Any) -> Proposal:
    return Proposal.model_validate(
        {
            "checkpoint_id": "ladder-xl",
            "from_stage": Stage.WITHHELD,
            "verdict": Verdict.GO,
            "to_stage": Stage.PARTNER_ACCESS,
            "rationale": "The evidence carries it.",
            "findings": (FINDING,),
            "norms": (ADOPTED,),
            **changes,
        }
    )


def command(chosen: Proposal, *, key: SigningKey = KEY, **changes: Any) -> RecordDecision:
    decision = ReleaseDecision.model_validate(
        {"decision_id": "DEC-0001", "proposal": chosen, "decided_by": "cora", "decided_at": NOW, **changes}
    )
    return RecordDecision(
        decision=decision,
        envelope=sign(DECISION_TYPE, decision.payload(), key),
        lab_key=KEY.public.raw.hex(),
    )


def refused(chosen: RecordDecision, actor: Actor, kind: type[ConcordatError], code: str) -> None:
    with pytest.raises(kind) as refusal:
        DECISION.decide(DECISION.initial, chosen, actor, NOW)
    assert refusal.value.code == code


def test_a_complete_decision_is_recorded_with_its_signature() -> None:
    state = DECISION.fold(DECISION.decide(DECISION.initial, command(proposal()), COORDINATOR, NOW))
    assert state.decision is not None
    assert state.decision.proposal == proposal()
    with pytest.raises(Conflict) as refusal:
        DECISION.decide(state, command(proposal()), COORDINATOR, NOW)
    assert refusal.value.code == "number_taken"


findings = st.lists(st.sampled_from([FINDING, ASIDE]), unique=True).map(tuple)
norms = st.lists(st.sampled_from([ADOPTED, DISSENTED, REJECTED]), unique=True).map(tuple)


@given(st.sampled_from(Stage), st.sampled_from([*Stage, None]), findings, norms)
def test_nothing_moves_without_what_the_move_requires(
    origin: Stage, goal: Stage | None, cited: tuple[FindingCitation, ...], followed: tuple[NormCitation, ...]
) -> None:
    chosen = proposal(
        from_stage=origin,
        to_stage=goal,
        verdict=Verdict.GO if goal else Verdict.HOLD,
        findings=cited,
        norms=followed,
    )
    neighbours = goal is None or goal in (origin.next, origin.previous)
    advances = goal is not None and goal is origin.next
    enough = FINDING in cited and (not advances or ADOPTED in followed or DISSENTED in followed)
    if neighbours and enough and REJECTED not in followed:
        assert len(DECISION.decide(DECISION.initial, command(chosen), COORDINATOR, NOW)) == 1
        assert missing(chosen) == ()
        return
    with pytest.raises(Conflict) as refusal:
        DECISION.decide(DECISION.initial, command(chosen), COORDINATOR, NOW)
    expected = "evidence_missing" if not enough else "norm_not_adopted"
    assert refusal.value.code == (expected if neighbours else "no_such_step")


def test_a_recall_does_not_wait_for_a_norm() -> None:
    recall = proposal(from_stage=Stage.PUBLIC, to_stage=Stage.PARTNER_ACCESS, norms=())
    assert DECISION.decide(DECISION.initial, command(recall), COORDINATOR, NOW)
    assert Requirement.ADOPTED_NORM not in requirements(Move.RECALL)


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": Verdict.HOLD},
        {"to_stage": None},
        {"verdict": Verdict.GO_WITH_CONDITIONS},
        {"conditions": ("Rate limits",)},
        {"findings": (FINDING, FINDING)},
        {"norms": (ADOPTED, ADOPTED)},
    ],
)
def test_a_proposal_that_contradicts_itself_is_not_one(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        proposal(**changes)


def test_only_a_coordinator_decides() -> None:
    refused(command(proposal()), LEAD, Forbidden, "coordinator_only")


def test_a_decision_in_another_name_or_of_another_time_is_refused() -> None:
    refused(command(proposal(), decided_by="lea"), COORDINATOR, Invalid, "decision_misdated")
    refused(command(proposal(), decided_at=NOW + timedelta(seconds=1)), COORDINATOR, Invalid, "decision_misdated")


def test_a_signature_by_another_key_or_over_another_document_is_refused() -> None:
    with pytest.raises(VerificationError):
        DECISION.decide(DECISION.initial, command(proposal(), key=OTHER_KEY), COORDINATOR, NOW)
    other = command(proposal(rationale="Another.")).envelope
    swapped = command(proposal()).model_copy(update={"envelope": other})
    refused(swapped, COORDINATOR, VerificationError, "other_document")


def test_the_signed_document_cites_findings_by_digest_alone() -> None:
    payload = command(proposal(findings=(FINDING, ASIDE))).decision.payload()
    assert b"CDT-2026-0001" not in payload
    assert FINDING.citation_digest.encode() in payload
