"""Norms: the one path by which they are proposed, answered and decided."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.dsse import Envelope
from agreements.errors import Conflict, Forbidden, Invalid, NotFound
from portal.inputs import Identifier, parse
from portal.norms.decider import (
    NormCommand,
    Propose,
    RecordOutcome,
    ReviseNorm,
    TakePosition,
    blocks_to,
    may_revise,
    read_statement,
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
    Outcome,
    Position,
    PositionStatement,
)
from portal.norms.ports import CitedFindings, InstitutionKeys, InstitutionSigner
from portal.norms.projection import NORMS
from portal.norms.reads import NormReads, NormRow
from portal.numbering import Series
from portal.services.kernel import Kernel
from portal.standing import is_active, represents

SERIES = "NRM"


class NormDraft(Value):
    """What a proposer fills in."""

    institution_id: Identifier
    quorum: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many institutions must take a position before the norm can be decided."""
    text: NormText


class PositionDraft(Value):
    """What an institution's lead fills in; the portal adds the exact revision's context and the time."""

    institution_id: Identifier
    revision_digest: str
    position: Choice
    reason: Annotated[str, Field(max_length=4000)] = ""
    objection: Objection | None = None


class PositionView(Value):
    """A position as shown: what was said, to which revision, and the signature that proves it."""

    institution_id: str
    revision: int
    is_stale: bool
    position: Choice
    reason: str
    objection: Objection | None
    taken_at: datetime
    public_key: str
    envelope: dict[str, Any]


class RevisionLine(Value):
    """One revision in a norm's history."""

    number: int
    digest: str
    note: str
    made_at: datetime


class NormView(Value):
    """A norm as one reader sees it."""

    norm_id: str
    institution_id: str
    quorum: int
    revision: int
    revision_digest: str
    title: str
    clauses: tuple[NormClause, ...]
    evidence: tuple[EvidenceLink, ...]
    """Links to findings the reader may know of."""
    hidden_evidence: tuple[str, ...]
    """Digests of the links to other findings; with them the revision's digest can be recomputed."""
    positions: tuple[PositionView, ...]
    """In the order taken, stale ones included."""
    outcome: Outcome | None
    history: tuple[RevisionLine, ...]
    awaiting: tuple[str, ...]
    """Institutions the reader may bind that have not spoken on the current revision."""
    may_revise: bool
    blocked: dict[Decision, tuple[str, ...]]
    """For a coordinator and an open norm: why each outcome cannot be recorded now; empty means it can."""


