"""Which duties the clauses of an agreement cause, and when each is due: a function of its versions and of its end.

Nothing of it is stored. A duty goes by a key that stays the same however the agreement is amended: what was done under
one version stays done under the next.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from agreements.clauses import Clause, Feedback, FinalReport, Termination, only
from agreements.deciders import Value
from agreements.recurrence import LONGEST, occurrences, weekly


class DutyKind(StrEnum):
    """What is owed."""

    FEEDBACK = "feedback"
    FINAL_REPORT = "final_report"
    DESTRUCTION = "destruction"
    """The attestation that stored outputs were destroyed."""
    INCIDENT_NOTICE = "incident_notice"

    @property
    def label(self) -> str:
        """The kind as people read it."""
        return "attestation of destruction" if self is DutyKind.DESTRUCTION else self.value.replace("_", " ")

    @property
    def binds(self) -> bool:
        """Whether only somebody who may bind the institution can fulfil it."""
        return self in {DutyKind.FINAL_REPORT, DutyKind.DESTRUCTION}


class Duty(Value):
    """One dated obligation from one clause."""

    key: str
    """Unique within its agreement: ``feedback/2026-03-29`` for what recurs, ``final-report/term-1`` for what comes
    with the end of a term, so that a termination moves its date and not its name."""
    kind: DutyKind
    clause_id: str
    title: str
    text: str
    """The clause as people read it."""
    opens_at: datetime
    """From when on it can be fulfilled."""
    due_at: datetime


class Segment(Value):
    """One version of an agreement, for the time in which it governs."""

    clauses: tuple[Clause, ...]
    starts_at: datetime
    ends_at: datetime | None = None
    """When the next version took over; None for the last."""
    term: int = 1
    """Which term of the agreement it belongs to: one more with each renewal."""
    expires_at: datetime | None = None
    """When the agreement was to end as long as this version governed; None for when it ends now."""


def schedule(
    segments: Sequence[Segment],
    *,
    expires_at: datetime,
    terminated_at: datetime | None = None,
    until: datetime | None = None,
) -> tuple[Duty, ...]:
    """Every duty due at the latest at ``until`` (None for all), by due date.

    ``segments`` are the versions that ever governed, in order and without gaps. An amendment that leaves a clause's
    data alone does not restart its clock; a changed cadence starts anew when it takes effect. Nothing recurs after
    the end, which is the term's or an earlier termination's; what is owed at the end is counted from it.
    """
    if not segments:
        return ()
    end = expires_at if terminated_at is None else min(expires_at, terminated_at)
    found = [*_recurring(segments, end), *_at_the_end(segments[-1], end)]
    return tuple(sorted((d for d in found if until is None or d.due_at <= until), key=lambda d: (d.due_at, d.key)))


def dropped(
    segments: Sequence[Segment], *, expires_at: datetime, terminated_at: datetime | None = None
) -> tuple[Duty, ...]:
    """Every duty that was scheduled once and is no longer owed, as it was scheduled last, by due date.

    An amendment, a renewal or a termination took it off the schedule. What was handed in for it stays on record.
    """
    owed = {duty.key for duty in schedule(segments, expires_at=expires_at, terminated_at=terminated_at)}
    once: dict[str, Duty] = {}
    for number, segment in enumerate(segments):
        following = segments[number + 1] if number + 1 < len(segments) else None
        if following is not None and _causes(segment, expires_at) == _causes(following, expires_at):
            continue
        governing = segment.model_copy(update={"ends_at": None})
        until_then = schedule((*segments[:number], governing), expires_at=segment.expires_at or expires_at)
        once |= {duty.key: duty for duty in until_then}
    return tuple(sorted((d for key, d in once.items() if key not in owed), key=lambda d: (d.due_at, d.key)))


def _causes(segment: Segment, expires_at: datetime) -> tuple[object, ...]:
    """All of a version that the keys and dates of its schedule depend on."""
    report, termination = only(segment.clauses, FinalReport), only(segment.clauses, Termination)
    return (
        _cadence(segment),
        report and (report.clause_id, report.within_days),
        termination and (termination.clause_id, termination.destruction_days),
        segment.term,
        segment.expires_at or expires_at,
    )


def _recurring(segments: Sequence[Segment], end: datetime) -> Iterator[Duty]:
    for run in _runs(segments):
        anchor, last = run[0].starts_at, run[-1].ends_at or end
        clause = only(run[0].clauses, Feedback)
        if clause is None:
            continue
        opens_at = anchor
        words = {s.starts_at: (c.title, c.rendered()) for s in run if (c := only(s.clauses, Feedback)) is not None}
        for due_at in occurrences(weekly(clause.every_weeks), anchor, anchor, min(last, end, anchor + LONGEST)):
            title, text = words[_governing(run, due_at).starts_at]
            yield Duty(
                key=f"{clause.clause_id}/{due_at:%Y-%m-%d}",
                kind=DutyKind.FEEDBACK,
                clause_id=clause.clause_id,
                title=title,
                text=text,
                opens_at=opens_at,
                due_at=due_at,
            )
            opens_at = due_at


def _runs(segments: Sequence[Segment]) -> Iterator[tuple[Segment, ...]]:
    """Consecutive segments whose feedback clauses have the same data, whatever their words."""
    run: list[Segment] = []
    for segment in segments:
        if run and _cadence(run[-1]) != _cadence(segment):
            yield tuple(run)
            run = []
        run.append(segment)
    yield tuple(run)


def _cadence(segment: Segment) -> tuple[str, int] | None:
    clause = only(segment.clauses, Feedback)
    return None if clause is None else (clause.clause_id, clause.every_weeks)


def _governing(run: Sequence[Segment], moment: datetime) -> Segment:
    return next(segment for segment in reversed(run) if segment.starts_at < moment)


def _at_the_end(last: Segment, end: datetime) -> Iterator[Duty]:
    report, termination = only(last.clauses, FinalReport), only(last.clauses, Termination)
    if report is not None:
        yield Duty(
            key=f"{report.clause_id}/term-{last.term}",
            kind=DutyKind.FINAL_REPORT,
            clause_id=report.clause_id,
            title=report.title,
            text=report.rendered(),
            # A report within zero days of the end has to be handed in before it.
            opens_at=last.starts_at,
            due_at=end + timedelta(days=report.within_days),
        )
    if termination is not None:
        yield Duty(
            key=f"{termination.clause_id}/term-{last.term}",
            kind=DutyKind.DESTRUCTION,
            clause_id=termination.clause_id,
            title=termination.title,
            text=termination.rendered(),
            opens_at=end,
            due_at=end + timedelta(days=termination.destruction_days),
        )
