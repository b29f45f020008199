"""From findings and a norm to a stage, on a real store."""

from typing import TYPE_CHECKING, Any

import pytest

from agreements.dsse import Envelope, verify
from agreements.errors import Conflict, Forbidden, Invalid, NotFound
from model_access.stages import Stage
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Severity
from portal.findings.service import FindingDraft, FindingView
from portal.norms.model import Choice, Decision, EvidenceLink, NormClause, NormText, Objection
from portal.norms.service import NormDraft, NormView, PositionDraft
from portal.release.board import BoardCell
from portal.release.decider import Requirement
from portal.release.model import FindingCitation, NormCitation, Proposal, Verdict
from portal.services.aggregates import CHECKPOINTS

if TYPE_CHECKING:
    from tests.portal.release.conftest import World


def file(world: "World", **changes: Any) -> FindingView:
    draft = FindingDraft.model_validate(
        {
            "institution_id": "uni",
            "title": "Detection stays feasible",
            "summary": "Accuracy falls slowly with size.",
            "kind": Kind.DETECTION_RESULT,
            "severity": Severity.LOW,
            "marking": Tlp.GREEN,
            "checkpoint_ids": ("ladder-xl",),
            **changes,
        }
    )
    return world.findings.file(world.reporter, draft)


def take(world: "World", norm: NormView, institution: str, choice: Choice) -> None:
    objection = Objection(clause_id="wait", harm="Slow", cure="Shorten")
    draft = PositionDraft(
        institution_id=institution,
        revision_digest=norm.revision_digest,
        position=choice,
        reason="Because",
        objection=objection if choice is Choice.OBJECT else None,
    )
    actor = world.uni_lead if institution == "uni" else world.institute_lead
    world.norms.take_position(actor, norm.norm_id, draft)


def propose_norm(world: "World", finding: FindingView) -> NormView:
    link = EvidenceLink(finding_id=finding.finding_id, version=finding.version, digest=finding.digest)
    text = NormText(title="Wait", clauses=(NormClause(clause_id="wait", text="Wait."),), evidence=(link,))
    return world.norms.propose(world.uni_lead, NormDraft(institution_id="uni", quorum=2, text=text))


def adopt_norm(world: "World", finding: FindingView) -> NormView:
    norm = propose_norm(world, finding)
    take(world, norm, "uni", Choice.SUPPORT)
    take(world, norm, "institute", Choice.SUPPORT)
    return world.norms.record_outcome(
        world.coordinator,
        norm.norm_id,
        Decision.ADOPTED,
        revision_digest=norm.revision_digest,
        rationale="Agreed.",
    )


def cite(*findings: FindingView) -> tuple[FindingCitation, ...]:
    return tuple(FindingCitation(finding_id=f.finding_id, version=f.version, digest=f.digest) for f in findings)


def proposal(findings: tuple[FindingCitation, ...], norms: tuple[NormView, ...] = (), **changes: Any) -> Proposal:
    return Proposal.model_validate(
        {
            "checkpoint_id": "ladder-xl",
            "from_stage": Stage.WITHHELD,
            "verdict": Verdict.GO,
            "to_stage": Stage.PARTNER_ACCESS,
            "rationale": "The evidence carries it.",
            "findings": findings,
            "norms": tuple(NormCitation(norm_id=n.norm_id, revision_digest=n.revision_digest) for n in norms),
            **changes,
        }
    )


def stage(world: "World", checkpoint_id: str = "ladder-xl") -> Stage:
    return world.kernel.state(CHECKPOINTS, checkpoint_id).stage


def cell(world: "World", checkpoint_id: str = "ladder-xl") -> BoardCell:
    cells = world.release.board(world.institute_lead).families[0].cells
    return next(c for c in cells if c.checkpoint.checkpoint_id == checkpoint_id)


def test_a_checkpoint_moves_by_a_signed_decision_and_both_are_one_commit(world: "World") -> None:
    finding = file(world)
    norm = adopt_norm(world, finding)
    view = world.release.decide(world.coordinator, proposal(cite(finding), (norm,)))
    assert view.decision.decision_id == "DEC-0001"
    assert stage(world) is Stage.PARTNER_ACCESS
    assert stage(world, "ladder-s") is Stage.WITHHELD
    payload = verify(Envelope.from_json(view.envelope), [world.kernel.lab_key.public])
    assert payload == view.decision.payload()
    last = world.kernel.store.events(after=-1)[-2:]
    assert [event.event.type_name for event in last] == ["decision:recorded", "checkpoint:stage_changed"]


def test_a_hold_changes_no_stage(world: "World") -> None:
    view = world.release.decide(world.coordinator, proposal(cite(file(world)), verdict=Verdict.HOLD, to_stage=None))
    assert view.decision.proposal.verdict is Verdict.HOLD
    assert stage(world) is Stage.WITHHELD
    assert world.release.list(world.institute_lead)[0].verdict is Verdict.HOLD


def test_nothing_moves_without_evidence(world: "World") -> None:
    finding = file(world)
    norm = adopt_norm(world, finding)
    aside = file(world, checkpoint_ids=("ladder-s",))
    for chosen in (proposal((), (norm,)), proposal(cite(finding)), proposal(cite(aside), (norm,))):
        with pytest.raises(Conflict) as refusal:
            world.release.decide(world.coordinator, chosen)
        assert refusal.value.code == "evidence_missing"
    assert stage(world) is Stage.WITHHELD
    assert world.release.list(world.coordinator) == ()


