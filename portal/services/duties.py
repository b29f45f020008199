"""Duties: what is owed under which agreement, and what was handed in, waived, postponed and sent back."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.clauses import IncidentNotice, LateDuties
from agreements.deciders import Value
from agreements.duties import (
    DUTIES,
    Duty,
    DutyCommand,
    DutyKind,
    DutyState,
    Evidence,
    Fulfil,
    Incident,
    IncidentKind,
    Ledger,
    Postpone,
    ReportIncident,
    SendBack,
    Standing,
    Waive,
)
from agreements.errors import ConcordatError, Conflict, Invalid, NotFound
from agreements.lateness import what_comes
from agreements.passports import Passport
from model_access.runs import Run
from portal.inputs import Prose, parse
from portal.services.agreements import AgreementService
from portal.services.duty_book import DutyBook, dropped_from, duties_of, is_closed
from portal.services.duty_calendar import (
    Appointment,
    ICalendar,
    appointments,
    called_off,
    passport_appointments,
    to_icalendar,
)
from portal.services.duty_rows import LEDGERS
from portal.services.kernel import Kernel

HORIZON_DAYS = 90
"""How far a board looks ahead unless somebody says otherwise."""


class People(Protocol):
    """Who is who."""

    def name(self, person_id: str) -> str:
        """How the person is called."""
        ...


class Filed(Protocol):
    """A finding, as far as evidence goes."""

    @property
    def institution_id(self) -> str:
        """Whose finding it is."""
        ...


class Findings(Protocol):
    """Findings that evidence may cite."""

    def get(self, actor: Actor, finding_id: str, /) -> Filed:
        """The finding. Raises NotFound where it is not there or not the actor's to see."""
        ...


class Runs(Protocol):
    """Runs that evidence may cite."""

    def get(self, actor: Actor, run_id: str, /) -> Run:
        """The run. Raises NotFound where it is not there or not the actor's to see."""
        ...


class Passports(Protocol):
    """Institutions' vetting."""

    def state(self, institution_id: str) -> Passport:
        """The passport; one with every item missing if nothing was handed in yet."""
        ...


class DutyView(Value):
    """A duty as somebody sees it: of which agreement, how it stands, what comes next, what they may do about it."""

    agreement_id: str
    agreement_title: str
    institution_id: str
    institution_name: str
    standing: Standing
    late_days: int
    """Whole days for which it has been overdue."""
    consequence: str
    """What follows from the agreement if it is not done; empty where nothing does."""
    actions: tuple[str, ...]
    """Of fulfil, waive, postpone and send_back: what the reader may do now."""
    names: dict[str, str]
    """The names of those whose ids the record holds."""


class Words(Value):
    """What somebody writes about a duty, as words that can be kept."""

    text: Prose


