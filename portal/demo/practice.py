"""Norms and release decisions of the story: one norm adopted over dissent, one open, four steps, one halt."""

from collections.abc import Sequence

from agreements.actors import LAB
from model_access.stages import Stage
from portal.demo.cast import ESTUARY, NORTHGATE, OPENWATCH, TESSELLATE
from portal.demo.world import World
from portal.norms import Choice, Decision, EvidenceLink, NormClause, NormDraft, NormText, Objection, PositionDraft
from portal.release.model import DissentEntry, FindingCitation, NormCitation, Proposal, Verdict


def first_norm_opens(world: World) -> None:
    """Smallest first, proposed by Northgate."""
    world.on(108.6)
    text = NormText(
        title="Release the smallest size first, with its evidence",
        clauses=(
            NormClause(
                clause_id="order",
                text="Checkpoints of one family move towards release from the smallest to the largest, stage by stage.",
            ),
            NormClause(
                clause_id="evidence",
                text="A step cites at least one finding about the very checkpoint that moves; null results count.",
            ),
            NormClause(
                clause_id="pause",
                text="Between two steps of one family at least three weeks pass, so that partners can look.",
            ),
        ),
        evidence=(_link(world, "scaling", "evidence"), _link(world, "no-recall", "evidence")),
    )
    world.norms["smallest-first"] = world.portal.norms.propose(
        world.as_("priya"), NormDraft(institution_id=NORTHGATE, quorum=3, text=text)
    )
    _position(world, "smallest-first", "priya", NORTHGATE, Choice.SUPPORT, days_ago=106.4)


def first_norm_is_adopted(world: World) -> None:
    """Open Watch objects, two others do not; the objection goes into the outcome in its own words."""
    _position(
        world,
        "smallest-first",
        "elena",
        OPENWATCH,
        Choice.OBJECT,
        days_ago=101.8,
        reason="Three weeks are shorter than it takes to train and test a detector on a new size.",
        objection=Objection(
            clause_id="pause",
            harm="Output of a new size circulates before anybody can recognise it.",
            cure="Six weeks, or a detection result about the size as a condition of the step.",
        ),
    )
    _position(
        world,
        "smallest-first",
        "malcolm",
        ESTUARY,
        Choice.NO_OBJECTION,
        days_ago=99.5,
        reason="We would have preferred a fixed calendar, and can live without one.",
    )
    _position(world, "smallest-first", "mara", LAB, Choice.SUPPORT, days_ago=98.3)
    world.on(96.4)
    norm = world.norms["smallest-first"]
    world.norms["smallest-first"] = world.portal.norms.record_outcome(
        world.as_("mara"),
        norm.norm_id,
        Decision.ADOPTED_WITH_DISSENT,
        revision_digest=norm.revision_digest,
        rationale="Three of four institutions support it or do not object. Open Watch's objection stands in its own "
        "words: the lab will ask for a detection result before the step of any size larger than the first two.",
    )


def smallest_opens_to_partners(world: World) -> None:
    """The first step anybody took."""
    _decide(
        world,
        world.sizes[0],
        Stage.WITHHELD,
        Stage.PARTNER_ACCESS,
        days_ago=94.2,
        findings=("scaling", "no-recall"),
        rationale="Two partners measured the smallest size and found neither recall nor reach. All may look now.",
    )


def smallest_goes_public(world: World) -> None:
    """Public, with conditions; the second size follows to the partners."""
    _decide(
        world,
        world.sizes[0],
        Stage.PARTNER_ACCESS,
        Stage.PUBLIC,
        days_ago=71.6,
        findings=("no-recall", "detection"),
        conditions=("The model card names the detection result and its limits.",),
        rationale="Three weeks of partner access brought nothing new against it; what detection can do is known.",
    )
    _decide(
        world,
        world.sizes[1],
        Stage.WITHHELD,
        Stage.PARTNER_ACCESS,
        days_ago=70.3,
        findings=("scaling", "detection", "advice"),
        rationale="The misuse finding is moderate and needs a careless reader; partners should look at it more widely.",
    )


def third_opens_to_partners(world: World) -> None:
    """The third size, after the bias measurement."""
    _decide(
        world,
        world.sizes[2],
        Stage.WITHHELD,
        Stage.PARTNER_ACCESS,
        days_ago=41.7,
        findings=("scaling", "bias", "advice"),
        conditions=(
            "A detection result at this size is filed within six weeks.",
            "The bias suite of eight hundred pairs is run before any further step.",
        ),
        rationale="No severe finding. The open questions need more partners to be answered, so partners get it.",
        dissent=(
            DissentEntry(
                institution_id=OPENWATCH,
                text="The detection result should have come first; a condition afterwards is what we objected to.",
            ),
        ),
    )


