"""What people are told about an agreement and its duties, as notices made from the record alone.

Each has an id made from what it tells of. Whoever raises them asks for all and raises those that were never raised, so
that nothing is told twice and nothing is lost to a crash.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agreements.agreement import Agreement, AgreementStatus, Suspension, VersionStatus
from agreements.clauses import LateDuties, Term, Vetting, only
from agreements.duties import Ledger, Record, Standing, Step
from agreements.lateness import reason
from agreements.passports import Passport
from agreements.vetting import ItemStatus, VettingItem
from portal.notices.model import Notice
from portal.services.notice_making import EVERYBODY, LAB_SIDE, LEADS, PARTNERS, notice_about


def reminder(agreement: Agreement, standing: Standing, step: Step, late: LateDuties | None, now: datetime) -> Notice:
    """That a duty is due soon, or overdue, with what comes next."""
    overdue = step is Step.OVERDUE
    return notice_about(
        agreement,
        f"duty:{agreement.id}:{standing.duty.key}:{step.value}:{standing.due_at:%Y-%m-%d}",
        f"duty.{step.value}",
        f"{'Overdue' if overdue else 'Due soon'}: {standing.duty.title} under {agreement.title}",
        f"{reason(standing, late, now, agreement.ends_at)}\n\n{standing.duty.text}\n\n"
        "A partner lead hands it in under Duties; a coordinator can give more time.",
        now,
        EVERYBODY if overdue else PARTNERS,
    )


def told_of(agreement: Agreement, ledger: Ledger) -> Iterator[Notice]:
    """Everything in the record of an agreement and of its duties that somebody should know."""
    yield from _on_the_table(agreement)
    for suspension in agreement.suspensions:
        yield from _suspension(agreement, suspension)
    yield from _narrowings(agreement)
    for record in ledger.records:
        yield from _record(agreement, record)
    for incident in ledger.incidents:
        yield notice_about(
            agreement,
            f"incident:{agreement.id}:{incident.number}",
            "incident.reported",
            f"Incident reported: {incident.kind.value} under {agreement.title}",
            f"Known since {incident.aware_at:%Y-%m-%d %H:%M} UTC, reported on {incident.at:%Y-%m-%d %H:%M} UTC"
            f"{'' if incident.on_time else ', later than agreed'}.\n\n{incident.statement}",
            incident.at,
            LAB_SIDE | LEADS,
        )


def coming(agreement: Agreement, remind_days: int, now: datetime) -> Iterator[Notice]:
    """That the term ends soon, or has ended; how soon is what the agreement itself says about renewal or reminders."""
    ends_at = agreement.expires_at
    if ends_at is None or agreement.status is not AgreementStatus.IN_FORCE:
        return
    term = only(agreement.clauses, Term)
    window = (term.renewal_window_days if term else None) or remind_days
    if now >= ends_at:
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:expired:{ends_at:%Y-%m-%d}",
            "agreement.expired",
            f"Ended: {agreement.title}",
            f"The term ended on {ends_at:%Y-%m-%d %H:%M} UTC, and every grant under it with it. "
            "What is owed after the end is listed under Duties.",
            ends_at,
            EVERYBODY,
        )
    elif now >= ends_at - timedelta(days=window):
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:expires_soon:{ends_at:%Y-%m-%d}",
            "agreement.expires_soon",
            f"Ends on {ends_at:%Y-%m-%d}: {agreement.title}",
            "Every grant under it ends with it. To go on, propose a renewal and have it signed by both sides before.",
            now,
            LEADS | LAB_SIDE,
        )


def lapsing(
    agreement: Agreement, passport: Passport, clause: Vetting, remind_days: int, now: datetime
) -> Iterator[Notice]:
    """That vetting which the agreement asks for lapses soon, or has lapsed."""
    for line in passport.checklist(frozenset(VettingItem(item) for item in clause.items), now):
        until = line.valid_until
        if until is None:
            continue
        if line.valid and now >= until - timedelta(days=remind_days):
            kind, word = "passport.lapses_soon", f"lapses on {until:%Y-%m-%d}"
        elif line.status is ItemStatus.LAPSED:
            kind, word = "passport.lapsed", f"lapsed on {until:%Y-%m-%d}"
        else:
            continue
        refused_at = until + timedelta(days=clause.grace_days)
        whose_turn = "A partner lead hands in new evidence, and a coordinator reviews it."
        if line.awaiting_review:
            whose_turn = "New evidence is handed in and awaits a coordinator's review."
        yield notice_about(
            agreement,
            f"passport:{agreement.institution_id}:{line.item.value}:{kind.partition('.')[2]}:{until:%Y-%m-%d}",
            kind,
            f"Vetting {word}: {line.item.label}",
            f"{agreement.title} asks for it: requests are refused from {refused_at:%Y-%m-%d %H:%M} UTC. " + whose_turn,
            now,
            LAB_SIDE if line.awaiting_review else LEADS | LAB_SIDE,
            link=f"/passports?institution={agreement.institution_id}",
        )


def _on_the_table(agreement: Agreement) -> Iterator[Notice]:
    proposal = agreement.proposal
    if proposal is None or proposal.tabled_at is None:
        return
    countered = proposal.status is VersionStatus.COUNTERED
    if proposal.status is VersionStatus.OFFERED or countered:
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:{proposal.status.value}:{proposal.number}",
            f"agreement.{proposal.status.value}",
            f"{'Counter-offer' if countered else 'Offer'}: {proposal.title}",
            proposal.note or "Read it, then sign it, answer it with another text, or decline it.",
            proposal.tabled_at,
            LAB_SIDE if countered else LEADS,
        )


def _suspension(agreement: Agreement, suspension: Suspension) -> Iterator[Notice]:
    number, name = suspension.number, agreement.title
    until = suspension.appeal_until
    within = f" until {until:%Y-%m-%d %H:%M} UTC" if until is not None else ""
    against = f"A partner lead can {'lift it' if suspension.requested else f'appeal{within}'}."
    yield notice_about(
        agreement,
        f"agreement:{agreement.id}:suspended:{number}",
        "agreement.suspended",
        f"Access suspended: {name}",
        f"For {suspension.reason}, from {suspension.takes_effect_at:%Y-%m-%d %H:%M} UTC on. {suspension.statement}\n\n"
        f"{against}",
        suspension.notified_at,
        EVERYBODY,
    )
    appeal = suspension.appeal
    if appeal is not None:
        by = f" The agreement gives until {appeal.decide_by:%Y-%m-%d %H:%M} UTC." if appeal.decide_by else ""
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:appealed:{number}",
            "appeal.filed",
            f"Appeal against suspension {number}: {name}",
            f"{appeal.text}\n\nAnother coordinator than the one who suspended decides.{by}",
            appeal.filed_at,
            LAB_SIDE,
        )
    if appeal is not None and appeal.outcome is not None and appeal.decided_at is not None:
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:appeal_decided:{number}",
            f"appeal.{appeal.outcome.value}",
            f"Appeal {appeal.outcome.value}: {name}",
            appeal.reasons,
            appeal.decided_at,
            EVERYBODY,
        )
    if suspension.lifted_at is not None:
        # Access opens only where this one had stopped it and no other does.
        lifted_at = suspension.lifted_at
        opened = suspension.takes_effect_at <= lifted_at and not any(
            other.takes_effect_at <= lifted_at and (other.lifted_at is None or lifted_at < other.lifted_at)
            for other in agreement.suspensions
            if other.number != number
        )
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:lifted:{number}",
            "agreement.suspension_lifted",
            f"{'Access open again' if opened else 'Suspension lifted'}: {name}",
            suspension.lift_reason,
            suspension.lifted_at,
            EVERYBODY,
        )


def _narrowings(agreement: Agreement) -> Iterator[Notice]:
    for entry in agreement.narrowings:
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:narrowed:{entry.number}",
            "agreement.narrowed",
            f"Access narrowed: {agreement.title}",
            f"To {', '.join(sorted(entry.operations))}, at most {entry.requests_per_minute:,} requests a minute. "
            f"{entry.statement}",
            entry.at,
            EVERYBODY,
        )
        if entry.widened_at is not None:
            yield notice_about(
                agreement,
                f"agreement:{agreement.id}:widened:{entry.number}",
                "agreement.widened",
                f"Access wide again: {agreement.title}",
                entry.widen_reason,
                entry.widened_at,
                EVERYBODY,
            )


def _called(record: Record) -> str:
    """The duty's key in words: ``feedback (2027-09-30)``, ``final report (term-1)``."""
    clause_id, _, when = record.key.partition("/")
    return f"{clause_id.replace('-', ' ')} ({when})"