def test_a_norm_is_cited_as_it_was_decided_whatever_the_caller_says(world: "World") -> None:
    finding = file(world)
    norm = propose_norm(world, finding)
    with pytest.raises(Conflict) as refusal:
        world.release.decide(world.coordinator, proposal(cite(finding), (norm,)))
    assert refusal.value.code == "norm_open"
    world.norms.record_outcome(
        world.coordinator,
        norm.norm_id,
        Decision.RETURNED,
        revision_digest=norm.revision_digest,
        rationale="No.",
    )
    chosen = proposal(cite(finding), (norm,))
    claimed = chosen.norms[0].model_copy(update={"outcome": Decision.ADOPTED})
    with pytest.raises(Conflict) as refusal:
        world.release.decide(world.coordinator, chosen.model_copy(update={"norms": (claimed,)}))
    assert refusal.value.code == "evidence_missing"


def test_evidence_that_changed_must_be_read_again(world: "World") -> None:
    finding = file(world)
    norm = adopt_norm(world, finding)
    draft = world.findings.draft_of(world.reporter, finding.finding_id)
    world.findings.revise(
        world.reporter, finding.finding_id, draft.model_copy(update={"title": "Corrected"}), base=1, note="n"
    )
    with pytest.raises(Conflict) as refusal:
        world.release.decide(world.coordinator, proposal(cite(finding), (norm,)))
    assert refusal.value.code == "stale_citation"
    forged = cite(finding)[0].model_copy(update={"digest": "sha256:" + "0" * 64, "version": 2})
    with pytest.raises(Invalid):
        world.release.decide(world.coordinator, proposal((forged,), (norm,)))


def test_a_checkpoint_that_moved_meanwhile_is_not_moved_again(world: "World") -> None:
    finding = file(world)
    chosen = proposal(cite(finding), (adopt_norm(world, finding),))
    world.release.decide(world.coordinator, chosen)
    with pytest.raises(Conflict) as refusal:
        world.release.decide(world.coordinator, chosen)
    assert refusal.value.code == "stage_moved_meanwhile"
    assert len(world.release.list(world.coordinator)) == 1


def test_a_recall_goes_one_step_back(world: "World") -> None:
    finding = file(world)
    world.release.decide(world.coordinator, proposal(cite(finding), (adopt_norm(world, finding),)))
    back = proposal(cite(finding), from_stage=Stage.PARTNER_ACCESS, to_stage=Stage.WITHHELD)
    assert world.release.decide(world.coordinator, back).decision.decision_id == "DEC-0002"
    assert stage(world) is Stage.WITHHELD


def test_the_same_request_twice_decides_once(world: "World") -> None:
    finding = file(world)
    chosen = proposal(cite(finding), (adopt_norm(world, finding),))
    first = world.release.decide(world.coordinator, chosen, idempotency_key="k")
    assert world.release.decide(world.coordinator, chosen, idempotency_key="k") == first
    assert len(world.release.list(world.coordinator)) == 1


def test_only_a_coordinator_decides_on_what_exists(world: "World") -> None:
    finding = file(world)
    with pytest.raises(Forbidden):
        world.release.decide(world.uni_lead, proposal(cite(finding)))
    with pytest.raises(NotFound):
        world.release.decide(world.coordinator, proposal(cite(finding), checkpoint_id="absent"))
    with pytest.raises(NotFound):
        world.release.get(world.uni_lead, "DEC-0009")


def test_cited_findings_show_only_to_their_readers(world: "World") -> None:
    hidden = file(world, marking=Tlp.RED)
    chosen = proposal(cite(hidden), verdict=Verdict.HOLD, to_stage=None)
    recorded = world.release.decide(world.coordinator, chosen)
    seen = world.release.get(world.institute_lead, recorded.decision.decision_id)
    assert seen.decision.proposal.findings == ()
    assert len(seen.hidden_findings) == 1
    assert hidden.finding_id not in str(seen)
    payload = verify(Envelope.from_json(seen.envelope), [world.kernel.lab_key.public])
    assert seen.hidden_findings[0].encode() in payload


def test_the_board_shows_what_the_next_step_lacks(world: "World") -> None:
    assert cell(world).missing == (Requirement.FINDING, Requirement.ADOPTED_NORM)
    finding = file(world)
    file(world, marking=Tlp.RED, kind=Kind.MISUSE_FINDING)
    assert cell(world).missing == (Requirement.ADOPTED_NORM,)
    assert cell(world).evidence == {Kind.DETECTION_RESULT: 1}
    norm = propose_norm(world, finding)
    take(world, norm, "institute", Choice.OBJECT)
    assert cell(world).open_objections == (f"{norm.norm_id} institute",)
    assert cell(world, "ladder-s").open_objections == ()
    adopted = adopt_norm(world, finding)
    world.release.decide(world.coordinator, proposal(cite(finding), (adopted,)))
    moved = cell(world)
    assert (moved.missing, moved.next_stage) == ((), Stage.PUBLIC)
    assert moved.last_decision is not None
    assert moved.last_decision.decision_id == "DEC-0001"


def test_the_board_orders_sizes(world: "World") -> None:
    families = world.release.board(world.coordinator).families
    assert [family.family for family in families] == ["ladder"]
    assert [c.checkpoint.checkpoint_id for c in families[0].cells] == ["ladder-s", "ladder-xl"]