class NormService:
    """Proposes norms, takes positions, records outcomes."""

    def __init__(
        self, kernel: Kernel, *, findings: CitedFindings, keys: InstitutionKeys, signer: InstitutionSigner
    ) -> None:
        self._kernel = kernel
        self._findings = findings
        self._keys = keys
        self._signer = signer
        self.reads = NormReads(kernel.store)
        self._series = Series(SERIES, self.reads.latest_ordinal)

    def propose(self, actor: Actor, draft: NormDraft, *, idempotency_key: str | None = None) -> NormView:
        """Propose a norm. Every finding it links must be one the proposer may read."""
        self._check_evidence(actor, draft.text.evidence)
        with self._series.reserve() as norm_id:
            command = Propose(
                norm_id=norm_id, institution_id=draft.institution_id, quorum=draft.quorum, text=draft.text
            )
            state = self._kernel.execute(NORMS, norm_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, actor)

    def revise(
        self,
        actor: Actor,
        norm_id: str,
        text: NormText,
        *,
        base: str,
        note: str,
        idempotency_key: str | None = None,
    ) -> NormView:
        """Replace the revision of digest ``base``. Positions taken so far become stale.

        Links to findings the reviser may not know of stay: nobody drops evidence unseen.
        """
        before = self._load(norm_id, actor).current.text.evidence
        self._check_evidence(actor, tuple(link for link in text.evidence if link not in before))
        known = self._findings.readable([link.finding_id for link in before], actor)
        unseen = (link for link in before if link.finding_id not in known)
        evidence = (*text.evidence, *(_without_clause_unless_in(text, link) for link in unseen))
        whole = parse(NormText, {**dict(text), "evidence": evidence})
        command = parse(ReviseNorm, {"base": base, "text": whole, "note": note})
        return self._execute(norm_id, command, actor, idempotency_key)

    def prepare_position(self, actor: Actor, norm_id: str, draft: PositionDraft) -> PositionStatement:
        """The statement to sign elsewhere: its ``payload()`` under ``POSITION_TYPE`` goes into a DSSE envelope."""
        self._load(norm_id, actor)
        return parse(
            PositionStatement,
            {**dict(draft), "norm_id": norm_id, "taken_at": self._kernel.clock()},
        )

    def take_position(
        self, actor: Actor, norm_id: str, draft: PositionDraft, *, idempotency_key: str | None = None
    ) -> NormView:
        """Take a position, signed with the key the portal keeps for the institution."""
        statement = self.prepare_position(actor, norm_id, draft)
        if not represents(actor, statement.institution_id):
            raise Forbidden(
                "may_not_bind", f"Only who may bind {statement.institution_id} may have a position signed for it."
            )
        envelope = self._signer.sign(statement.institution_id, actor, POSITION_TYPE, statement.payload())
        return self.take_signed_position(actor, norm_id, envelope, idempotency_key=idempotency_key)

    def take_signed_position(
        self, actor: Actor, norm_id: str, envelope: Envelope, *, idempotency_key: str | None = None
    ) -> NormView:
        """Hand in a position that the institution signed with its own key."""
        self._load(norm_id, actor)
        institution_id = read_statement(envelope).institution_id
        command = TakePosition(envelope=envelope, keys=self._keys.active_keys(institution_id))
        return self._execute(norm_id, command, actor, idempotency_key)

    def record_outcome(
        self,
        actor: Actor,
        norm_id: str,
        decision: Decision,
        *,
        revision_digest: str,
        rationale: str,
        idempotency_key: str | None = None,
    ) -> NormView:
        """Record, as coordinator, how the norm ends for the revision that was read."""
        command = parse(
            RecordOutcome, {"decision": decision, "revision_digest": revision_digest, "rationale": rationale}
        )
        return self._execute(norm_id, command, actor, idempotency_key)

    def get(self, actor: Actor, norm_id: str) -> NormView:
        """One norm. Raises NotFound."""
        return self._view(self._load(norm_id, actor), actor)

    def list(self, actor: Actor, *, open_only: bool = False) -> tuple[NormRow, ...]:
        """All norms, newest first, or only those still open."""
        self._require_reader(actor)
        return self.reads.rows(actor, open_only=open_only)

    def open_objections(self) -> dict[str, tuple[str, ...]]:
        """For each finding linked by an open norm, the objections that stand against that norm."""
        return self.reads.open_objections()

    def check_citation(self, actor: Actor, norm_id: str, revision_digest: str) -> Decision:
        """How the norm ended, if that revision is the one decided. Raises NotFound, Conflict or Invalid."""
        outcome = self._load(norm_id, actor).outcome
        if outcome is None:
            raise Conflict("norm_open", f"{norm_id} has not been decided yet and cannot be relied on.")
        if outcome.revision_digest != revision_digest:
            raise Invalid("digest_mismatch", f"{norm_id} was decided on another revision than the one cited.")
        return outcome.decision

    def _check_evidence(self, actor: Actor, evidence: tuple[EvidenceLink, ...]) -> None:
        for link in evidence:
            self._findings.check_citation(actor, link.finding_id, link.version, link.digest)

    def _require_reader(self, actor: Actor) -> None:
        if not is_active(actor):
            raise Forbidden("partners_only", "Norms are read by signed-in people of partner institutions.")

    def _load(self, norm_id: str, actor: Actor) -> Norm:
        self._require_reader(actor)
        try:
            return self._kernel.state(NORMS, norm_id)
        except NotFound:
            raise NotFound("norm_not_found", f"There is no norm {norm_id}.", hint="Check the id.") from None

    def _execute(self, norm_id: str, command: NormCommand, actor: Actor, idempotency_key: str | None) -> NormView:
        self._load(norm_id, actor)
        state = self._kernel.execute(NORMS, norm_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, actor)

    def _view(self, state: Norm, actor: Actor) -> NormView:
        current = state.current
        links = current.text.evidence
        known = self._findings.readable([link.finding_id for link in links], actor)
        heard = {p.statement.institution_id for p in state.positions_on(current.digest)}
        numbers = {revision.digest: revision.number for revision in state.revisions}
        return NormView(
            norm_id=state.norm_id,
            institution_id=state.institution_id,
            quorum=state.quorum,
            revision=current.number,
            revision_digest=current.digest,
            title=current.text.title,
            clauses=current.text.clauses,
            evidence=tuple(link for link in links if link.finding_id in known),
            hidden_evidence=tuple(sorted(link.link_digest for link in links if link.finding_id not in known)),
            positions=tuple(_position(p, numbers, current.digest) for p in state.positions),
            outcome=state.outcome,
            history=tuple(
                RevisionLine(number=r.number, digest=r.digest, note=r.note, made_at=r.made_at) for r in state.revisions
            ),
            awaiting=tuple(
                institution_id
                for institution_id in actor.institution_ids
                if state.is_open and institution_id not in heard and represents(actor, institution_id)
            ),
            may_revise=may_revise(state, actor),
            blocked={decision: tuple(str(block) for block in blocks_to(state, decision)) for decision in Decision}
            if actor.is_coordinator and state.is_open
            else {},
        )


def _without_clause_unless_in(text: NormText, link: EvidenceLink) -> EvidenceLink:
    if link.clause_id is None or text.has_clause(link.clause_id):
        return link
    return link.model_copy(update={"clause_id": None})


def _position(position: Position, numbers: dict[str, int], current_digest: str) -> PositionView:
    statement = position.statement
    return PositionView(
        institution_id=statement.institution_id,
        revision=numbers[statement.revision_digest],
        is_stale=statement.revision_digest != current_digest,
        position=statement.position,
        reason=statement.reason,
        objection=statement.objection,
        taken_at=statement.taken_at,
        public_key=position.public_key,
        envelope=position.envelope,
    )
