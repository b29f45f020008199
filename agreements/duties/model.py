"""What is on record about the duties of one agreement: evidence, waivers, postponements, reminders, incidents."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.deciders import Value
from agreements.duties.schedule import Duty, DutyKind

Reference = Annotated[str, Field(min_length=1, max_length=128)]
Words = Annotated[str, Field(min_length=10, max_length=4000)]


class Evidence(Value):
    """What shows that a duty was done. Nothing of it is fetched or judged by the portal."""

    statement: Words
    finding_ids: tuple[Reference, ...] = Field(default=(), max_length=50)
    run_ids: tuple[Reference, ...] = Field(default=(), max_length=50)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of a document that was handed over by another way."""
    url: Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s<>\"\\]+$")] | None = None


class SentBack(Value):
    """The lab's reason why evidence does not do, and by when it wants other evidence."""

    reason: str
    due_at: datetime
    by_id: str
    at: datetime


class Fulfilment(Value):
    """Evidence that was handed in."""

    evidence: Evidence
    due_at: datetime
    by_id: str
    at: datetime
    sent_back: SentBack | None = None


class Waiver(Value):
    """The lab does without."""

    reason: str
    by_id: str
    at: datetime


class Postponement(Value):
    """The lab gave more time."""

    before: datetime
    """When it was due until then."""
    due_at: datetime
    reason: str
    by_id: str
    at: datetime


class Step(StrEnum):
    """Of what a reminder reminds."""

    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


class Reminder(Value):
    """The institution was reminded."""

    step: Step
    due_at: datetime
    at: datetime


class Record(Value):
    """All that happened to one duty; nothing in it is overwritten."""

    key: str
    due_at: datetime | None = None
    """When it is due instead of as scheduled, once it was postponed or sent back."""
    fulfilments: tuple[Fulfilment, ...] = ()
    waiver: Waiver | None = None
    postponements: tuple[Postponement, ...] = ()
    reminders: tuple[Reminder, ...] = ()

    @property
    def fulfilment(self) -> Fulfilment | None:
        """The evidence that stands, if there is any."""
        last = self.fulfilments[-1] if self.fulfilments else None
        return last if last is not None and last.sent_back is None else None

    @property
    def changed_at(self) -> datetime | None:
        """When something last happened to it."""
        moments = [
            *(moment for f in self.fulfilments for moment in (f.at, f.sent_back.at if f.sent_back else f.at)),
            *(entry.at for entry in self.postponements),
            *(entry.at for entry in self.reminders),
            *([self.waiver.at] if self.waiver else []),
        ]
        return max(moments, default=None)

    def reminded(self, step: Step, due_at: datetime) -> bool:
        """Whether the institution was reminded of that, for that due date."""
        return any(reminder.step is step and reminder.due_at == due_at for reminder in self.reminders)


class IncidentKind(StrEnum):
    """What went wrong."""

    LEAK = "leak"
    BREACH = "breach"
    MISUSE = "misuse"


class Incident(Value):
    """A leak, breach or misuse that one side told the other of."""

    number: int
    kind: IncidentKind
    aware_at: datetime
    statement: str
    key: str
    """Of the duty that the notice fulfils."""
    due_at: datetime | None
    """By when notice had to be given; None where the agreement sets no time."""
    by_id: str
    at: datetime

    @property
    def on_time(self) -> bool:
        """Whether notice came in time."""
        return self.due_at is None or self.at <= self.due_at


class Ledger(Value):
    """Current state: what is on record for one agreement. Empty until something happens."""

    records: tuple[Record, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def record(self, key: str) -> Record:
        """What is on record about one duty."""
        return next((record for record in self.records if record.key == key), Record(key=key))

    def due_at(self, duty: Duty) -> datetime:
        """When a duty is due, postponements considered."""
        return self.record(duty.key).due_at or duty.due_at


class DutyState(StrEnum):
    """Where a duty stands."""

    UPCOMING = "upcoming"
    DUE = "due"
    """Open, and near enough to its date to be reminded of."""
    OVERDUE = "overdue"
    FULFILLED = "fulfilled"
    WAIVED = "waived"
    DROPPED = "dropped"
    """The agreement no longer asks for it, and what was handed in was sent back."""

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self in {DutyState.UPCOMING, DutyState.DUE, DutyState.OVERDUE}


class Standing(Value):
    """A duty with how it stands at a moment."""

    duty: Duty
    state: DutyState
    due_at: datetime
    """Postponements considered."""
    record: Record
    on_time: bool | None = None
    """Once fulfilled: whether it was on time."""
    dropped: bool = False
    """An amendment, a renewal or a termination took it off the schedule; its record stays."""

    def late_by(self, now: datetime) -> timedelta:
        """How long it has been overdue; nothing where it is not."""
        return now - self.due_at if self.state is DutyState.OVERDUE else timedelta()


def standing(duty: Duty, ledger: Ledger, now: datetime, remind_days: int) -> Standing:
    """How a scheduled duty stands at ``now``; ``remind_days`` before its date it counts as due."""
    record = ledger.record(duty.key)
    due_at = record.due_at or duty.due_at
    fulfilment = record.fulfilment
    if fulfilment is not None:
        return Standing(
            duty=duty,
            state=DutyState.FULFILLED,
            due_at=due_at,
            record=record,
            on_time=fulfilment.at <= fulfilment.due_at,
        )
    if record.waiver is not None:
        state = DutyState.WAIVED
    elif now > due_at:
        state = DutyState.OVERDUE
    elif now >= duty.opens_at and now >= due_at - timedelta(days=remind_days):
        state = DutyState.DUE
    else:
        state = DutyState.UPCOMING
    return Standing(duty=duty, state=state, due_at=due_at, record=record)


def dropped_standing(duty: Duty, ledger: Ledger) -> Standing | None:
    """How a duty stands that is no longer owed; None where nothing was handed in for it and nobody waived it."""
    record = ledger.record(duty.key)
    if not record.fulfilments and record.waiver is None:
        return None
    due_at, fulfilment = record.due_at or duty.due_at, record.fulfilment
    if fulfilment is not None:
        state = DutyState.FULFILLED
    else:
        state = DutyState.WAIVED if record.waiver is not None else DutyState.DROPPED
    on_time = None if fulfilment is None else fulfilment.at <= fulfilment.due_at
    return Standing(duty=duty, state=state, due_at=due_at, record=record, on_time=on_time, dropped=True)


def incident_standing(incident: Incident) -> Standing:
    """The duty of notice that an incident caused, which its report fulfilled."""
    due_at = incident.due_at or incident.at
    duty = Duty(
        key=incident.key,
        kind=DutyKind.INCIDENT_NOTICE,
        clause_id=incident.key.partition("/")[0],
        title=f"Notice of {incident.kind.value}",
        text=incident.statement,
        opens_at=incident.aware_at,
        due_at=due_at,
    )
    return Standing(
        duty=duty,
        state=DutyState.FULFILLED,
        due_at=due_at,
        record=Record(key=incident.key),
        on_time=incident.on_time,
    )
