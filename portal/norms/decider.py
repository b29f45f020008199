"""The rules of norms: one institution, one signed position on one exact revision; objections are answered, not counted.

The method is the IETF's and the W3C's: positions are pinned to a revision, an objection must say where, what harm and
what cure, only the objector withdraws it, and adopting over it carries its words into the outcome.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from agreements.actors import LAB, Actor
from agreements.canonical import parse_json
from agreements.deciders import Decider, Event, Value
from agreements.dsse import Envelope, verify
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound, VerificationError
from agreements.keys import PublicKey
from portal.inputs import Digest, Identifier, Line, Prose
from portal.norms.events import NormRevised, OutcomeRecorded, PositionTaken, Proposed
from portal.norms.model import (
    POSITION_TYPE,
    Choice,
    Decision,
    Dissent,
    Norm,
    NormText,
    Outcome,
    Position,
    PositionStatement,
    Revision,
    revision_digest,
)
from portal.standing import contributes, represents

CLOCK_SKEW = timedelta(minutes=5)
"""How far an institution's clock may run ahead of the portal's."""

MAX_STATEMENT_BYTES = 64 * 1024


class Propose(Value):
    """Propose a norm under an id nobody has used."""

    norm_id: Identifier
    institution_id: Identifier
    quorum: Annotated[int, Field(ge=1, le=1000)]
    text: NormText


class ReviseNorm(Value):
    """Replace the revision of digest ``base``."""

    base: Digest
    text: NormText
    note: Line


class TakePosition(Value):
    """Hand in a signed position. ``keys`` are the institution's active public keys (raw, hex), given by the service."""

    envelope: Envelope
    keys: tuple[str, ...]


class RecordOutcome(Value):
    """Record how the norm ends, as coordinator, for the revision that was read."""

    decision: Decision
    revision_digest: Digest
    rationale: Prose


NormCommand = Propose | ReviseNorm | TakePosition | RecordOutcome


