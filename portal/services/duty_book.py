"""What an agreement owes and how each duty stands, put together from its versions, its end and its ledger.

Only reads: the duty service, the clockwork and whoever closes an agreement ask here, so that all see the same.
"""

from datetime import datetime, timedelta
from typing import TypeVar

from agreements.agreement import Agreement, AgreementStatus, Change
from agreements.clauses import LateDuties, only
from agreements.clauses.base import ClauseBase
from agreements.duties import (
    Duty,
    Ledger,
    Segment,
    Standing,
    dropped,
    dropped_standing,
    incident_standing,
    schedule,
    standing,
)
from portal.services.aggregates import AGREEMENTS
from portal.services.duty_rows import LEDGERS
from portal.services.kernel import Kernel

C = TypeVar("C", bound=ClauseBase)


def segments_of(agreement: Agreement) -> tuple[Segment, ...]:
    """The versions that ever governed, each for its time."""
    found, term = [], 1
    starts_at = expires_at = None
    for version in agreement.history:
        if version.effective_at is None:
            continue
        renewed = version.change is Change.RENEWAL
        term += renewed
        starts_at = expires_at if renewed else starts_at or version.effective_at
        expires_at = (starts_at or version.effective_at) + timedelta(days=version.term_days)
        found.append(
            Segment(
                clauses=version.clauses,
                starts_at=version.effective_at,
                ends_at=version.replaced_at,
                term=term,
                expires_at=expires_at,
            )
        )
    return tuple(found)


def duties_of(agreement: Agreement, *, until: datetime | None = None) -> tuple[Duty, ...]:
    """Every duty of an agreement that is due at the latest at ``until``, by scheduled date; none before it governs."""
    if agreement.expires_at is None:
        return ()
    return schedule(
        segments_of(agreement), expires_at=agreement.expires_at, terminated_at=agreement.ended_at, until=until
    )


def dropped_from(agreement: Agreement) -> tuple[Duty, ...]:
    """Every duty that the agreement asked for once and no longer does, by the date it had last."""
    if agreement.expires_at is None:
        return ()
    return dropped(segments_of(agreement), expires_at=agreement.expires_at, terminated_at=agreement.ended_at)


class DutyBook:
    """Schedules and ledgers of the portal's agreements. Authorises nobody: that is its callers' part."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def ledger(self, agreement_id: str) -> Ledger:
        """What is on record; empty until something happens."""
        state, _version = self._kernel.store.state(LEDGERS, agreement_id)
        return state

    def clause(self, agreement: Agreement, kind: type[C]) -> C | None:
        """The clause of that type: the agreement's own, else that of the framework it belongs to."""
        own = only(agreement.clauses, kind)
        if own is not None or agreement.framework is None:
            return own
        return only(self._kernel.state(AGREEMENTS, agreement.framework.agreement_id).clauses, kind)

    def remind_days(self, agreement: Agreement) -> int:
        """How many days ahead the agreement wants reminders; 0 where it says nothing."""
        late = self.clause(agreement, LateDuties)
        return late.remind_days_before if late is not None else 0

    def standings(self, agreement: Agreement, now: datetime, *, until: datetime | None = None) -> tuple[Standing, ...]:
        """Every duty with how it stands, incidents included, by present due date.

        ``until`` leaves out what is due later and is not done yet. What was done stays, also where the agreement no
        longer asks for it.
        """
        ledger, remind_days = self.ledger(agreement.id), self.remind_days(agreement)
        found = [standing(duty, ledger, now, remind_days) for duty in duties_of(agreement)]
        if {record.key for record in ledger.records} - {one.duty.key for one in found}:
            kept = (dropped_standing(duty, ledger) for duty in dropped_from(agreement))
            found += [one for one in kept if one is not None]
        found = [one for one in found if until is None or one.due_at <= until or not one.state.is_open]
        found += [incident_standing(incident) for incident in ledger.incidents]
        return tuple(sorted(found, key=lambda one: (one.due_at, one.duty.key)))

    def open_keys(self, agreement: Agreement, now: datetime) -> tuple[str, ...]:
        """The duties still to be done; what keeps an agreement from being closed as fulfilled.

        Once closed an agreement's books stay as they were, so this is asked before.
        """
        return tuple(one.duty.key for one in self.standings(agreement, now) if one.state.is_open)


def is_closed(agreement: Agreement) -> bool:
    """Whether its books are closed, so that nothing is recorded about its duties any more."""
    return agreement.status is AgreementStatus.CLOSED
