"""The clockwork: what the agreements say happens by itself, carried out by named rules, every few minutes.

A tick brings everything to where the record and the time say it should be, and a second tick changes nothing. Nothing
is dated back: after a long sleep the rungs are taken one after the other, at the moment they are really taken.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Protocol

from agreements.actors import Actor
from agreements.agreement import Agreement, LapseAppeal, Lift, Narrow, Suspend, Terminate, Widen
from agreements.clauses import LateDuties, SafeHarbour, SuspensionReason, Vetting
from agreements.deciders import Value
from agreements.duties import DutyState, Remind, Step
from agreements.errors import ConcordatError
from agreements.lateness import Rung, RungKind, ladder_step, measures_of
from portal.inputs import parse
from portal.notices.model import Notice
from portal.services import announcements, news, request_news
from portal.services.access_requests import REQUEST_CLOCK, AccessRequestService
from portal.services.aggregates import AGREEMENTS, GRANTS
from portal.services.duties import Passports
from portal.services.duty_book import DutyBook
from portal.services.duty_rows import LEDGERS
from portal.services.exposure import ExposureService
from portal.services.keeper import Keeper
from portal.services.kernel import Kernel
from portal.services.kernel import Step as Written
from portal.services.notices import ANNOUNCER, NoticeService
from portal.services.outbox import OutboxReport

logger = logging.getLogger(__name__)

DUTY_LADDER = Actor.automatic("duty-ladder")
"""The named rule that reminds of duties, narrows, suspends, and opens access again."""

APPEALS_CLOCK = Actor.automatic("appeals-clock")
"""The named rule that records that an appeal was not decided in time."""

FRAMEWORK_WATCH = Actor.automatic("framework-watch")
"""The named rule that ends schedules with the framework that they belong to."""

EXPIRY_WATCH = Actor.automatic("expiry-watch")
"""The named rule that tells of what ends soon."""

EXPOSURE_WATCH = Actor.automatic("exposure-watch")
"""The named rule that tells of what answers may have given away."""

Attend = Callable[[datetime, Counter[str]], None]
"""What is done about one object at a moment, counted."""

_STEPS = {DutyState.DUE: Step.DUE_SOON, DutyState.OVERDUE: Step.OVERDUE}


class Outbox(Protocol):
    """What brings notices out of the portal."""

    def deliver_due(self, stop: threading.Event | None = None) -> OutboxReport:
        """Send whatever is due, or what can be sent until ``stop`` is set."""
        ...


class Ticked(Value):
    """What one tick came to."""

    at: datetime
    agreements: int
    """How many were looked at."""
    ended: int = 0
    """Schedules whose framework was over."""
    appeals_lapsed: int = 0
    reminded: int = 0
    narrowed: int = 0
    suspended: int = 0
    restored: int = 0
    """Rungs taken back: suspensions lifted and narrowings ended."""
    requests_granted: int = 0
    """Access requests on which everybody had agreed."""
    requests_lapsed: int = 0
    texts_destroyed: int = 0
    """Runs whose prompt and answer were kept, and are not any more."""
    announced: int = 0
    failed: tuple[str, ...] = ()
    """Agreements at which something was refused or went wrong; the portal's log says what. The others were attended
    to."""
    outbox: OutboxReport = OutboxReport()


class Clockwork:
    """Carries out what the time brings. One tick at a time."""

    def __init__(
        self,
        kernel: Kernel,
        notices: NoticeService,
        outbox: Outbox,
        passports: Passports,
        requests: AccessRequestService,
        keeper: Keeper,
        exposure: ExposureService,
    ) -> None:
        self._kernel = kernel
        self._keeper = keeper
        self._exposure = exposure
        self._requests = requests
        self._notices = notices
        self._outbox = outbox
        self._passports = passports
        self._book = DutyBook(kernel)
        self._ticking = threading.Lock()  # a tick by command and one by the thread would both take the same rung

    def tick(self) -> Ticked:
        """Bring everything to where it should be now, then send what is due. Blocks until both are done."""
        ticked = self.carry_out()
        return ticked.model_copy(update={"outbox": self._outbox.deliver_due()})

    def carry_out(self) -> Ticked:
        """Bring every agreement to where it should be now. Sends nothing: it waits for nobody outside the portal."""
        with self._ticking:
            now = self._kernel.clock()
            done: Counter[str] = Counter()
            failed = []
            living = self._living()
            work: list[tuple[str, Attend]] = [(one, partial(self._attend, one)) for one in living]
            by_themselves = (("kept texts", self._texts), ("exposure", self._exposed))
            for object_id, attend in [*work, *self._asked_for(), *self._to_tell(), *by_themselves]:
                try:
                    attend(now, done)
                except ConcordatError as refusal:
                    logger.warning("the clockwork is refused at %s: %s", object_id, refusal)
                    failed.append(object_id)
                except Exception as error:
                    # Whatever is wrong with one object, the others are attended to.
                    logger.exception("the clockwork fails at %s: %s", object_id, type(error).__name__)
                    failed.append(object_id)
            return Ticked(at=now, agreements=len(living), failed=tuple(failed), **done)

    @contextmanager
    def running(self, every_s: float) -> Iterator[None]:
        """Carry out and deliver, at once and then every so many seconds, in two threads that end with the block.

        Apart, so that an endpoint that hangs never holds up what agreements say. Ending waits for the delivery attempt
        under way, about ten seconds at most.
        """
        stop = threading.Event()

        def deliver() -> None:
            self._outbox.deliver_due(stop)

        threads = [
            threading.Thread(target=_repeat, args=(work, stop, every_s), name=name, daemon=True)
            for name, work in (("clockwork", self.carry_out), ("deliveries", deliver))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _living(self) -> tuple[str, ...]:
        """Everything under negotiation, in force or ended, until its books are closed."""
        rows = self._kernel.store.query(
            "SELECT agreement_id FROM agreement WHERE status IN ('offered', 'countered', 'signed', 'in_force', "
            "'terminated') ORDER BY agreement_id"
        )
        return tuple(row["agreement_id"] for row in rows)

    def _to_tell(self) -> Iterator[tuple[str, Attend]]:
        """What has news without anything to attend to: agreements that are over, and passports."""
        over = self._kernel.store.query(
            "SELECT agreement_id FROM agreement WHERE status IN ('declined', 'withdrawn', 'closed') "
            "ORDER BY agreement_id"
        )
        vetted = self._kernel.store.query("SELECT DISTINCT institution_id FROM passport_item ORDER BY institution_id")
        yield from ((row["agreement_id"], partial(self._over, row["agreement_id"])) for row in over)
        yield from ((row["institution_id"], partial(self._vetted, row["institution_id"])) for row in vetted)

    def _asked_for(self) -> Iterator[tuple[str, Attend]]:
        """Access requests that are open, and those of which there may be news."""
        rows = self._kernel.store.query(
            "SELECT request_id FROM access_request WHERE submitted_at <> '' ORDER BY request_id"
        )
        yield from ((row["request_id"], partial(self._request, row["request_id"])) for row in rows)

    def _request(self, request_id: str, now: datetime, done: Counter[str]) -> None:
        """Issue what everybody agreed to, record what has lapsed, and tell of both."""
        if self._requests.lapse(request_id):
            done["requests_lapsed"] += 1
        try:
            if self._requests.complete(request_id):
                done["requests_granted"] += 1
        finally:
            # Also of one that cannot be granted now: whoever waits for it wants to know how it stands.
            state = self._requests.state(request_id)
            told = request_news.of_request(state, self._requests.marks(state), now)
            done["announced"] += self._raise(news.recent(told, now), REQUEST_CLOCK)

    def _over(self, agreement_id: str, now: datetime, done: Counter[str]) -> None:
        self._news(self._kernel.state(AGREEMENTS, agreement_id), now, done)

    def _attend(self, agreement_id: str, now: datetime, done: Counter[str]) -> None:
        """One agreement: appeals first, since a lapse may open access, then reminders, then the ladder."""
        steps: tuple[Callable[[Agreement, datetime, Counter[str]], None], ...] = (
            self._framework,
            self._appeals,
            self._reminders,
            self._ladder,
            self._announce,
        )
        for step in steps:
            step(self._kernel.state(AGREEMENTS, agreement_id), now, done)

    def _framework(self, agreement: Agreement, now: datetime, done: Counter[str]) -> None:
        """End a schedule whose framework is over: by its term, or from before schedules were ended with it."""
        if agreement.framework is None or not agreement.runs_on(now):
            return
        framework = self._kernel.state(AGREEMENTS, agreement.framework.agreement_id)
        if framework.runs_on(now) or framework.ends_at is None:
            return
        reason = f"Framework {framework.id}, to which it belongs, ended on {framework.ends_at:%Y-%m-%d %H:%M} UTC."
        self._kernel.execute(AGREEMENTS, agreement.id, parse(Terminate, {"reason": reason}), FRAMEWORK_WATCH)
        done["ended"] += 1

    def _appeals(self, agreement: Agreement, now: datetime, done: Counter[str]) -> None:
        for suspension in agreement.suspensions:
            appeal = suspension.appeal
            pending = suspension.lifted_at is None and appeal is not None and appeal.outcome is None
            if pending and appeal is not None and appeal.decide_by is not None and appeal.decide_by <= now:
                clause = self._book.clause(agreement, SafeHarbour)
                lapse = LapseAppeal(number=suspension.number, safe_harbour=clause)
                self._kernel.execute(AGREEMENTS, agreement.id, lapse, APPEALS_CLOCK)
                done["appeals_lapsed"] += 1

    def _reminders(self, agreement: Agreement, now: datetime, done: Counter[str]) -> None:
        late, ledger = self._book.clause(agreement, LateDuties), self._book.ledger(agreement.id)
        for standing in self._book.standings(agreement, now):
            step = _STEPS.get(standing.state)
            if step is None or ledger.record(standing.duty.key).reminded(step, standing.due_at):
                continue
            notice = announcements.reminder(agreement, standing, step, late, now)
            # Together, so that a reminder on record is one that was given.
            written = [
                Written(LEDGERS, agreement.id, Remind(duty=standing.duty, step=step)),
                self._notices.raising(notice),
            ]
            self._kernel.execute_all(written, DUTY_LADDER)
            done["reminded"] += 1

    def _ladder(self, agreement: Agreement, now: datetime, done: Counter[str]) -> None:
        """Take rung after rung, until the clause asks for no other."""
        late = self._book.clause(agreement, LateDuties)
        for _ in RungKind:
            if not agreement.runs_on(now):
                return
            standings = self._book.standings(agreement, now)
            rung = ladder_step(
                late,
                standings,
                measures=measures_of(agreement, DUTY_LADDER.person_id),
                now=now,
                ends_at=agreement.ends_at,
            )
            if rung.kind in {RungKind.NONE, RungKind.REMIND}:
                return
            self._take(agreement, rung, late, done)
            agreement = self._kernel.state(AGREEMENTS, agreement.id)

    def _take(self, agreement: Agreement, rung: Rung, late: LateDuties | None, done: Counter[str]) -> None:
        if rung.kind is RungKind.LIFT:
            for suspension in agreement.open_suspensions:
                if suspension.by_id != DUTY_LADDER.person_id:
                    continue
                lift = parse(Lift, {"number": suspension.number, "reason": rung.statement})
                self._kernel.execute(AGREEMENTS, agreement.id, lift, DUTY_LADDER)
                done["restored"] += 1
        elif rung.kind is RungKind.WIDEN:
            self._kernel.execute(AGREEMENTS, agreement.id, parse(Widen, {"reason": rung.statement}), DUTY_LADDER)
            done["restored"] += 1
        elif rung.kind is RungKind.NARROW and late is not None:
            fields = {
                "operations": late.narrowed_operations,
                "requests_per_minute": late.narrowed_requests_per_minute,
                "statement": rung.statement,
                "duty_keys": rung.duty_keys,
            }
            self._kernel.execute(AGREEMENTS, agreement.id, parse(Narrow, fields), DUTY_LADDER)
            done["narrowed"] += 1
        elif rung.kind is RungKind.SUSPEND:
            fields = {
                "reason": SuspensionReason.OVERDUE_DUTY,
                "statement": rung.statement,
                "duty_keys": rung.duty_keys,
                "safe_harbour": self._book.clause(agreement, SafeHarbour),
            }
            self._kernel.execute(AGREEMENTS, agreement.id, parse(Suspend, fields), DUTY_LADDER)
            done["suspended"] += 1

    def _announce(self, agreement: Agreement, now: datetime, done: Counter[str]) -> None:
        remind_days = self._book.remind_days(agreement)
        ending = [*announcements.coming(agreement, remind_days, now)]
        vetting = self._book.clause(agreement, Vetting)
        if vetting is not None and agreement.runs_on(now):
            passport = self._passports.state(agreement.institution_id)
            ending += announcements.lapsing(agreement, passport, vetting, remind_days, now)
        done["announced"] += self._raise(ending, EXPIRY_WATCH)
        told = announcements.told_of(agreement, self._book.ledger(agreement.id))
        done["announced"] += self._raise(told, ANNOUNCER)
        self._news(agreement, now, done)

    def _news(self, agreement: Agreement, now: datetime, done: Counter[str]) -> None:
        """What moved lately at the agreement and its grants."""
        rows = self._kernel.store.query(
            "SELECT grant_id FROM access_grant WHERE agreement_id = ? ORDER BY grant_id", [agreement.id]
        )
        told = [*news.of_agreement(agreement, now)]
        for row in rows:
            told += news.of_grant(agreement, self._kernel.state(GRANTS, row["grant_id"]))
        done["announced"] += self._raise(news.recent(told, now), ANNOUNCER)

    def _texts(self, _now: datetime, done: Counter[str]) -> None:
        """Destroy what agreements keep of runs no longer."""
        done["texts_destroyed"] += self._keeper.sweep()

    def _vetted(self, institution_id: str, now: datetime, done: Counter[str]) -> None:
        """What moved lately in an institution's vetting."""
        passport = self._passports.state(institution_id)
        done["announced"] += self._raise(news.recent(news.of_passport(institution_id, passport), now), ANNOUNCER)

    def _exposed(self, _now: datetime, done: Counter[str]) -> None:
        """That much was seen of a checkpoint's output layer."""
        done["announced"] += self._raise(self._exposure.notices(), EXPOSURE_WATCH)

    def _raise(self, notices: Iterable[Notice], by: Actor) -> int:
        wanted = {notice.id: notice for notice in notices}
        known = {
            row["notice_id"]
            for row in self._kernel.store.query(
                "SELECT notice_id FROM notice WHERE list_contains(?::VARCHAR[], notice_id)", [sorted(wanted)]
            )
        }
        fresh = [notice for notice_id, notice in wanted.items() if notice_id not in known]
        for notice in fresh:
            self._notices.raise_(notice, by=by)
        return len(fresh)


def _repeat(work: Callable[[], object], stop: threading.Event, every_s: float) -> None:
    with ThreadPoolExecutor(1) as hand:
        while not stop.is_set():
            # An error nobody foresaw must not end the thread for good: it is kept by the future, and logged.
            error = hand.submit(work).exception()
            if error is not None:
                logger.error("the thread %r failed", threading.current_thread().name, exc_info=error)
            stop.wait(every_s)
