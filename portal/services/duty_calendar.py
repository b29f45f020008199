"""Everything with a date under an agreement, as appointments, and those as iCalendar (RFC 5545).

Entries are events of no length rather than to-dos: most calendars that people use show events only.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from icalendar import Alarm, Calendar, Event

from agreements.agreement import Agreement
from agreements.clauses import LateDuties, Term, only
from agreements.deciders import Value
from agreements.duties import Duty, DutyState, Standing
from agreements.lateness import what_comes
from agreements.passports import Passport
from agreements.vetting import VettingItem

PRODUCT = "-//Concordat//Duties//EN"


class AppointmentKind(StrEnum):
    """What a date is about."""

    DUTY = "duty"
    TERM = "term"
    RENEWAL = "renewal"
    GRACE = "grace"
    APPEAL = "appeal"
    PASSPORT = "passport"


class Appointment(Value):
    """One date. ``uid`` stays the same when the date moves; ``moved`` counts how often it did."""

    uid: str
    kind: AppointmentKind
    agreement_id: str | None
    institution_id: str
    at: datetime
    title: str
    text: str
    done: bool = False
    called_off: bool = False
    moved: int = 0
    alarm_days: int | None = None
    """How many days ahead to ring; None for not at all."""


@dataclass(frozen=True)
class ICalendar:
    """What makes entries those of this portal: its name, unique among portals, and its address."""

    portal_name: str
    url: str


def appointments(
    agreement: Agreement, standings: Iterable[Standing], late: LateDuties | None, now: datetime
) -> Iterator[Appointment]:
    """The dates of one agreement: its duties, the end of its term, graces, and the clocks of appeals."""
    alarm = late.remind_days_before if late is not None else None
    runs = agreement.runs_on(now)
    for standing in standings:
        duty, record = standing.duty, standing.record
        is_open = standing.state.is_open
        coming = what_comes(standing, late, now, agreement.ends_at)
        yield Appointment(
            uid=f"duty/{agreement.id}/{duty.key}",
            kind=AppointmentKind.DUTY,
            agreement_id=agreement.id,
            institution_id=agreement.institution_id,
            at=standing.due_at,
            title=f"{duty.title}: {agreement.institution_name}",
            text="\n".join(filter(None, (duty.text, f"Now: {standing.state.value}.", coming))),
            done=standing.state is DutyState.FULFILLED,
            called_off=standing.state is DutyState.WAIVED,
            moved=len(record.postponements)
            + sum(f.sent_back is not None for f in record.fulfilments)
            + (record.waiver is not None)
            + _changes(agreement),
            alarm_days=alarm if is_open else None,
        )
    yield from _terms(agreement, alarm if runs else None)
    yield from _graces(agreement)
    yield from _appeals(agreement)


def _changes(agreement: Agreement) -> int:
    """How often the agreement's text or its end moved the dates that follow from it."""
    return len(agreement.history) - 1 + (agreement.ended_at is not None)


def called_off(agreement: Agreement, duties: Iterable[Duty]) -> Iterator[Appointment]:
    """Duties that the agreement no longer asks for: a calendar that took them in once is told to strike them out."""
    for duty in duties:
        yield Appointment(
            uid=f"duty/{agreement.id}/{duty.key}",
            kind=AppointmentKind.DUTY,
            agreement_id=agreement.id,
            institution_id=agreement.institution_id,
            at=duty.due_at,
            title=f"{duty.title}: {agreement.institution_name}",
            text="It is not asked for any more.",
            called_off=True,
            moved=_changes(agreement),
        )


def _terms(agreement: Agreement, alarm: int | None) -> Iterator[Appointment]:
    if agreement.ends_at is None or agreement.in_force_at is None:
        return
    ended = agreement.ended_at is not None
    yield _of(
        agreement,
        AppointmentKind.TERM,
        "end",
        agreement.ends_at,
        "Agreement ended" if ended else "Agreement ends",
        agreement.end_reason or "With the end of the term every grant under it ends.",
        alarm,
        moved=_changes(agreement),
    )
    term = only(agreement.clauses, Term)
    if term is not None and term.renewal_window_days is not None and not ended:
        opens = agreement.ends_at - timedelta(days=term.renewal_window_days)
        yield _of(
            agreement,
            AppointmentKind.RENEWAL,
            "opens",
            opens,
            "Renewal can be proposed",
            f"From now until the end of the term on {agreement.ends_at:%Y-%m-%d}.",
            None,
            moved=len(agreement.history) - 1,
        )


