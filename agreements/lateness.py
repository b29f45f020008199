"""The ladder of a late duty, as the agreement's own clause sets it: remind, narrow, suspend, and down again.

One call answers which single rung to take now, with reasons that name each late duty, how late it is, and what comes
next and when. Whoever carries it out asks again until there is nothing to take.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from agreements.agreement import Agreement
from agreements.clauses import LateDuties, SuspensionReason
from agreements.deciders import Value
from agreements.duties import DutyState, Standing

MAX_NAMED = 8
"""How many late duties a statement names one by one; it has to stay readable."""


MAX_LEFT = 3
"""How many the reason of a step down names; it is shorter than a statement."""


class RungKind(StrEnum):
    """What the ladder asks for."""

    NONE = "none"
    REMIND = "remind"
    NARROW = "narrow"
    SUSPEND = "suspend"
    LIFT = "lift"
    """End the suspension: no late duty is left for which the clause suspends."""
    WIDEN = "widen"
    """End the narrowing: no late duty is left for which the clause narrows."""


class Rung(Value):
    """One rung, why, and for which duties."""

    kind: RungKind = RungKind.NONE
    duty_keys: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The reasons as one text."""
        return " ".join(self.reasons)


class Excused(Value):
    """A duty for which somebody other than the ladder ended a measure: it does not cause that measure again.

    A coordinator who widened access, or an appeal that was upheld, is not overruled by the clock the next minute. When
    the duty is given a new date and missed again, ``before`` no longer covers it.
    """

    key: str
    before: datetime
    """When the measure was ended; it covers lateness that began earlier."""


class Measures(Value):
    """How access stands because of measures. ``own`` means taken by the ladder itself."""

    narrowed: bool = False
    own_narrowing: bool = False
    suspended: bool = False
    own_suspension: bool = False
    excused_narrowing: tuple[Excused, ...] = ()
    excused_suspension: tuple[Excused, ...] = ()


def measures_of(agreement: Agreement, ladder_id: str) -> Measures:
    """How access under an agreement stands, from its own record; ``ladder_id`` is the id of the ladder's rule."""
    narrowing, suspensions = agreement.narrowing, agreement.open_suspensions
    return Measures(
        narrowed=narrowing is not None,
        own_narrowing=narrowing is not None and narrowing.by_id == ladder_id,
        suspended=bool(suspensions),
        own_suspension=any(one.by_id == ladder_id for one in suspensions),
        excused_narrowing=tuple(
            Excused(key=key, before=entry.widened_at)
            for entry in agreement.narrowings
            if entry.by_id == ladder_id and entry.widened_at is not None and entry.widened_by != ladder_id
            for key in entry.duty_keys
        ),
        excused_suspension=tuple(
            Excused(key=key, before=entry.lifted_at)
            for entry in agreement.suspensions
            if entry.reason is SuspensionReason.OVERDUE_DUTY
            and entry.lifted_at is not None
            and entry.lifted_by != ladder_id
            for key in entry.duty_keys
        ),
    )


def ladder_step(
    clause: LateDuties | None,
    standings: Iterable[Standing],
    *,
    measures: Measures,
    now: datetime,
    ends_at: datetime | None = None,
) -> Rung:
    """The one rung to take at ``now``; NONE where access and reminders are as the clause wants them.

    ``ends_at`` is when the agreement ends, so that no reason threatens what comes after it.

    Access is narrowed before it is suspended, never the other way round, and comes down to the rung that the worst duty
    still late has reached: what was suspended for one duty stays narrowed for another. Without a clause the ladder
    takes nothing and takes back what it did under an earlier one.
    """
    found = tuple(standings)
    late = sorted((s for s in found if s.state is DutyState.OVERDUE), key=lambda s: (s.due_at, s.duty.key))
    narrowing = _reaching(late, clause.narrow_after_days if clause else None, measures.excused_narrowing, now)
    suspending = _reaching(late, clause.suspend_after_days if clause else None, measures.excused_suspension, now)
    # Narrowed first where both are called for, also on the way down, so that access is not wide open in between.
    if narrowing and not measures.narrowed:
        return _rung(RungKind.NARROW, clause, narrowing, now, ends_at)
    if measures.own_suspension and not suspending:
        return _down(RungKind.LIFT, clause, late, now)
    if measures.own_narrowing and not narrowing:
        return _down(RungKind.WIDEN, clause, late, now)
    if suspending and not measures.suspended:
        return _rung(RungKind.SUSPEND, clause, suspending, now, ends_at)
    due = [s for s in found if s.state is DutyState.DUE]
    return _rung(RungKind.REMIND, clause, [*late, *due], now, ends_at) if late or due else Rung()


