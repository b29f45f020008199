"""Release: the one path by which a checkpoint changes stage, and the board that shows where everything stands."""

from typing import Any

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.dsse import sign
from agreements.errors import Conflict, Forbidden, NotFound
from portal.inputs import parse
from portal.numbering import Series
from portal.release.board import Board, DecisionRow, build_board
from portal.release.decider import RecordDecision
from portal.release.model import DECISION_TYPE, Proposal, RecordedDecision, ReleaseDecision
from portal.release.ports import Evidence, Ladder, Practice
from portal.release.projection import DECISIONS
from portal.services.clicks import clicked
from portal.services.kernel import Kernel, Step
from portal.standing import is_active
from portal.store import Committed

SERIES = "DEC"


class DecisionView(Value):
    """A decision as one reader sees it, with the envelope that proves it."""

    decision: ReleaseDecision
    """With the citations of only those findings the reader may know of."""
    hidden_findings: tuple[str, ...]
    """Digests of the other citations; the signed document lists the digests of all."""
    digest: str
    envelope: dict[str, Any]
    """DSSE, by the lab; its payload is the decision with findings cited by digest."""


class ReleaseService:
    """Records release decisions and shows the board."""

    def __init__(self, kernel: Kernel, *, ladder: Ladder, evidence: Evidence, practice: Practice) -> None:
        self._kernel = kernel
        self._ladder = ladder
        self._evidence = evidence
        self._practice = practice
        self._series = Series(SERIES, self._latest_ordinal)

    @clicked
    def decide(self, actor: Actor, proposal: Proposal, *, idempotency_key: str | None = None) -> DecisionView:
        """Record a decision, signed by the lab, and move the checkpoint in the same transaction.

        Raises Forbidden for anyone but a coordinator, Conflict if the checkpoint is at another stage or evidence is
        missing or outdated, NotFound for what cannot be cited because it is not there.
        """
        if not actor.is_coordinator:
            raise Forbidden("coordinator_only", "Only a coordinator may record a release decision.")
        if idempotency_key is not None:
            before = self._kernel.store.committed_under(actor.person_id, idempotency_key)
            if before is not None:
                return self.get(actor, _decision_among(before))
        self._check_stage(proposal)
        proposal = self._checked_citations(actor, proposal)
        key = self._kernel.lab_key
        with self._series.reserve() as decision_id:
            decision = ReleaseDecision(
                decision_id=decision_id,
                proposal=proposal,
                decided_by=actor.person_id,
                decided_at=self._kernel.clock(),
            )
            envelope = sign(DECISION_TYPE, decision.payload(), key)
            command = RecordDecision(decision=decision, envelope=envelope, lab_key=key.public.raw.hex())
            steps = [Step(DECISIONS, decision_id, command)]
            if proposal.to_stage is not None:
                steps.append(
                    self._ladder.stage_change(
                        proposal.checkpoint_id, decision_id, proposal.from_stage, proposal.to_stage
                    )
                )
            self._kernel.execute_all(steps, actor, idempotency_key=idempotency_key)
        return self.get(actor, decision_id)

    def get(self, actor: Actor, decision_id: str) -> DecisionView:
        """One decision. Raises NotFound."""
        self._require_reader(actor)
        try:
            state: RecordedDecision = self._kernel.state(DECISIONS, decision_id)
        except NotFound:
            raise NotFound("decision_not_found", f"There is no decision {decision_id}.") from None
        decision = state.decision
        if decision is None:
            raise NotFound("decision_not_found", f"There is no decision {decision_id}.")
        cited = decision.proposal.findings
        known = self._evidence.readable([citation.finding_id for citation in cited], actor)
        shown = tuple(citation for citation in cited if citation.finding_id in known)
        return DecisionView(
            decision=decision.model_copy(update={"proposal": decision.proposal.model_copy(update={"findings": shown})}),
            hidden_findings=tuple(sorted(citation.citation_digest for citation in cited if citation not in shown)),
            digest=decision.digest,
            envelope=state.envelope,
        )

    def list(self, actor: Actor) -> tuple[DecisionRow, ...]:
        """All decisions, newest first."""
        self._require_reader(actor)
        rows = self._kernel.store.query(
            "SELECT * EXCLUDE (ordinal) FROM release_decision ORDER BY release_decision.ordinal DESC"
        )
        return tuple(DecisionRow.model_validate(row) for row in rows)

    def board(self, actor: Actor) -> Board:
        """Families by size with stage, evidence, objections, last decision and what the next step lacks."""
        self._require_reader(actor)
        objections: dict[str, set[str]] = {}
        by_finding = self._practice.open_objections()
        for finding_id, checkpoint_ids in self._evidence.checkpoints_of(actor).items():
            for checkpoint_id in checkpoint_ids:
                objections.setdefault(checkpoint_id, set()).update(by_finding.get(finding_id, ()))
        return build_board(
            self._ladder.checkpoints(),
            evidence=self._evidence.evidence_by_kind(actor),
            objections={checkpoint_id: sorted(held) for checkpoint_id, held in objections.items()},
            decisions=self.list(actor),
            has_adopted_norm=any(
                norm.decision is not None and norm.decision.adopts for norm in self._practice.list(actor)
            ),
        )

    def _check_stage(self, proposal: Proposal) -> None:
        stage = self._ladder.checkpoint(proposal.checkpoint_id).stage
        if stage is not proposal.from_stage:
            raise Conflict(
                "stage_moved_meanwhile",
                f"{proposal.checkpoint_id} is at {stage.label}, not at {proposal.from_stage.label}.",
                hint="Reload the board and decide again.",
            )

    def _checked_citations(self, actor: Actor, proposal: Proposal) -> Proposal:
        for finding in proposal.findings:
            self._evidence.check_citation(actor, finding.finding_id, finding.version, finding.digest, current=True)
        about = self._evidence.checkpoints_of(actor)
        findings = tuple(
            finding.model_copy(update={"about_checkpoint": proposal.checkpoint_id in about.get(finding.finding_id, ())})
            for finding in proposal.findings
        )
        norms = tuple(
            norm.model_copy(
                update={"outcome": self._practice.check_citation(actor, norm.norm_id, norm.revision_digest)}
            )
            for norm in proposal.norms
        )
        return parse(Proposal, {**dict(proposal), "findings": findings, "norms": norms})

    def _require_reader(self, actor: Actor) -> None:
        if not is_active(actor):
            raise Forbidden("partners_only", "Release decisions are read by signed-in people of partner institutions.")

    def _latest_ordinal(self, low: int, high: int) -> int | None:
        rows = self._kernel.store.query(
            "SELECT max(ordinal) AS latest FROM release_decision WHERE ordinal >= ? AND ordinal < ?", [low, high]
        )
        latest: int | None = rows[0]["latest"]
        return latest


def _decision_among(committed: Committed) -> str:
    """The decision that an earlier request with the same idempotency key recorded."""
    prefix = DECISIONS.decider.stream("")
    for stream in committed.versions:
        if stream.startswith(prefix):
            return stream.removeprefix(prefix)
    raise Conflict("idempotency_key_reused", "The idempotency key was used for something other than a decision.")
