"""The rules of findings: who may file, revise, acknowledge, close and withdraw, and who may not even know.

Every command starts with the audience: to an actor outside it the refusal is the NotFound an unknown id gets, so that
no command can be used to probe for findings.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound
from portal.findings.events import Acknowledged, Closed, Filed, MarkedDuplicate, Revised, Withdrawn
from portal.findings.model import Content, Finding, Status, Withdrawal, seal
from portal.inputs import Identifier, Line, Prose
from portal.standing import contributes, represents


class File(Value):
    """File a new finding under an id nobody has used."""

    finding_id: Identifier
    institution_id: Identifier
    content: Content


class Revise(Value):
    """Replace the current version ``base`` by a whole new one."""

    base: int
    content: Content
    note: Line


class Acknowledge(Value):
    """Confirm, as coordinator, having read the finding."""


class Close(Value):
    """End the handling, as coordinator."""

    note: Prose


class MarkDuplicate(Value):
    """Point to the finding that this one repeats."""

    duplicate_of: Identifier


class Withdraw(Value):
    """Take the finding back, leaving a tombstone."""

    reason: Prose


FindingCommand = File | Revise | Acknowledge | Close | MarkDuplicate | Withdraw


class Action(StrEnum):
    """What an actor may do to a finding next."""

    REVISE = "revise"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    MARK_DUPLICATE = "mark_duplicate"
    WITHDRAW = "withdraw"


_HANDLED = frozenset({"kind", "severity", "marking"})
"""What a coordinator may correct in somebody else's finding; the words and the evidence are the originator's."""


def not_found(finding_id: str) -> NotFound:
    """The one refusal for a finding that is unknown and for one the caller may not know of."""
    return NotFound(
        "finding_not_found",
        f"There is no finding {finding_id} that you may read.",
        hint="Check the id, or ask its reporter to name you as a recipient.",
    )


def _originates(state: Finding, actor: Actor) -> bool:
    """Whether the actor speaks for the finding's source: its reporter, or whoever may bind the institution."""
    return (actor.person_id == state.reporter_id and contributes(actor, state.institution_id)) or represents(
        actor, state.institution_id
    )


def allowed(state: Finding, actor: Actor) -> frozenset[Action]:
    """What the actor may do to the finding as it stands; the screens offer exactly this."""
    if not state.exists or not state.audience.admits(actor) or state.status is Status.WITHDRAWN:
        return frozenset()
    origin, coordinator = _originates(state, actor), actor.is_coordinator
    rules = {
        Action.REVISE: origin or coordinator,
        Action.ACKNOWLEDGE: coordinator and state.status is Status.FILED,
        Action.CLOSE: coordinator and state.status is Status.ACKNOWLEDGED,
        Action.MARK_DUPLICATE: (origin or coordinator) and state.duplicate_of is None,
        Action.WITHDRAW: origin,
    }
    return frozenset(action for action, holds in rules.items() if holds)


def _require(state: Finding, actor: Actor, action: Action) -> None:
    if action in allowed(state, actor):
        return
    if state.status is Status.WITHDRAWN:
        raise Conflict("finding_withdrawn", f"{state.finding_id} was withdrawn; only its tombstone remains.")
    origin, coordinator = _originates(state, actor), actor.is_coordinator
    if action in (Action.ACKNOWLEDGE, Action.CLOSE) and not coordinator:
        raise Forbidden("coordinator_only", f"Only a coordinator may {action} a finding.")
    if origin or (coordinator and action is not Action.WITHDRAW):
        raise Conflict(
            "finding_status",
            f"{state.finding_id} is {state.status}{' and marked as a duplicate' if state.duplicate_of else ''}; "
            f"it cannot be asked to {action.replace('_', ' ')}.",
            hint="Reload to see where it stands.",
        )
    raise Forbidden(
        "not_your_finding",
        f"Only the reporter or a lead of {state.institution_id} may {action.replace('_', ' ')} {state.finding_id}.",
        fixer=Fixer.LEAD,
    )


