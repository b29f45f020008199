"""While an agreement runs, and how it ends: suspension and appeal, narrowing, termination, closure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agreements.actors import Actor, Role
from agreements.agreement.commands import (
    Close,
    DecideAppeal,
    FileAppeal,
    LapseAppeal,
    Lift,
    Narrow,
    Suspend,
    Terminate,
    Widen,
)
from agreements.agreement.events import (
    AgreementClosed,
    AgreementEnded,
    AgreementNarrowed,
    AgreementSuspended,
    AgreementWidened,
    AppealDecided,
    SuspensionAppealed,
    SuspensionLifted,
)
from agreements.agreement.measures import Appeal, AppealOutcome, Narrowing, Suspension, SuspensionEffect
from agreements.agreement.standing import coordinator, running, signatory, wrong_status
from agreements.agreement.state import Agreement, AgreementStatus
from agreements.clauses import SafeHarbour, SuspensionReason, only
from agreements.deciders import Event
from agreements.errors import Conflict, Fixer, Forbidden, NotFound


def suspend(state: Agreement, command: Suspend, actor: Actor, now: datetime) -> Sequence[Event]:
    """Stop access: by the lab or a rule of the agreement, or by the institution itself at its own request."""
    if command.reason is SuspensionReason.REQUESTED:
        signatory(state, actor)
    elif not (actor.is_automatic and command.reason is SuspensionReason.OVERDUE_DUTY):
        coordinator(actor)
    running(state, now)
    effect = effect_of(command.reason, _harbour(state, command), now)
    return [
        *_overtaken(state, command, actor, now, effect.takes_effect_at),
        AgreementSuspended(
            suspension=Suspension(
                number=len(state.suspensions) + 1,
                reason=command.reason,
                statement=command.statement,
                duty_keys=command.duty_keys,
                by_id=actor.person_id,
                by_name=actor.name,
                automatic=actor.is_automatic,
                notified_at=now,
                takes_effect_at=effect.takes_effect_at,
                appeal_until=effect.appeal_until,
            )
        ),
    ]


def effect_of(reason: SuspensionReason, clause: SafeHarbour | None, now: datetime) -> SuspensionEffect:
    """When a suspension notified at ``now`` stops access, and what can be done against it.

    ``clause`` is the one in force: the agreement's own, else its framework's.
    """
    if clause is None:
        return SuspensionEffect(takes_effect_at=now)
    at_once = reason in {SuspensionReason.REQUESTED, *(clause.immediate_reasons or ())}
    hours = 0 if at_once else clause.notice_hours or 0
    return SuspensionEffect(
        takes_effect_at=now + timedelta(hours=hours),
        notice_hours=hours,
        appeal_until=None if clause.appeal_days is None else now + timedelta(days=clause.appeal_days),
        decision_days=clause.decision_days,
        silence_lifts=clause.on_silence == "lifted",
    )


def _overtaken(state: Agreement, command: Suspend, actor: Actor, now: datetime, effect: datetime) -> list[Event]:
    """The lab may put a suspension that stops access sooner in place of its own that waits for its notice.

    What the institution asked for is no suspension of the lab's: each side's stands beside the other's, so that
    neither opens what the other closed. Raises Conflict ``already_suspended``.
    """
    asked = command.reason is SuspensionReason.REQUESTED
    standing = next((one for one in state.open_suspensions if one.requested is asked), None)
    if standing is None:
        return []
    waits_longer = now < standing.takes_effect_at and effect < standing.takes_effect_at
    if asked or not actor.is_coordinator or not waits_longer:
        raise Conflict(
            "already_suspended",
            f"Agreement {state.id} is under suspension {standing.number} already.",
            hint="Lift that one first if the reason has changed.",
        )
    return _lifted(standing, actor, f"Suspension {len(state.suspensions) + 1} takes its place.", now)


def lift(state: Agreement, command: Lift, actor: Actor, now: datetime) -> Sequence[Event]:
    """End a suspension: by the lab, or by whoever imposed it. What the institution asked for, only it ends."""
    suspension = _open(state, command.number)
    if suspension.requested:
        if not actor.has(Role.PARTNER_LEAD, state.institution_id):
            raise Forbidden(
                "requested_suspension",
                f"{state.institution_name} asked for suspension {suspension.number}; only its partner lead lifts it.",
                hint="Ask the partner lead, who sees the button on the agreement's page.",
                fixer=Fixer.LEAD,
            )
    elif not (actor.is_automatic and suspension.automatic):
        coordinator(actor)
    return _lifted(suspension, actor, command.reason, now)


def file_appeal(state: Agreement, command: FileAppeal, actor: Actor, now: datetime) -> Sequence[Event]:
    """Object, once, within the time the agreement gives."""
    signatory(state, actor)
    running(state, now)
    suspension = _open(state, command.number)
    if suspension.requested:
        raise Conflict(
            "own_request",
            f"{state.institution_name} asked for suspension {suspension.number} itself.",
            hint="Lift it: that needs nobody else.",
            fixer=Fixer.LEAD,
        )
    if suspension.appeal is not None:
        raise Conflict("appealed_already", f"Suspension {suspension.number} was appealed before.")
    if suspension.appeal_until is not None and now > suspension.appeal_until:
        raise Conflict(
            "appeal_too_late",
            f"Suspension {suspension.number} could be appealed until {suspension.appeal_until:%Y-%m-%d %H:%M} UTC.",
            hint="Ask a coordinator to lift it.",
            fixer=Fixer.COORDINATOR,
        )
    clause = _harbour(state, command)
    days = clause.decision_days if clause is not None else None
    return [
        SuspensionAppealed(
            number=suspension.number,
            appeal=Appeal(
                text=command.text,
                filed_by=actor.person_id,
                filed_by_name=actor.name,
                filed_at=now,
                decide_by=None if days is None else now + timedelta(days=days),
            ),
        )
    ]


def decide_appeal(state: Agreement, command: DecideAppeal, actor: Actor, now: datetime) -> Sequence[Event]:
    """Answer an appeal; nobody judges their own suspension."""
    coordinator(actor)
    suspension = _open(state, command.number)
    appeal = _undecided(suspension)
    if actor.person_id == suspension.by_id:
        raise Forbidden(
            "own_suspension",
            "Whoever suspended an agreement does not decide the appeal against it.",
            hint="Ask another coordinator, or lift the suspension.",
            fixer=Fixer.COORDINATOR,
        )
    if actor.person_id == appeal.filed_by:
        raise Forbidden(
            "own_appeal", "Nobody decides the appeal they filed.", hint="Ask another coordinator.",
            fixer=Fixer.COORDINATOR,
        )  # fmt: skip
    # Silence has its consequence by the agreement: a late no must not come before the clock that records it.
    if not command.upheld and appeal.decide_by is not None and now >= appeal.decide_by:
        raise Conflict(
            "decision_too_late",
            f"The lab had until {appeal.decide_by:%Y-%m-%d %H:%M} UTC to decide the appeal.",
            hint="Uphold it, or let the agreement's clock record that it was not decided.",
        )
    outcome = AppealOutcome.UPHELD if command.upheld else AppealOutcome.DISMISSED
    decided = AppealDecided(
        number=suspension.number,
        outcome=outcome,
        by_id=actor.person_id,
        by_name=actor.name,
        reasons=command.reasons,
        at=now,
    )
    if not command.upheld:
        return [decided]
    return [decided, _open_again(suspension, actor, "The appeal was upheld.", now)]


def lapse_appeal(state: Agreement, command: LapseAppeal, actor: Actor, now: datetime) -> Sequence[Event]:
    """Record the lab's silence, and what the agreement says follows from it."""
    if not actor.is_automatic:
        raise Forbidden("not_automatic", "An appeal lapses by its clock, at nobody's command.", fixer=Fixer.NOBODY)
    suspension = _open(state, command.number)
    appeal = _undecided(suspension)
    if appeal.decide_by is None or now < appeal.decide_by:
        raise Conflict("appeal_in_time", "The time to decide the appeal has not passed.")
    lapsed = AppealDecided(
        number=suspension.number,
        outcome=AppealOutcome.LAPSED,
        by_id=actor.person_id,
        by_name=actor.name,
        reasons=f"The lab had until {appeal.decide_by:%Y-%m-%d %H:%M} UTC and did not decide.",
        at=now,
    )
    clause = _harbour(state, command)
    if clause is None or clause.on_silence != "lifted":
        return [lapsed]
    return [lapsed, _open_again(suspension, actor, "The appeal was not decided in time.", now)]


