"""Agreements: versioned terms between the lab and one institution, signed by both over the same canonical bytes.

Whatever is put on the table is frozen: its digest is what both parties sign and what every grant pins. A change of an
agreement in force is a version beside the one that governs, negotiated the same way; when it comes into force, the one
it replaces works on for the grace its own clauses give.
"""

from collections.abc import Sequence
from datetime import datetime

from agreements.actors import Actor, PartyKind
from agreements.agreement import life, negotiation
from agreements.agreement.commands import (
    AddComment,
    AgreementCommand,
    Close,
    Counter,
    DecideAppeal,
    Decline,
    DraftAgreement,
    EditDraft,
    FileAppeal,
    LapseAppeal,
    Lift,
    Narrow,
    Offer,
    Propose,
    Sign,
    Suspend,
    Terminate,
    Widen,
    Withdraw,
)
from agreements.agreement.fold import evolve
from agreements.agreement.life import effect_of
from agreements.agreement.measures import Appeal, AppealOutcome, Narrowing, Suspension, SuspensionEffect
from agreements.agreement.state import ENDED, Agreement, AgreementStatus
from agreements.agreement.versions import (
    PAYLOAD_TYPE,
    Change,
    Comment,
    FrameworkRef,
    Signature,
    Version,
    VersionStatus,
)
from agreements.deciders import Decider, Event

__all__ = [
    "AGREEMENT",
    "ENDED",
    "PAYLOAD_TYPE",
    "AddComment",
    "Agreement",
    "AgreementCommand",
    "AgreementStatus",
    "Appeal",
    "AppealOutcome",
    "Change",
    "Close",
    "Comment",
    "Counter",
    "DecideAppeal",
    "Decline",
    "DraftAgreement",
    "EditDraft",
    "FileAppeal",
    "FrameworkRef",
    "LapseAppeal",
    "Lift",
    "Narrow",
    "Narrowing",
    "Offer",
    "PartyKind",
    "Propose",
    "Sign",
    "Signature",
    "Suspend",
    "Suspension",
    "SuspensionEffect",
    "Terminate",
    "Version",
    "VersionStatus",
    "Widen",
    "Withdraw",
    "decide",
    "effect_of",
    "evolve",
]


def decide(state: Agreement, command: AgreementCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound, Conflict, Invalid or VerificationError."""
    match command:
        case DraftAgreement():
            return negotiation.draft(state, command, actor, now)
        case EditDraft():
            return negotiation.edit(state, command, actor, now)
        case Propose():
            return negotiation.propose(state, command, actor, now)
        case Offer():
            return negotiation.offer(state, actor, now)
        case Counter():
            return negotiation.counter(state, command, actor, now)
        case AddComment():
            return negotiation.comment(state, command, actor, now)
        case Sign():
            return negotiation.sign(state, command, actor, now)
        case Decline():
            return negotiation.decline(state, command, actor, now)
        case Withdraw():
            return negotiation.withdraw(state, command, actor, now)
        case _:
            return _decide_life(state, command, actor, now)


def _decide_life(
    state: Agreement,
    command: Suspend | Lift | FileAppeal | DecideAppeal | LapseAppeal | Narrow | Widen | Terminate | Close,
    actor: Actor,
    now: datetime,
) -> Sequence[Event]:
    match command:
        case Suspend():
            return life.suspend(state, command, actor, now)
        case Lift():
            return life.lift(state, command, actor, now)
        case FileAppeal():
            return life.file_appeal(state, command, actor, now)
        case DecideAppeal():
            return life.decide_appeal(state, command, actor, now)
        case LapseAppeal():
            return life.lapse_appeal(state, command, actor, now)
        case Narrow():
            return life.narrow(state, command, actor, now)
        case Widen():
            return life.widen(state, command, actor, now)
        case Terminate():
            return life.terminate(state, command, actor, now)
        case Close():
            return life.close(state, command, actor, now)


AGREEMENT: Decider[Agreement, AgreementCommand] = Decider(
    category="agreement", initial=Agreement(), decide=decide, evolve=evolve
)
