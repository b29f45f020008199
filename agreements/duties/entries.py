"""What may be asked of a duty ledger, and what happened. Bodies are kept for ever: what comes later has a default."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from agreements.deciders import Event, Value
from agreements.duties.model import Evidence, IncidentKind, Step, Words
from agreements.duties.schedule import Duty
from agreements.scopes import Moment

Reason = Annotated[str, Field(min_length=3, max_length=1000)]


class DutyFulfilled(Event, type="duty:fulfilled"):
    """Evidence was handed in."""

    key: str
    kind: str
    evidence: Evidence
    due_at: datetime
    by_id: str
    at: datetime


class DutyWaived(Event, type="duty:waived"):
    """The lab does without."""

    key: str
    kind: str
    reason: str
    by_id: str
    at: datetime


class DutyPostponed(Event, type="duty:postponed"):
    """The lab gave more time."""

    key: str
    kind: str
    before: datetime
    due_at: datetime
    reason: str
    by_id: str
    at: datetime


class EvidenceSentBack(Event, type="duty:evidence_sent_back"):
    """The lab wants other evidence; the duty is open again."""

    key: str
    kind: str
    reason: str
    due_at: datetime
    by_id: str
    at: datetime


class DutyReminded(Event, type="duty:reminded"):
    """The institution was reminded."""

    key: str
    kind: str
    step: Step
    due_at: datetime
    at: datetime


class IncidentReported(Event, type="incident:reported"):
    """One side told the other of a leak, breach or misuse."""

    number: int
    kind: IncidentKind
    aware_at: datetime
    statement: str
    key: str
    due_at: datetime | None
    by_id: str
    at: datetime


class Fulfil(Value):
    """Hand in evidence. ``institution_id`` and ``duty`` are given by the service, from the agreement."""

    institution_id: str
    duty: Duty
    evidence: Evidence


class Waive(Value):
    """Do without. ``duty`` is given by the service."""

    duty: Duty
    reason: Reason


class Postpone(Value):
    """Give more time. ``duty`` is given by the service."""

    duty: Duty
    due_at: Moment
    reason: Reason


class SendBack(Value):
    """Ask for other evidence, by ``due_at``; left out, by when it was due. ``duty`` is given by the service."""

    duty: Duty
    reason: Reason
    due_at: Moment | None = None


class Remind(Value):
    """Record that the institution is reminded. ``duty`` is given by the service."""

    duty: Duty
    step: Step


class ReportIncident(Value):
    """Tell of an incident. ``institution_id``, ``clause_id`` and ``within_hours`` are given by the service."""

    institution_id: str
    kind: IncidentKind
    aware_at: Moment
    statement: Words
    clause_id: str | None = None
    within_hours: int | None = None


DutyCommand = Fulfil | Waive | Postpone | SendBack | Remind | ReportIncident