def _reaching(late: Sequence[Standing], days: int | None, excused: Sequence[Excused], now: datetime) -> list[Standing]:
    """Those at least so many days late, less those for which the measure was ended by others; none without days."""
    return [
        standing
        for standing in late
        if days is not None
        and standing.late_by(now) >= timedelta(days=days)
        and not any(e.key == standing.duty.key and standing.due_at <= e.before for e in excused)
    ]


def _rung(
    kind: RungKind,
    clause: LateDuties | None,
    standings: Sequence[Standing],
    now: datetime,
    ends_at: datetime | None,
) -> Rung:
    reasons = [reason(standing, clause, now, ends_at) for standing in standings[:MAX_NAMED]]
    if len(standings) > MAX_NAMED:
        reasons.append(f"{len(standings) - MAX_NAMED:,} more duties are late.")
    return Rung(kind=kind, duty_keys=tuple(s.duty.key for s in standings), reasons=tuple(reasons))


def reason(standing: Standing, clause: LateDuties | None, now: datetime, ends_at: datetime | None = None) -> str:
    """One duty in words: since when it is late, what comes next and when."""
    named = f"{standing.duty.title} ({standing.duty.key})"
    due = f"{standing.due_at:%Y-%m-%d %H:%M} UTC"
    if standing.state is DutyState.OVERDUE:
        said = f"{named} was due on {due} and is {_span(standing.late_by(now))} late."
    else:
        said = f"{named} is due on {due}."
    coming = what_comes(standing, clause, now, ends_at)
    return f"{said} {coming}" if coming else said


def what_comes(standing: Standing, clause: LateDuties | None, now: datetime, ends_at: datetime | None = None) -> str:
    """What the ladder does next unless the duty is fulfilled, postponed or waived; empty where nothing follows.

    From ``ends_at`` on there is no access left to narrow or suspend.
    """
    if clause is None or not standing.state.is_open or (ends_at is not None and now >= ends_at):
        return ""
    for days, what in ((clause.narrow_after_days, "narrowed"), (clause.suspend_after_days, "suspended")):
        taken_at = standing.due_at + timedelta(days=days)
        if now < taken_at:
            said = f"Access is {what} on {taken_at:%Y-%m-%d %H:%M} UTC unless it is fulfilled, postponed or waived."
            return said if ends_at is None or taken_at < ends_at else ""
    return (
        "Access opens again when it is fulfilled, postponed or waived and nothing else is as late: hand in the "
        "evidence, or ask a coordinator for more time."
    )


def _down(kind: RungKind, clause: LateDuties | None, late: Sequence[Standing], now: datetime) -> Rung:
    """A step down, with what is still late."""
    if not late:
        return Rung(kind=kind, reasons=("Nothing late is open any more.",))
    if clause is None:
        return Rung(kind=kind, reasons=("The agreement no longer says what follows from a late duty.",))
    measure = "suspended" if kind is RungKind.LIFT else "narrowed"
    left = [f"{s.duty.title} ({s.duty.key}), {_span(s.late_by(now))}" for s in late[:MAX_LEFT]]
    if len(late) > MAX_LEFT:
        left.append(f"and {len(late) - MAX_LEFT:,} more")
    reasons = (f"No late duty is left for which access is {measure}.", f"Late by now: {'; '.join(left)}.")
    return Rung(kind=kind, reasons=reasons)


def _span(late: timedelta) -> str:
    if late.days:
        return f"{late.days:,} day{'' if late.days == 1 else 's'}"
    hours = int(late.total_seconds() // 3600)
    return f"{hours} hour{'' if hours == 1 else 's'}" if hours else "less than an hour"
