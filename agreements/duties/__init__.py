"""Duties: dated obligations computed from the clauses of an agreement, and the ledger of what became of each.

``schedule`` says what is owed and when; the ledger says what was handed in, waived, postponed or sent back;
``standing`` puts the two together at a moment.
"""

from agreements.duties.entries import (
    DutyCommand,
    Fulfil,
    Postpone,
    Remind,
    ReportIncident,
    SendBack,
    Waive,
)
from agreements.duties.ledger import DUTIES
from agreements.duties.model import (
    DutyState,
    Evidence,
    Fulfilment,
    Incident,
    IncidentKind,
    Ledger,
    Postponement,
    Record,
    Reminder,
    SentBack,
    Standing,
    Step,
    Waiver,
    dropped_standing,
    incident_standing,
    standing,
)
from agreements.duties.schedule import Duty, DutyKind, Segment, dropped, schedule

__all__ = [
    "DUTIES",
    "Duty",
    "DutyCommand",
    "DutyKind",
    "DutyState",
    "Evidence",
    "Fulfil",
    "Fulfilment",
    "Incident",
    "IncidentKind",
    "Ledger",
    "Postpone",
    "Postponement",
    "Record",
    "Remind",
    "Reminder",
    "ReportIncident",
    "Segment",
    "SendBack",
    "SentBack",
    "Standing",
    "Step",
    "Waive",
    "Waiver",
    "dropped",
    "dropped_standing",
    "incident_standing",
    "schedule",
    "standing",
]