def second_norm_opens(world: World) -> None:
    """A detection window, proposed by Open Watch, objected to by a developer."""
    world.on(29.4)
    text = NormText(
        title="A detection window before each step",
        clauses=(
            NormClause(
                clause_id="window",
                text="Before a size leaves the partners, detectors have eight weeks with its output.",
            ),
            NormClause(clause_id="report", text="What they find is filed, null results included."),
        ),
        evidence=(_link(world, "detection", "window"), _link(world, "credibility", "window")),
    )
    norm = world.portal.norms.propose(world.as_("samir"), NormDraft(institution_id=OPENWATCH, quorum=3, text=text))
    world.norms["window"] = norm
    _position(
        world,
        "window",
        "yuki",
        TESSELLATE,
        Choice.OBJECT,
        days_ago=28.2,
        reason="Eight weeks for every size stops small sizes that nobody fears.",
        objection=Objection(
            clause_id="window",
            harm="Developers wait two months for models that detectors already recognise.",
            cure="Four weeks, and none for a size no larger than one that is public already.",
        ),
    )


def second_norm_is_revised(world: World) -> None:
    """Shorter, after the objection; positions on the first revision are stale from now on."""
    world.on(20.6)
    norm = world.norms["window"]
    window = NormClause(
        clause_id="window",
        text="Before a size leaves the partners, detectors have six weeks with its output; none are needed for a "
        "size no larger than one that is public already.",
    )
    text = NormText(title=norm.title, clauses=(window, *norm.clauses[1:]), evidence=norm.evidence)
    world.norms["window"] = world.portal.norms.revise(
        world.as_("samir"), norm.norm_id, text, base=norm.revision_digest, note="Shorter, and not for small sizes."
    )


def second_norm_is_answered(world: World) -> None:
    """Two support the revision; the lab and the others have not spoken."""
    _position(world, "window", "elena", OPENWATCH, Choice.SUPPORT, days_ago=14.9)
    _position(
        world,
        "window",
        "priya",
        NORTHGATE,
        Choice.SUPPORT,
        days_ago=13.2,
        reason="Our finding at the largest size is a reason for it.",
    )


def largest_stays(world: World) -> None:
    """A decision not to release is a decision too."""
    _decide(
        world,
        world.sizes[3],
        Stage.WITHHELD,
        None,
        days_ago=11.8,
        findings=("advice-largest", "scaling", "benefit"),
        rationale="Its form outruns its sense, and the one detector that was tried fails where people sample. "
        "The largest size stays withheld; named grants remain open for evaluation, and a detection result at this size "
        "brings the question back.",
        dissent=(
            DissentEntry(
                institution_id=TESSELLATE,
                text="The benefit is real and larger models are public elsewhere; holding back protects little.",
            ),
        ),
    )


def _link(world: World, name: str, clause_id: str) -> EvidenceLink:
    view = world.findings[name]
    return EvidenceLink(finding_id=view.finding_id, version=view.version, digest=view.digest, clause_id=clause_id)


def _position(
    world: World,
    norm: str,
    key: str,
    institution_id: str,
    position: Choice,
    *,
    days_ago: float,
    reason: str = "",
    objection: Objection | None = None,
) -> None:
    world.on(days_ago)
    view = world.norms[norm]
    world.norms[norm] = world.portal.norms.take_position(
        world.as_(key),
        view.norm_id,
        PositionDraft(
            institution_id=institution_id,
            revision_digest=view.revision_digest,
            position=position,
            reason=reason,
            objection=objection,
        ),
    )


def _decide(
    world: World,
    checkpoint_id: str,
    from_stage: Stage,
    to_stage: Stage | None,
    *,
    days_ago: float,
    findings: Sequence[str],
    rationale: str,
    conditions: tuple[str, ...] = (),
    dissent: tuple[DissentEntry, ...] = (),
) -> None:
    world.on(days_ago)
    norm = world.norms["smallest-first"]
    verdict = Verdict.HOLD if to_stage is None else Verdict.GO_WITH_CONDITIONS if conditions else Verdict.GO
    world.portal.release.decide(
        world.as_("mara"),
        Proposal(
            checkpoint_id=checkpoint_id,
            from_stage=from_stage,
            verdict=verdict,
            to_stage=to_stage,
            rationale=rationale,
            conditions=conditions,
            findings=tuple(
                FindingCitation(finding_id=view.finding_id, version=view.version, digest=view.digest)
                for view in (world.findings[name] for name in findings)
            ),
            norms=(
                NormCitation(
                    norm_id=norm.norm_id,
                    revision_digest=norm.revision_digest,
                    outcome=Decision.ADOPTED_WITH_DISSENT,
                ),
            ),
            dissent=dissent,
        ),
    )
