"""The rules of the duty ledger: who may record what about a duty, and when."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from agreements.actors import Actor, Role
from agreements.deciders import Decider, Event
from agreements.duties.entries import (
    DutyCommand,
    DutyFulfilled,
    DutyPostponed,
    DutyReminded,
    DutyWaived,
    EvidenceSentBack,
    Fulfil,
    IncidentReported,
    Postpone,
    Remind,
    ReportIncident,
    SendBack,
    Waive,
)
from agreements.duties.model import (
    Fulfilment,
    Incident,
    Ledger,
    Postponement,
    Record,
    Reminder,
    SentBack,
    Waiver,
)
from agreements.duties.schedule import Duty
from agreements.errors import Conflict, Fixer, Forbidden, Invalid

MOST_TIME = timedelta(days=3660)
"""For sanity alone: how far ahead a date can be put. Agreements set the times that matter."""

MAX_INCIDENTS = 1000
"""For sanity alone: every reader of the ledger reads them all."""

_REPORTING = (Role.PARTNER_LEAD, Role.PARTNER_MEMBER, Role.RESEARCHER)


def decide(state: Ledger, command: DutyCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    match command:
        case Fulfil():
            return _fulfil(state, command, actor, now)
        case Waive():
            return _waive(state, command, actor, now)
        case Postpone():
            return _postpone(state, command, actor, now)
        case SendBack():
            return _send_back(state, command, actor, now)
        case Remind():
            return _remind(state, command, actor, now)
        case ReportIncident():
            return _report(state, command, actor, now)


def _fulfil(state: Ledger, command: Fulfil, actor: Actor, now: datetime) -> Sequence[Event]:
    duty = command.duty
    lead = actor.has(Role.PARTNER_LEAD, command.institution_id)
    if duty.kind.binds and not lead:
        raise Forbidden(
            "not_signatory",
            f"The {duty.kind.label} binds the institution: only its partner lead hands it in.",
            hint="Ask your partner lead to sign in.",
            fixer=Fixer.LEAD,
        )
    if not (lead or actor.has(Role.PARTNER_MEMBER, command.institution_id)):
        raise Forbidden(
            "not_a_member",
            "Only a partner lead or partner member of the institution hands in evidence for its duties.",
            hint="Ask your partner lead.",
            fixer=Fixer.LEAD,
        )
    record = _still_open(state, duty)
    if now < duty.opens_at:
        raise Conflict(
            "duty_not_open",
            f"{duty.title} ({duty.key}) opens on {duty.opens_at:%Y-%m-%d %H:%M} UTC; what is to come cannot be shown.",
            hint="Come back then.",
        )
    return [
        DutyFulfilled(
            key=duty.key,
            kind=duty.kind.value,
            evidence=command.evidence,
            due_at=record.due_at or duty.due_at,
            by_id=actor.person_id,
            at=now,
        )
    ]


def _waive(state: Ledger, command: Waive, actor: Actor, now: datetime) -> Sequence[Event]:
    _coordinator(actor)
    _still_open(state, command.duty)
    return [
        DutyWaived(
            key=command.duty.key,
            kind=command.duty.kind.value,
            reason=command.reason,
            by_id=actor.person_id,
            at=now,
        )
    ]


def _postpone(state: Ledger, command: Postpone, actor: Actor, now: datetime) -> Sequence[Event]:
    _coordinator(actor)
    duty = command.duty
    before = _still_open(state, duty).due_at or duty.due_at
    if command.due_at <= max(before, now):
        raise Invalid(
            "not_later",
            f"{duty.title} ({duty.key}) is due on {before:%Y-%m-%d %H:%M} UTC; a new date has to be later and to come.",
            hint="Choose a later date, or waive the duty.",
            param="due_at",
        )
    _in_reach(command.due_at, now)
    return [
        DutyPostponed(
            key=duty.key,
            kind=duty.kind.value,
            before=before,
            due_at=command.due_at,
            reason=command.reason,
            by_id=actor.person_id,
            at=now,
        )
    ]


def _send_back(state: Ledger, command: SendBack, actor: Actor, now: datetime) -> Sequence[Event]:
    _coordinator(actor)
    duty = command.duty
    fulfilment = state.record(duty.key).fulfilment
    if fulfilment is None:
        raise Conflict("no_evidence", f"There is no evidence for {duty.title} ({duty.key}) that could be sent back.")
    due_at = command.due_at or fulfilment.due_at
    if due_at <= now:
        # Otherwise the institution would be late, and its access narrowed, at the moment it learns of it.
        raise Invalid(
            "no_time_left",
            f"{duty.title} ({duty.key}) was due on {fulfilment.due_at:%Y-%m-%d}; other evidence needs a date to come.",
            hint="Say by when you want it.",
            param="due_at",
        )
    _in_reach(due_at, now)
    return [
        EvidenceSentBack(
            key=duty.key,
            kind=duty.kind.value,
            reason=command.reason,
            due_at=due_at,
            by_id=actor.person_id,
            at=now,
        )
    ]


def _remind(state: Ledger, command: Remind, actor: Actor, now: datetime) -> Sequence[Event]:
    if not actor.is_automatic:
        raise Forbidden("rules_only", "Reminders are sent by the portal's own rules.", fixer=Fixer.NOBODY)
    duty = command.duty
    record = _still_open(state, duty)
    due_at = record.due_at or duty.due_at
    if record.reminded(command.step, due_at):
        return []
    return [DutyReminded(key=duty.key, kind=duty.kind.value, step=command.step, due_at=due_at, at=now)]


def _report(state: Ledger, command: ReportIncident, actor: Actor, now: datetime) -> Sequence[Event]:
    if not (actor.is_coordinator or any(actor.has(role, command.institution_id) for role in _REPORTING)):
        raise Forbidden(
            "not_a_party",
            "Only people of the two parties report incidents under their agreement; observers read.",
            hint="Tell your partner lead.",
            fixer=Fixer.LEAD,
        )
    if command.aware_at > now:
        raise Invalid("aware_in_future", "Nobody is aware of an incident that is still to come.", param="aware_at")
    number = len(state.incidents) + 1
    if number > MAX_INCIDENTS:
        raise Conflict(
            "too_many_incidents",
            f"{MAX_INCIDENTS:,} incidents are on record under this agreement, the most there can be.",
            hint="Tell a coordinator by another way.",
            fixer=Fixer.COORDINATOR,
        )
    due_at = None if command.within_hours is None else command.aware_at + timedelta(hours=command.within_hours)
    return [
        IncidentReported(
            number=number,
            kind=command.kind,
            aware_at=command.aware_at,
            statement=command.statement,
            key=f"{command.clause_id or 'incident'}/{number}",
            due_at=due_at,
            by_id=actor.person_id,
            at=now,
        )
    ]


def _in_reach(due_at: datetime, now: datetime) -> None:
    if due_at > now + MOST_TIME:
        raise Invalid(
            "too_far_ahead",
            f"A date is given for the next {MOST_TIME.days:,} days at most, as long as the longest agreement runs.",
            hint="Choose a nearer date, or waive the duty.",
            param="due_at",
        )


def _coordinator(actor: Actor) -> None:
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator of the lab may do this.")


def _still_open(state: Ledger, duty: Duty) -> Record:
    record = state.record(duty.key)
    if record.fulfilment is not None:
        raise Conflict(
            "duty_fulfilled",
            f"{duty.title} ({duty.key}) was fulfilled on {record.fulfilment.at:%Y-%m-%d}.",
            hint="A coordinator can send its evidence back.",
        )
    if record.waiver is not None:
        raise Conflict("duty_waived", f"{duty.title} ({duty.key}) was waived on {record.waiver.at:%Y-%m-%d}.")
    return record


def evolve(state: Ledger, event: Event) -> Ledger:
    """Fold one event into the state."""
    match event:
        case DutyFulfilled():
            handed_in = Fulfilment(evidence=event.evidence, due_at=event.due_at, by_id=event.by_id, at=event.at)
            return _with(state, event.key, lambda r: {"fulfilments": (*r.fulfilments, handed_in)})
        case DutyWaived():
            waiver = Waiver(reason=event.reason, by_id=event.by_id, at=event.at)
            return _with(state, event.key, lambda _: {"waiver": waiver})
        case DutyPostponed():
            given = Postponement(
                before=event.before, due_at=event.due_at, reason=event.reason, by_id=event.by_id, at=event.at
            )
            return _with(
                state, event.key, lambda r: {"due_at": event.due_at, "postponements": (*r.postponements, given)}
            )
        case EvidenceSentBack():
            back = SentBack(reason=event.reason, due_at=event.due_at, by_id=event.by_id, at=event.at)
            return _with(
                state,
                event.key,
                lambda r: {
                    "due_at": event.due_at,
                    "fulfilments": (*r.fulfilments[:-1], r.fulfilments[-1].model_copy(update={"sent_back": back})),
                },
            )
        case DutyReminded():
            reminder = Reminder(step=event.step, due_at=event.due_at, at=event.at)
            return _with(state, event.key, lambda r: {"reminders": (*r.reminders, reminder)})
        case IncidentReported():
            incident = Incident.model_validate(event.model_dump())
            return state.model_copy(update={"incidents": (*state.incidents, incident)})
        case _:
            raise TypeError(f"a duty ledger has no event {event.type_name!r}")


def _with(state: Ledger, key: str, change: Callable[[Record], dict[str, object]]) -> Ledger:
    record = state.record(key)
    changed = record.model_copy(update=change(record))
    others = tuple(entry for entry in state.records if entry.key != key)
    return state.model_copy(update={"records": (*others, changed)})


DUTIES: Decider[Ledger, DutyCommand] = Decider(category="duties", initial=Ledger(), decide=decide, evolve=evolve)
"""The ledger of one agreement's duties, which goes by the agreement's id."""