def narrow(state: Agreement, command: Narrow, actor: Actor, now: datetime) -> Sequence[Event]:
    """Cut access down, by the lab or a rule of the agreement."""
    if not actor.is_automatic:
        coordinator(actor)
    running(state, now)
    if state.narrowing is not None:
        raise Conflict("already_narrowed", f"Access under agreement {state.id} is narrowed already.")
    return [
        AgreementNarrowed(
            narrowing=Narrowing(
                number=len(state.narrowings) + 1,
                operations=command.operations,
                requests_per_minute=command.requests_per_minute,
                statement=command.statement,
                duty_keys=command.duty_keys,
                by_id=actor.person_id,
                by_name=actor.name,
                automatic=actor.is_automatic,
                at=now,
            )
        )
    ]


def widen(state: Agreement, command: Widen, actor: Actor, now: datetime) -> Sequence[Event]:
    """End a narrowing: by the lab, or by the rule that made it."""
    narrowing = state.narrowing
    if narrowing is None:
        raise Conflict("not_narrowed", f"Access under agreement {state.id} is not narrowed.")
    if not (actor.is_automatic and narrowing.automatic):
        coordinator(actor)
    return [
        AgreementWidened(
            number=narrowing.number, by_id=actor.person_id, by_name=actor.name, reason=command.reason, at=now
        )
    ]