class DutyService:
    """The one path by which something is recorded about duties. The schedule is computed anew each time."""

    def __init__(
        self,
        kernel: Kernel,
        agreements: AgreementService,
        *,
        people: People,
        findings: Findings,
        runs: Runs,
        passports: Passports,
        portal_name: str,
        url: str,
    ) -> None:
        """``portal_name`` makes the ids of calendar entries unique in the world; ``url`` is where they lead."""
        self._kernel = kernel
        self._agreements = agreements
        self._people = people
        self._findings = findings
        self._runs = runs
        self._passports = passports
        self._calendar = ICalendar(portal_name=portal_name, url=url)
        self._book = DutyBook(kernel)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def board(
        self,
        actor: Actor,
        *,
        state: DutyState | None = None,
        institution_id: str | None = None,
        agreement_id: str | None = None,
        horizon_days: int = HORIZON_DAYS,
    ) -> tuple[DutyView, ...]:
        """The duties the actor may see, by due date: all for coordinators, their institutions' for everyone else.

        What is due later than in ``horizon_days`` is left out. Raises NotFound for an agreement that is not visible.
        """
        until = self._kernel.clock() + timedelta(days=horizon_days)
        found = [
            view
            for agreement in self._chosen(actor, institution_id, agreement_id)
            for view in self._views(actor, agreement, until)
            if state is None or view.standing.state is state
        ]
        return tuple(sorted(found, key=lambda v: (v.standing.due_at, v.agreement_id, v.standing.duty.key)))

    def of_agreement(self, actor: Actor, agreement_id: str) -> tuple[DutyView, ...]:
        """Every duty of one agreement, by due date, to its end and after. Raises NotFound."""
        return self._views(actor, self._agreements.get(actor, agreement_id), None)

    def get(self, actor: Actor, agreement_id: str, key: str) -> DutyView:
        """One duty. Raises NotFound ``agreement_not_found`` or ``duty_not_found``."""
        found = (view for view in self.of_agreement(actor, agreement_id) if view.standing.duty.key == key)
        view = next(found, None)
        if view is None:
            raise _no_such_duty(agreement_id, key)
        return view

    def incidents(self, actor: Actor, agreement_id: str) -> tuple[Incident, ...]:
        """The incidents reported under one agreement, oldest first. Raises NotFound."""
        return self._book.ledger(self._agreements.get(actor, agreement_id).id).incidents

    def open_keys(self, actor: Actor, agreement_id: str) -> tuple[str, ...]:
        """The duties still to be done, for whoever closes the agreement. Raises NotFound."""
        return self._book.open_keys(self._agreements.get(actor, agreement_id), self._kernel.clock())

    def appointments(
        self, actor: Actor, *, institution_id: str | None = None, agreement_id: str | None = None
    ) -> tuple[Appointment, ...]:
        """Everything with a date under the agreements the actor may see, in order. Raises NotFound."""
        now = self._kernel.clock()
        found: list[Appointment] = []
        running: dict[str, str] = {}
        for agreement in self._chosen(actor, institution_id, agreement_id):
            standings = self._book.standings(agreement, now)
            found += appointments(agreement, standings, self._book.clause(agreement, LateDuties), now)
            if agreement.runs_on(now):
                running[agreement.institution_id] = agreement.institution_name
        for one, name in running.items():
            found += passport_appointments(self._passports.state(one), one, name, now)
        return tuple(sorted(found, key=lambda one: (one.at, one.uid)))

    def calendar(self, actor: Actor, *, institution_id: str | None = None, agreement_id: str | None = None) -> bytes:
        """The same as iCalendar (RFC 5545), to be downloaded by the signed-in reader. Raises NotFound.

        The ids of its entries stay the same, so that a calendar that takes it in again moves what was moved, and
        strikes out what is not asked for any more.
        """
        dated = list(self.appointments(actor, institution_id=institution_id, agreement_id=agreement_id))
        known = {one.uid for one in dated}
        for agreement in self._chosen(actor, institution_id, agreement_id):
            dated += [one for one in called_off(agreement, dropped_from(agreement)) if one.uid not in known]
        return to_icalendar(dated, self._calendar, self._kernel.clock())

    # ---- writing ---------------------------------------------------------------------------------------------------

    def fulfil(
        self,
        actor: Actor,
        agreement_id: str,
        key: str,
        *,
        statement: str,
        finding_ids: Sequence[str] = (),
        run_ids: Sequence[str] = (),
        sha256: str | None = None,
        url: str | None = None,
        idempotency_key: str | None = None,
    ) -> DutyView:
        """Hand in evidence. What it cites has to be the institution's own, and there for the actor to see.

        Raises NotFound, Invalid ``others_evidence``, and what the decider raises.
        """
        agreement, duty = self._duty(actor, agreement_id, key)
        evidence = parse(
            Evidence,
            {
                "statement": _words(statement),
                "finding_ids": tuple(dict.fromkeys(finding_ids)),
                "run_ids": tuple(dict.fromkeys(run_ids)),
                "sha256": sha256,
                "url": url,
            },
        )
        for finding_id in evidence.finding_ids:
            _own(agreement, self._findings.get(actor, finding_id).institution_id, finding_id, "finding_ids")
        for run_id in evidence.run_ids:
            terms = self._runs.get(actor, run_id).terms
            _own(agreement, terms.institution_id if terms is not None else None, run_id, "run_ids")
        command = Fulfil(institution_id=agreement.institution_id, duty=duty, evidence=evidence)
        return self._do(actor, agreement, duty, command, idempotency_key)

    def waive(
        self, actor: Actor, agreement_id: str, key: str, *, reason: str, idempotency_key: str | None = None
    ) -> DutyView:
        """Do without. Raises NotFound, Forbidden, Conflict or Invalid."""
        agreement, duty = self._duty(actor, agreement_id, key)
        command = parse(Waive, {"duty": duty, "reason": _words(reason)})
        return self._do(actor, agreement, duty, command, idempotency_key)

    def postpone(
        self,
        actor: Actor,
        agreement_id: str,
        key: str,
        *,
        due_at: datetime,
        reason: str,
        idempotency_key: str | None = None,
    ) -> DutyView:
        """Give more time. Raises NotFound, Forbidden, Conflict, or Invalid for a date that is no later."""
        agreement, duty = self._duty(actor, agreement_id, key)
        command = parse(Postpone, {"duty": duty, "due_at": due_at, "reason": _words(reason)})
        return self._do(actor, agreement, duty, command, idempotency_key)

    def send_back(
        self,
        actor: Actor,
        agreement_id: str,
        key: str,
        *,
        reason: str,
        due_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> DutyView:
        """Ask for other evidence by ``due_at``. Raises NotFound, Forbidden, Conflict, or Invalid without time left."""
        agreement, duty = self._duty(actor, agreement_id, key)
        command = parse(SendBack, {"duty": duty, "reason": _words(reason), "due_at": due_at})
        return self._do(actor, agreement, duty, command, idempotency_key)

    def report_incident(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        kind: IncidentKind,
        aware_at: datetime,
        statement: str,
        idempotency_key: str | None = None,
    ) -> Incident:
        """Tell the other party of a leak, breach or misuse; the notice is on time or late by the agreement's hours.

        Also after the end, and after the books were closed. Raises NotFound, Forbidden, Invalid, or Conflict for an
        agreement that never came into force.
        """
        agreement = self._agreements.get(actor, agreement_id)
        if agreement.in_force_at is None:
            raise Conflict(
                "not_in_force",
                f"Agreement {agreement_id} never came into force, so nothing happened under it.",
                hint="Report it under the agreement whose access was concerned.",
            )
        clause = self._book.clause(agreement, IncidentNotice)
        command = parse(
            ReportIncident,
            {
                "institution_id": agreement.institution_id,
                "kind": kind,
                "aware_at": aware_at,
                "statement": _words(statement),
                "clause_id": clause.clause_id if clause else None,
                "within_hours": clause.within_hours if clause else None,
            },
        )
        ledger = self._kernel.execute(LEDGERS, agreement_id, command, actor, idempotency_key=idempotency_key)
        own = (i for i in reversed(ledger.incidents) if (i.by_id, i.statement) == (actor.person_id, command.statement))
        return next(own, ledger.incidents[-1])

    def _do(
        self, actor: Actor, agreement: Agreement, duty: Duty, command: DutyCommand, idempotency_key: str | None
    ) -> DutyView:
        if is_closed(agreement):
            raise Conflict(
                "books_closed",
                f"The books of agreement {agreement.id} are closed.",
                hint="What was open then stays on record as open.",
            )
        self._kernel.execute(LEDGERS, agreement.id, command, actor, idempotency_key=idempotency_key)
        return self.get(actor, agreement.id, duty.key)

    def _duty(self, actor: Actor, agreement_id: str, key: str) -> tuple[Agreement, Duty]:
        """The duty as the agreement has it; what a client says of it is never taken over."""
        agreement = self._agreements.get(actor, agreement_id)
        duty = next((duty for duty in duties_of(agreement) if duty.key == key), None)
        if duty is None and any(duty.key == key for duty in dropped_from(agreement)):
            raise Conflict(
                "duty_dropped",
                f"Agreement {agreement_id} no longer asks for the duty {key!r}.",
                hint="What was handed in for it stays on record; the duties of the agreement list what is owed now.",
            )
        if duty is None:
            raise _no_such_duty(agreement_id, key)
        return agreement, duty

    def _chosen(self, actor: Actor, institution_id: str | None, agreement_id: str | None) -> tuple[Agreement, ...]:
        visible = self._agreements.list(actor) if agreement_id is None else (self._agreements.get(actor, agreement_id),)
        return tuple(one for one in visible if institution_id is None or one.institution_id == institution_id)

    def _views(self, actor: Actor, agreement: Agreement, until: datetime | None) -> tuple[DutyView, ...]:
        now = self._kernel.clock()
        standings = self._book.standings(agreement, now, until=until)
        late, ledger = self._book.clause(agreement, LateDuties), self._book.ledger(agreement.id)
        return tuple(
            DutyView(
                agreement_id=agreement.id,
                agreement_title=agreement.title,
                institution_id=agreement.institution_id,
                institution_name=agreement.institution_name,
                standing=one,
                late_days=one.late_by(now).days,
                consequence=what_comes(one, late, now, agreement.ends_at),
                actions=() if one.dropped else _actions(actor, agreement, ledger, one.duty, now),
                names={person_id: self._people.name(person_id) for person_id in _people_in(one)},
            )
            for one in standings
        )


def _own(agreement: Agreement, institution_id: str | None, cited: str, param: str) -> None:
    """Others' work shows nothing of what an institution did. Raises Invalid ``others_evidence``."""
    if institution_id != agreement.institution_id:
        raise Invalid(
            "others_evidence",
            f"{cited} is not of {agreement.institution_name}, and a duty is shown to be done by one's own work.",
            hint="Cite findings and runs of the institution itself, or say it in the statement.",
            param=param,
        )


def _actions(actor: Actor, agreement: Agreement, ledger: Ledger, duty: Duty, now: datetime) -> tuple[str, ...]:
    """What the decider would let the actor do, asked of the decider itself."""
    if duty.kind is DutyKind.INCIDENT_NOTICE or is_closed(agreement):
        return ()
    later = max(now, ledger.due_at(duty)) + timedelta(days=1)
    words = "asked of the decider"
    trials: dict[str, DutyCommand] = {
        "fulfil": Fulfil(institution_id=agreement.institution_id, duty=duty, evidence=Evidence(statement=words)),
        "waive": Waive(duty=duty, reason=words),
        "postpone": Postpone(duty=duty, due_at=later, reason=words),
        "send_back": SendBack(duty=duty, due_at=later, reason=words),
    }
    return tuple(name for name, command in trials.items() if _allowed(ledger, command, actor, now))


def _allowed(ledger: Ledger, command: DutyCommand, actor: Actor, now: datetime) -> bool:
    try:
        return bool(DUTIES.decide(ledger, command, actor, now))
    except ConcordatError:
        return False


def _people_in(standing: Standing) -> Iterable[str]:
    record = standing.record
    entries = [*record.fulfilments, *(f.sent_back for f in record.fulfilments), *record.postponements, record.waiver]
    return dict.fromkeys(entry.by_id for entry in entries if entry is not None)


def _words(text: str) -> str:
    return parse(Words, {"text": text}).text


def _no_such_duty(agreement_id: str, key: str) -> NotFound:
    return NotFound(
        "duty_not_found",
        f"Agreement {agreement_id} has no duty {key[:80]!r}.",
        hint="The duties of the agreement list the keys there are.",
        param="key",
    )