def decide(state: Norm, command: NormCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises NotFound, Forbidden, Conflict, Invalid or VerificationError."""
    if isinstance(command, Propose):
        return [_propose(state, command, actor, now)]
    if not state.exists:
        raise NotFound("norm_not_found", "There is no such norm.", hint="Check the id.")
    if state.outcome is not None:
        raise Conflict(
            "norm_decided",
            f"{state.norm_id} is {state.outcome.decision.label}; nothing more can be said to it.",
            hint="Propose a new norm that refers to it.",
        )
    match command:
        case ReviseNorm():
            return [_revise(state, command, actor, now)]
        case TakePosition():
            return [_take_position(state, command, actor, now)]
        case RecordOutcome():
            return [_record_outcome(state, command, actor, now)]


def may_revise(state: Norm, actor: Actor) -> bool:
    """Whether the actor may write the next revision: the proposing institution or a coordinator, while open."""
    return state.is_open and (contributes(actor, state.institution_id) or actor.is_coordinator)


def blocks_to(state: Norm, decision: Decision) -> tuple[Conflict, ...]:
    """Every reason why an open norm cannot get this outcome now; none if it can."""
    if decision in (Decision.RETURNED, Decision.WITHDRAWN):
        return ()
    blocks = []
    if len(state.counted) < state.quorum:
        blocks.append(
            Conflict(
                "quorum_missing",
                f"{len(state.counted)} of {state.quorum} institutions have taken a position on revision "
                f"{state.current.number}; recusals do not count.",
                hint="Ask the institutions that are silent.",
            )
        )
    if not decision.adopts:
        return tuple(blocks)
    if all(p.statement.institution_id == LAB for p in state.counted):
        blocks.append(
            Conflict(
                "lab_alone",
                "No institution other than the lab has taken a position; the lab cannot adopt a norm alone.",
                hint="Ask partner institutions for their positions.",
            )
        )
    objectors = ", ".join(p.statement.institution_id for p in state.standing_objections)
    if decision is Decision.ADOPTED and objectors:
        blocks.append(
            Conflict(
                "objection_stands",
                f"The objection of {objectors} to revision {state.current.number} is unresolved.",
                hint="Revise to cure it, ask the objector to replace it, or record adopted with dissent.",
            )
        )
    if decision is Decision.ADOPTED_WITH_DISSENT and not objectors:
        blocks.append(
            Conflict("no_dissent", "No objection stands, so there is no dissent to carry.", hint="Record adopted.")
        )
    return tuple(blocks)


def _propose(state: Norm, command: Propose, actor: Actor, now: datetime) -> Proposed:
    if state.exists:
        raise Conflict("number_taken", f"The id {command.norm_id} is in use and is never given again.")
    if not contributes(actor, command.institution_id):
        raise Forbidden(
            "may_not_propose",
            f"Proposing for {command.institution_id} takes a role there other than observer.",
            hint="Ask your partner lead for the role of researcher.",
            fixer=Fixer.LEAD,
        )
    digest = revision_digest(command.norm_id, command.quorum, 1, command.text)
    return Proposed(
        norm_id=command.norm_id,
        institution_id=command.institution_id,
        proposer_id=actor.person_id,
        quorum=command.quorum,
        revision=Revision(number=1, text=command.text, digest=digest, note="", author_id=actor.person_id, made_at=now),
    )


def _require_current(state: Norm, digest: str) -> None:
    if digest == state.current.digest:
        return
    known = next((r.number for r in state.revisions if r.digest == digest), None)
    which = f"revision {known}" if known else "a revision that does not exist"
    raise Conflict(
        "stale_revision",
        f"This is about {which} of {state.norm_id}; the current one is revision {state.current.number}.",
        hint="Read the current revision and decide again.",
    )


def _revise(state: Norm, command: ReviseNorm, actor: Actor, now: datetime) -> NormRevised:
    if not may_revise(state, actor):
        raise Forbidden(
            "not_your_norm",
            f"Only {state.institution_id}, which proposed {state.norm_id}, or a coordinator may revise it.",
        )
    _require_current(state, command.base)
    if command.text == state.current.text:
        raise Invalid("nothing_changed", f"The new text says the same as revision {state.current.number}.")
    number = state.current.number + 1
    return NormRevised(
        revision=Revision(
            number=number,
            text=command.text,
            digest=revision_digest(state.norm_id, state.quorum, number, command.text),
            note=command.note,
            author_id=actor.person_id,
            made_at=now,
        )
    )


def read_statement(envelope: Envelope) -> PositionStatement:
    """The statement inside an envelope, whoever signed it. Raises Invalid ``bad_position``.

    Only the canonical form is read: one statement has one payload, so the signature covers nothing a reader overlooks.
    """
    refusal = Invalid("bad_position", "The envelope holds no position statement in canonical form.")
    if envelope.payload_type != POSITION_TYPE:
        raise refusal
    try:
        statement = PositionStatement.model_validate(parse_json(envelope.payload, MAX_STATEMENT_BYTES))
    except ValidationError:
        raise refusal from None
    if statement.payload() != envelope.payload:
        raise refusal
    return statement


def _signing_key(envelope: Envelope, keys: Sequence[str], institution_id: str) -> str:
    if len(envelope.signatures) != 1:
        raise VerificationError("signature_count", "Exactly one signature is expected in the envelope.")
    for key in keys:
        try:
            verify(envelope, [PublicKey.from_raw(bytes.fromhex(key))])
        except VerificationError:
            continue
        return key
    raise VerificationError(
        "foreign_key",
        f"The position was not signed by an active key of {institution_id}.",
        hint="Sign with a key that your institution has registered here.",
        fixer=Fixer.LEAD,
    )


def _take_position(state: Norm, command: TakePosition, actor: Actor, now: datetime) -> PositionTaken:
    statement = read_statement(command.envelope)
    if statement.norm_id != state.norm_id:
        raise Invalid("other_norm", f"The position is about {statement.norm_id}, not {state.norm_id}.")
    if not represents(actor, statement.institution_id):
        raise Forbidden(
            "may_not_bind",
            f"Taking a position for {statement.institution_id} is for its partner lead"
            f"{' (for the lab: a coordinator)' if statement.institution_id == LAB else ''}.",
            fixer=Fixer.LEAD,
        )
    public_key = _signing_key(command.envelope, command.keys, statement.institution_id)
    _require_current(state, statement.revision_digest)
    if statement.objection and not state.current.text.has_clause(statement.objection.clause_id):
        raise Invalid(
            "unknown_clause", f"Revision {state.current.number} has no clause {statement.objection.clause_id}."
        )
    if statement.taken_at > now + CLOCK_SKEW:
        raise Invalid("position_from_future", "The position is dated after the portal's clock.")
    earlier = state.position_of(statement.institution_id, statement.revision_digest)
    if earlier and statement.taken_at <= earlier.statement.taken_at:
        raise Conflict(
            "position_superseded",
            f"{statement.institution_id} has since taken a later position; an earlier one cannot come back.",
            hint="Sign a new position.",
        )
    return PositionTaken(
        position=Position(
            statement=statement,
            envelope=command.envelope.to_json(),
            public_key=public_key,
            given_by=actor.person_id,
        )
    )


def _record_outcome(state: Norm, command: RecordOutcome, actor: Actor, now: datetime) -> OutcomeRecorded:
    if not actor.is_coordinator:
        raise Forbidden("coordinator_only", "Only a coordinator may record the outcome of a norm.")
    _require_current(state, command.revision_digest)
    for block in blocks_to(state, command.decision):
        raise block
    tally = Counter(p.statement.position for p in state.positions_on(state.current.digest))
    return OutcomeRecorded(
        outcome=Outcome(
            decision=command.decision,
            revision_digest=state.current.digest,
            rationale=command.rationale,
            tally={choice: tally[choice] for choice in Choice},
            dissent=tuple(_dissent(p.statement) for p in state.standing_objections),
            by=actor.person_id,
            recorded_at=now,
        )
    )


def _dissent(statement: PositionStatement) -> Dissent:
    objection = statement.objection
    assert objection is not None  # noqa: S101 - PositionStatement lets no objection stand without one
    return Dissent(
        institution_id=statement.institution_id,
        clause_id=objection.clause_id,
        reason=statement.reason,
        harm=objection.harm,
        cure=objection.cure,
    )


def evolve(state: Norm, event: Event) -> Norm:
    """Fold one event into the state."""
    match event:
        case Proposed():
            return Norm(
                norm_id=event.norm_id,
                institution_id=event.institution_id,
                proposer_id=event.proposer_id,
                quorum=event.quorum,
                revisions=(event.revision,),
            )
        case NormRevised():
            return state.model_copy(update={"revisions": (*state.revisions, event.revision)})
        case PositionTaken():
            taken = event.position.statement
            kept = tuple(
                p
                for p in state.positions
                if (p.statement.institution_id, p.statement.revision_digest)
                != (taken.institution_id, taken.revision_digest)
            )
            return state.model_copy(update={"positions": (*kept, event.position)})
        case OutcomeRecorded():
            return state.model_copy(update={"outcome": event.outcome})
        case _:
            raise TypeError(f"a norm has no event {event.type_name!r}")


NORM: Decider[Norm, NormCommand] = Decider(category="norm", initial=Norm(), decide=decide, evolve=evolve)
"""The decider of norms; streams are ``norm/NRM-NNNN``."""