def _revise(state: Finding, command: Revise, actor: Actor, now: datetime) -> Revised:
    _require(state, actor, Action.REVISE)
    current = state.current
    if command.base != current.number:
        raise Conflict(
            "finding_changed",
            f"{state.finding_id} is at version {current.number}; this change was made to version {command.base}.",
            hint="Reload, compare and make the change again.",
        )
    changed = {
        name for name in Content.model_fields if getattr(command.content, name) != getattr(current.content, name)
    }
    if not changed:
        raise Invalid("nothing_changed", f"The new version says the same as version {current.number}.")
    if not _originates(state, actor):
        _require_handling_only(state, command, changed)
    return Revised(
        version=seal(
            state.finding_id,
            state.institution_id,
            state.reporter_id,
            number=current.number + 1,
            content=command.content,
            note=command.note,
            author_id=actor.person_id,
            made_at=now,
        )
    )


def _require_handling_only(state: Finding, command: Revise, changed: set[str]) -> None:
    if not changed <= _HANDLED:
        raise Forbidden(
            "words_not_yours",
            f"A coordinator may correct kind, severity and marking of {state.finding_id}, not its "
            f"{', '.join(sorted(changed - _HANDLED))}.",
            hint="Ask the reporter to revise it.",
            fixer=Fixer.CALLER,
        )
    before = state.current.content.marking
    if command.content.marking.is_lower_than(before):
        raise Forbidden(
            "marking_not_yours",
            f"Only {state.institution_id}, where the finding comes from, may lower its marking from {before}.",
            hint="Ask the reporter to lower it.",
            fixer=Fixer.CALLER,
        )


def _file(state: Finding, command: File, actor: Actor, now: datetime) -> Filed:
    if state.exists:
        raise Conflict("number_taken", f"The id {command.finding_id} is in use and is never given again.")
    if not contributes(actor, command.institution_id):
        raise Forbidden(
            "may_not_file",
            f"Filing for {command.institution_id} takes a role there other than observer.",
            hint="Ask your partner lead for the role of researcher.",
            fixer=Fixer.LEAD,
        )
    version = seal(
        command.finding_id,
        command.institution_id,
        actor.person_id,
        number=1,
        content=command.content,
        note="",
        author_id=actor.person_id,
        made_at=now,
    )
    return Filed(
        finding_id=command.finding_id,
        institution_id=command.institution_id,
        reporter_id=actor.person_id,
        version=version,
    )


def decide(state: Finding, command: FindingCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises NotFound, Forbidden, Conflict or Invalid."""
    if isinstance(command, File):
        return [_file(state, command, actor, now)]
    if not state.exists or not state.audience.admits(actor):
        raise not_found(state.finding_id)
    match command:
        case Revise():
            return [_revise(state, command, actor, now)]
        case Acknowledge():
            _require(state, actor, Action.ACKNOWLEDGE)
            return [Acknowledged(by=actor.person_id)]
        case Close():
            _require(state, actor, Action.CLOSE)
            return [Closed(by=actor.person_id, note=command.note)]
        case MarkDuplicate():
            _require(state, actor, Action.MARK_DUPLICATE)
            if command.duplicate_of == state.finding_id:
                raise Invalid("duplicate_of_itself", "A finding cannot repeat itself.", param="duplicate_of")
            return [MarkedDuplicate(duplicate_of=command.duplicate_of, by=actor.person_id)]
        case Withdraw():
            _require(state, actor, Action.WITHDRAW)
            return [Withdrawn(reason=command.reason, by=actor.person_id, withdrawn_at=now)]


def evolve(state: Finding, event: Event) -> Finding:
    """Fold one event into the state."""
    match event:
        case Filed():
            return Finding(
                finding_id=event.finding_id,
                institution_id=event.institution_id,
                reporter_id=event.reporter_id,
                versions=(event.version,),
            )
        case Revised():
            return state.model_copy(update={"versions": (*state.versions, event.version)})
        case Acknowledged():
            return state.model_copy(update={"status": Status.ACKNOWLEDGED})
        case Closed():
            return state.model_copy(update={"status": Status.CLOSED, "closing_note": event.note})
        case MarkedDuplicate():
            return state.model_copy(update={"duplicate_of": event.duplicate_of})
        case Withdrawn():
            tombstone = Withdrawal(reason=event.reason, by=event.by, withdrawn_at=event.withdrawn_at)
            return state.model_copy(update={"status": Status.WITHDRAWN, "withdrawal": tombstone})
        case _:
            raise TypeError(f"a finding has no event {event.type_name!r}")


FINDING: Decider[Finding, FindingCommand] = Decider(category="finding", initial=Finding(), decide=decide, evolve=evolve)
"""The decider of findings; streams are ``finding/CDT-YYYY-NNNN``."""