def terminate(state: Agreement, command: Terminate, actor: Actor, now: datetime) -> Sequence[Event]:
    """Either party ends it, or the rule that ends schedules with their framework; every grant under it ends with it."""
    if not (actor.is_coordinator or actor.is_automatic):
        signatory(state, actor)
    running(state, now)
    return [AgreementEnded(status=AgreementStatus.TERMINATED, reason=command.reason, at=now)]


def close(state: Agreement, command: Close, actor: Actor, now: datetime) -> Sequence[Event]:
    """Close the books after the end; as fulfilled only when nothing is left to be done."""
    coordinator(actor)
    ended = (AgreementStatus.EXPIRED, AgreementStatus.TERMINATED)
    if state.status_on(now) not in ended:
        raise wrong_status(state, *(status.label for status in ended), stands=state.status_on(now).label)
    if command.fulfilled and command.open_duties:
        raise Conflict(
            "duties_open",
            f"It cannot be closed as fulfilled while these duties are open: {', '.join(command.open_duties)}.",
            hint="Fulfil or waive them, or close it as not fulfilled.",
        )
    return [AgreementClosed(fulfilled=command.fulfilled, note=command.note, at=now)]


def _harbour(state: Agreement, command: Suspend | FileAppeal | LapseAppeal) -> SafeHarbour | None:
    """The agreement's own clause, else that of the framework it belongs to."""
    return only(state.clauses, SafeHarbour) or command.safe_harbour


def _open(state: Agreement, number: int) -> Suspension:
    suspension = next((entry for entry in state.suspensions if entry.number == number), None)
    if suspension is None:
        raise NotFound(
            "suspension_not_found",
            f"Agreement {state.id} has no suspension {number}.",
            hint="They are numbered from 1; the agreement's page lists them.",
        )
    if suspension.lifted_at is not None:
        raise Conflict("suspension_lifted", f"Suspension {number} was lifted on {suspension.lifted_at:%Y-%m-%d}.")
    return suspension


def _undecided(suspension: Suspension) -> Appeal:
    if suspension.appeal is None:
        raise Conflict("no_appeal", f"Suspension {suspension.number} was not appealed.")
    if suspension.appeal.outcome is not None:
        raise Conflict("appeal_decided", f"The appeal was {suspension.appeal.outcome.value} before.")
    return suspension.appeal


def _lifted(suspension: Suspension, actor: Actor, reason: str, now: datetime) -> list[Event]:
    """The end of a suspension by another way than its appeal, which is then answered by it."""
    lifted = _open_again(suspension, actor, reason, now)
    if suspension.appeal is None or suspension.appeal.outcome is not None:
        return [lifted]
    overtaken = AppealDecided(
        number=suspension.number,
        outcome=AppealOutcome.OVERTAKEN,
        by_id=actor.person_id,
        by_name=actor.name,
        reasons=f"The suspension ended before the appeal was decided. {reason}",
        at=now,
    )
    return [overtaken, lifted]


def _open_again(suspension: Suspension, actor: Actor, reason: str, now: datetime) -> SuspensionLifted:
    return SuspensionLifted(number=suspension.number, by_id=actor.person_id, by_name=actor.name, reason=reason, at=now)
