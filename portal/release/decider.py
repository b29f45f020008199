"""The rules of release decisions: what a decision must cite before a checkpoint may move.

    hold      a finding about the checkpoint
    recall    a finding about the checkpoint: taking access back must not wait for a norm
    advance   a finding about the checkpoint and an adopted norm

That the checkpoint is at ``from_stage`` is checked by the checkpoint's own decider in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.dsse import Envelope, verify
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, VerificationError
from agreements.keys import PublicKey
from model_access.stages import Move
from portal.release.model import DECISION_TYPE, Proposal, RecordedDecision, ReleaseDecision


class DecisionRecorded(Event, type="decision:recorded"):
    """A release decision was taken and signed by the lab."""

    decision: ReleaseDecision
    envelope: dict[str, Any]


class RecordDecision(Value):
    """Record a decision signed with the lab's key (raw public key, hex)."""

    decision: ReleaseDecision
    envelope: Envelope
    lab_key: str


class Requirement(StrEnum):
    """What a decision rests on; the release board shows which are still missing."""

    FINDING = "a finding about this checkpoint"
    ADOPTED_NORM = "an adopted norm"


def requirements(move: Move | None) -> tuple[Requirement, ...]:
    """What a decision must cite; ``None`` is a hold."""
    if move is Move.ADVANCE:
        return (Requirement.FINDING, Requirement.ADOPTED_NORM)
    return (Requirement.FINDING,)


def missing(proposal: Proposal) -> tuple[Requirement, ...]:
    """What the proposal would have to cite and does not. Raises Conflict ``no_such_step``."""
    cited = {
        Requirement.FINDING: any(finding.about_checkpoint for finding in proposal.findings),
        Requirement.ADOPTED_NORM: any(norm.adopted for norm in proposal.norms),
    }
    return tuple(requirement for requirement in requirements(proposal.move) if not cited[requirement])


def decide(state: RecordedDecision, command: RecordDecision, actor: Actor, now: datetime) -> Sequence[Event]:
    """The event a decision causes. Raises Forbidden, Conflict, Invalid or VerificationError."""
    decision = command.decision
    if not actor.is_coordinator:
        raise Forbidden("coordinator_only", "Only a coordinator may record a release decision.")
    if state.decision is not None:
        raise Conflict("number_taken", f"The id {decision.decision_id} is in use and is never given again.")
    if decision.decided_by != actor.person_id or decision.decided_at > now:
        raise Invalid("decision_misdated", "The decision names another person or a later time than the command.")
    lacking = missing(decision.proposal)
    if lacking:
        raise Conflict(
            "evidence_missing",
            f"The decision must cite {' and '.join(lacking)}.",
            hint="Cite it, or file and adopt what is missing first.",
            fixer=Fixer.CALLER,
        )
    rejected = [norm.norm_id for norm in decision.proposal.norms if not norm.adopted]
    if rejected:
        raise Conflict("norm_not_adopted", f"{', '.join(rejected)} was not adopted and cannot be relied on.")
    signed = verify(command.envelope, [PublicKey.from_raw(bytes.fromhex(command.lab_key))])
    if command.envelope.payload_type != DECISION_TYPE or signed != decision.payload():
        raise VerificationError("other_document", "The lab's signature covers another document.")
    return [DecisionRecorded(decision=decision, envelope=command.envelope.to_json())]


def evolve(state: RecordedDecision, event: Event) -> RecordedDecision:
    """Fold one event into the state."""
    match event:
        case DecisionRecorded():
            return RecordedDecision(decision=event.decision, envelope=event.envelope)
        case _:
            raise TypeError(f"a decision has no event {event.type_name!r}")


DECISION: Decider[RecordedDecision, RecordDecision] = Decider(
    category="decision", initial=RecordedDecision(), decide=decide, evolve=evolve
)
"""The decider of release decisions; streams are ``decision/DEC-NNNN``."""