def _record(agreement: Agreement, record: Record) -> Iterator[Notice]:
    about = f"duty:{agreement.id}:{record.key}"
    for number, handed_in in enumerate(record.fulfilments, 1):
        late = "" if handed_in.at <= handed_in.due_at else ", late"
        yield notice_about(
            agreement,
            f"{about}:fulfilled:{number}",
            "duty.fulfilled",
            f"Handed in{late}: {_called(record)} of {agreement.institution_name}",
            handed_in.evidence.statement,
            handed_in.at,
            LAB_SIDE,
        )
        back = handed_in.sent_back
        if back is not None:
            yield notice_about(
                agreement,
                f"{about}:sent_back:{number}",
                "duty.evidence_sent_back",
                f"Evidence sent back: {_called(record)}",
                f"{back.reason}\n\nOther evidence is due on {back.due_at:%Y-%m-%d %H:%M} UTC.",
                back.at,
                PARTNERS,
            )
    for number, given in enumerate(record.postponements, 1):
        yield notice_about(
            agreement,
            f"{about}:postponed:{number}",
            "duty.postponed",
            f"More time: {_called(record)} is due on {given.due_at:%Y-%m-%d}",
            given.reason,
            given.at,
            PARTNERS,
        )
    if record.waiver is not None:
        subject = f"Waived: {_called(record)}"
        yield notice_about(
            agreement, f"{about}:waived", "duty.waived", subject, record.waiver.reason, record.waiver.at, PARTNERS
        )