def _graces(agreement: Agreement) -> Iterator[Appointment]:
    for version in agreement.history:
        if version.grace_ends_at is not None and version.grace_ends_at != version.replaced_at:
            yield _of(
                agreement,
                AppointmentKind.GRACE,
                str(version.number),
                version.grace_ends_at,
                f"Version {version.number} stops working",
                "Tokens issued under it are refused from now on; the version that replaced it governs.",
                None,
            )


def _appeals(agreement: Agreement) -> Iterator[Appointment]:
    for suspension in agreement.suspensions:
        appeal = suspension.appeal
        over = suspension.lifted_at is not None
        if suspension.appeal_until is not None:
            yield _of(
                agreement,
                AppointmentKind.APPEAL,
                f"{suspension.number}/file",
                suspension.appeal_until,
                f"Last day to appeal suspension {suspension.number}",
                suspension.statement,
                None,
                moved=appeal is not None or over,
                done=appeal is not None or over,
            )
        if appeal is not None and appeal.decide_by is not None:
            yield _of(
                agreement,
                AppointmentKind.APPEAL,
                f"{suspension.number}/decide",
                appeal.decide_by,
                f"Appeal against suspension {suspension.number} has to be decided",
                appeal.text,
                None,
                moved=appeal.outcome is not None or over,
                done=appeal.outcome is not None or over,
            )


def _of(
    agreement: Agreement,
    kind: AppointmentKind,
    what: str,
    at: datetime,
    title: str,
    text: str,
    alarm_days: int | None,
    *,
    moved: int = 0,
    done: bool = False,
) -> Appointment:
    return Appointment(
        uid=f"{kind.value}/{agreement.id}/{what}",
        kind=kind,
        agreement_id=agreement.id,
        institution_id=agreement.institution_id,
        at=at,
        title=f"{title}: {agreement.institution_name}",
        text=text,
        done=done,
        moved=moved,
        alarm_days=alarm_days,
    )


def passport_appointments(
    passport: Passport, institution_id: str, institution_name: str, now: datetime
) -> Iterator[Appointment]:
    """When each valid item of an institution's vetting lapses."""
    for line in passport.checklist(frozenset(VettingItem), now):
        if line.valid and line.valid_until is not None:
            yield Appointment(
                uid=f"passport/{institution_id}/{line.item.value}",
                kind=AppointmentKind.PASSPORT,
                agreement_id=None,
                institution_id=institution_id,
                at=line.valid_until,
                title=f"Vetting lapses ({line.item.label}): {institution_name}",
                text="Hand in new evidence before, so that a coordinator can review it in time.",
                moved=sum(entry.kind != "submission" for entry in passport.record(line.item).entries) - 1,
            )


def to_icalendar(dated: Iterable[Appointment], names: ICalendar, now: datetime) -> bytes:
    """The appointments as one iCalendar object, stamped ``now``; entries may move, their ids do not."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Concordat")
    for one in dated:
        calendar.add_component(_event(one, names, now))
    written: bytes = calendar.to_ical()
    return written


def _event(one: Appointment, names: ICalendar, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"{one.uid}@{names.portal_name}")
    event.add("dtstamp", now.replace(microsecond=0))
    event.add("dtstart", one.at.replace(microsecond=0))
    event.add("summary", _printable(f"Done: {one.title}" if one.done else one.title))
    event.add("description", _printable(one.text))
    event.add("categories", [one.kind.value])
    event.add("sequence", one.moved)
    event.add("status", "CANCELLED" if one.called_off else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    vetting = f"/passports?institution={one.institution_id}"
    where = f"/agreements?agreement={one.agreement_id}" if one.agreement_id else vetting
    event.add("url", f"{names.url}{where}")
    if one.alarm_days is not None and not one.done and not one.called_off:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _printable(one.title))
        alarm.add("trigger", -timedelta(days=one.alarm_days))
        event.add_component(alarm)
    return event


def _printable(text: str) -> str:
    """Text without what RFC 5545 has no spelling for: control characters other than line breaks."""
    return "".join(
        " " if unicodedata.category(char) in ("Cc", "Cs") and char != "\n" else char for char in text.strip()
    )
