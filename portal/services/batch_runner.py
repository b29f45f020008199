"""The one thread that runs batches: line by line beside everybody else, resumed where a restart cut it off.

A line is an ordinary governed run. Its answer is sealed first; then the run's completion and the line's outcome are
recorded in one transaction. So what a crash leaves is a line without an outcome whose run, if it had begun, is settled
as interrupted and charged nothing: it is run again, and none is charged twice or lost.

How it stays out of the way: a few lines at a time over all batches, taken in turn by batch, and no more than one while
somebody waits for a run of their own; and half of each rate that they share is left to others.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from agreements.access import Allowed, Question
from agreements.actors import Actor, Channel
from agreements.canonical import sha256_hex
from agreements.errors import (
    ConcordatError,
    Conflict,
    Forbidden,
    Limited,
    NotFound,
    Unauthenticated,
    Unavailable,
    Withdrawn,
)
from model_access.batches import (
    Batch,
    BatchStatus,
    CompleteLine,
    FailLine,
    FinishLines,
    RefuseBatch,
    StartBatch,
    StopBatch,
    Submitter,
)
from model_access.generation import Finished, assemble
from model_access.runs import CompleteRun, RunTerms
from portal.config import Settings
from portal.services.active import ActiveRun
from portal.services.aggregates import RUNS
from portal.services.batch_check import BatchChecker, Checked, refused_for
from portal.services.batch_ending import RUNNER, BatchEnding, spool_of
from portal.services.batch_lines import Endpoint, Endpoints, Line, answered
from portal.services.batch_rows import BATCHES
from portal.services.batches import BatchService
from portal.services.checkpoints import CheckpointService
from portal.services.kernel import Kernel, Step
from portal.services.presence import Presence
from portal.services.run_ends import Deltas
from portal.services.runs import RunService
from portal.services.sealed_files import SealedFiles, Spool
from portal.services.stored_files import FileService
from portal.services.under_way import UnderWay, Watch

logger = logging.getLogger(__name__)

ATTEMPTS_PER_LINE: Final = 3
"""How often a line is begun whose run fails by no fault of its own."""

_PAUSE_S: Final = 0.5
_IDLE_S: Final = 30.0
_WAIT: Final = timedelta(seconds=1)


@dataclass
class _Job:
    """A batch that is not over, and its lines under way."""

    batch_id: str
    submitter: Actor
    under_way: UnderWay | None = None
    endpoint: Endpoint | None = None
    spool: Spool | None = None
    waiting: dict[int, Line] = field(default_factory=dict)
    """By number, in order."""
    active: dict[int, ActiveRun] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    not_before: datetime | None = None


class _LineOf:
    """What makes a run a line of a batch."""

    def __init__(self, kernel: Kernel, job: _Job, line: Line) -> None:
        self._kernel, self._job, self._line = kernel, job, line

    @property
    def batch_id(self) -> str:
        return self._job.batch_id

    def completing(self, terms: RunTerms, command: CompleteRun, result: Finished, deltas: Deltas) -> Sequence[Step]:
        """The answer is sealed here, and counts once its line is recorded."""
        job, now = self._job, self._kernel.clock()
        assert job.endpoint is not None and job.spool is not None  # noqa: S101, PT018 - set before a line begins
        body = job.endpoint.render(terms, int(now.timestamp()), result, assemble(deltas))
        row = answered(self._line.custom_id, terms, command.receipt_digest, body)
        job.spool.append(row)
        outcome = CompleteLine(
            line=self._line.number,
            run_id=terms.run_id,
            receipt_digest=command.receipt_digest,
            output_digest=f"sha256:{sha256_hex(row)}",
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            finish_reasons=tuple(choice.finish_reason for choice in result.choices),
            began_at=self._kernel.state(RUNS, terms.run_id).started_at or now,
        )
        return [Step(BATCHES, job.batch_id, outcome)]


class BatchRunner:
    """Carries out whatever batches are open. ``step`` is for one thread at a time."""

    def __init__(
        self,
        kernel: Kernel,
        batches: BatchService,
        checker: BatchChecker,
        runs: RunService,
        checkpoints: CheckpointService,
        files: FileService,
        sealed: SealedFiles,
        presence: Presence,
        watch: Watch,
        endpoints: Endpoints,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._batches = batches
        self._checker = checker
        self._runs = runs
        self._checkpoints = checkpoints
        self._files = files
        self._sealed = sealed
        self._presence = presence
        self._watch = watch
        self._endpoints = endpoints
        self._at_once = settings.batch_lines_at_once
        self._ending = BatchEnding(kernel, batches, files, sealed, endpoints, settings)
        self._jobs: dict[str, _Job] = {}
        self._wake = threading.Event()
        self._turn = 0
        batches.on_change = self._wake.set
        batches.under_way = self.under_way

    def under_way(self, batch_id: str) -> frozenset[int]:
        """Which lines of a batch are being run."""
        job = self._jobs.get(batch_id)
        return frozenset(job.active.copy()) if job is not None else frozenset()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Carry batches out in a thread that ends with the block. Lines under way by then are run again later."""
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                if not self._stepped():
                    self._wake.wait(_PAUSE_S if self._jobs else _IDLE_S)
                self._wake.clear()

        thread = threading.Thread(target=work, name="batches", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            self._wake.set()
            thread.join()
            self.let_go()

    def open(self) -> None:
        """Remove what a crash left that no record knows; before anybody can upload, whose file is on record later."""
        self._files.clear_strays([spool_of(batch_id) for batch_id in self._open_ids()])

    def let_go(self) -> None:
        """Follow no batch any more; whoever takes them up again finds them as they are recorded."""
        for job in self._jobs.values():
            if job.under_way is not None:
                job.under_way.leave()
        self._jobs.clear()

    def drain(self) -> None:
        """Carry out all that can be done now, and wait for it; what has to wait for something else stays."""
        moved = True
        while moved:
            moved = self.step()
            for job in list(self._jobs.values()):
                for run in list(job.active.values()):
                    run.outcome.exception()
                    moved = True

    def step(self) -> bool:
        """Move every batch on as far as it goes without waiting; whether anything moved."""
        moved = self._files.sweep() > 0
        open_ids = self._open_ids()
        for batch_id in [known for known in self._jobs if known not in open_ids]:
            self._forget(batch_id)
        for batch_id in self._in_turn(open_ids):
            try:
                moved = self._move(batch_id) or moved
            except ConcordatError as refusal:
                # Somebody else moved it meanwhile, or a part is down: the next step sees it as it is then.
                logger.warning("batch %s could not be moved: %s", batch_id, refusal)
        return moved

    def _stepped(self) -> bool:
        try:
            return self.step()
        except Exception as error:  # noqa: BLE001 - one batch that cannot be moved must not end the thread
            logger.warning("batches could not be moved: %s", type(error).__name__)
            return False

    def _open_ids(self) -> list[str]:
        rows = self._kernel.store.query(
            "SELECT batch_id FROM batch WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling') "
            "ORDER BY created_at, batch_id"
        )
        return [row["batch_id"] for row in rows]

    def _in_turn(self, ids: list[str]) -> list[str]:
        """Another one first each time, so that none waits for the end of a larger one."""
        if not ids:
            return []
        self._turn = (self._turn + 1) % len(ids)
        return ids[self._turn :] + ids[: self._turn]

    def _move(self, batch_id: str) -> bool:
        batch = self._kernel.state(BATCHES, batch_id)
        job = self._jobs.get(batch_id)
        if job is None:
            job = self._jobs[batch_id] = _Job(batch_id, _actor(batch))
        if batch.status is BatchStatus.VALIDATING:
            self._validate(job, batch)
            return True
        moved = self._harvest(job)
        batch = self._kernel.state(BATCHES, batch_id)
        if batch.status is BatchStatus.IN_PROGRESS:
            return self._advance(job, batch) or moved
        for run in job.active.values():
            run.cancel()
        if job.active:
            return moved
        self._ending.end(batch)
        self._forget(batch_id)
        return True

    def _forget(self, batch_id: str) -> None:
        job = self._jobs.pop(batch_id)
        if job.under_way is not None:
            job.under_way.leave()

    def _validate(self, job: _Job, batch: Batch) -> None:
        """Check the file as a whole, for its submitter as they stand now."""
        lines: tuple[Line, ...] = ()
        try:
            actor = self._presence.again(job.submitter)
            content = self._files.for_batch(batch.input_file_id)
            checked, lines = self._checker.check(actor, content, batch.endpoint, batch.purpose)
        except ConcordatError as refusal:
            checked = refused_for(refusal)
        self._kernel.execute(BATCHES, batch.id, _verdict(checked), RUNNER)
        if checked.good:
            job.lines = {line.number: line for line in lines}
            job.waiting = dict(job.lines)

    def _advance(self, job: _Job, batch: Batch) -> bool:
        """Begin what there is room for, or stop what may not go on."""
        now = self._kernel.clock()
        try:
            refusal = self._take_up(job, batch).holds()
        except (NotFound, Unavailable) as unreadable:
            refusal = unreadable
        if refusal is not None:
            return self._stop(job, refusal)
        if batch.expires_at is not None and batch.expires_at <= now:
            late = Conflict(
                "batch_expired",
                f"The batch was not done by {batch.expires_at:%Y-%m-%d %H:%M} UTC.",
                hint="Run the lines that are left again.",
            )
            return self._stop(job, late, expired=True)
        if batch.completed + batch.failed == batch.total:
            self._kernel.execute(BATCHES, batch.id, FinishLines(), RUNNER)
            return True
        if job.not_before is not None and now < job.not_before:
            return False
        job.not_before = None
        moved = False
        while job.waiting and self._may_begin_another():
            if not self._begin(job, batch):
                return moved or not _delayed(job)
            moved = True
            if len(self._jobs) > 1:
                break
        return moved

    def _may_begin_another(self) -> bool:
        under_way = sum(len(job.active) for job in self._jobs.values())
        return under_way < (1 if self._runs.by_themselves else self._at_once)

    def _take_up(self, job: _Job, batch: Batch) -> UnderWay:
        """Enter the batch in the watch, and after a restart read its lines again: those without an outcome are left."""
        if job.under_way is not None:
            return job.under_way
        job.endpoint = self._endpoints[batch.endpoint]
        job.spool = self._sealed.spool(spool_of(batch.id))
        if not job.lines:
            reading = self._ending.reading(batch)
            job.lines = {line.number: line for line in reading.lines}
            left = set(batch.open_lines)
            job.waiting = {number: line for number, line in job.lines.items() if number in left}
        job.under_way = self._watch.enter(batch.id, lambda: self._ask(job, batch), self._wake.set)
        return job.under_way

    def _ask(self, job: _Job, batch: Batch) -> None:
        """Whether the batch may go on: every kind of thing that it does, on the ground it began on."""
        ground = batch.ground
        if ground is None:
            return
        actor = self._presence.again(job.submitter)
        for operations in {self._runs.operations_for(line.request) for line in job.lines.values()}:
            question = Question(operations=operations, purpose=ground.purpose)
            self._checkpoints.still(actor, batch.model, question, basis=ground.basis, grant_id=ground.grant_id)

    def _begin(self, job: _Job, batch: Batch) -> bool:
        """Begin the next line; whether it began."""
        number, line = next(iter(job.waiting.items()))
        try:
            actor, ground = self._presence.again(job.submitter), batch.ground
            if ground is not None and ground.grant_id is not None:
                actor = actor.model_copy(update={"grant_id": ground.grant_id})
            purpose = ground.purpose if ground is not None and ground.grant_id is not None else batch.purpose
            allowed = self._runs.ground(actor, line.model, line.request, purpose=purpose)
            if not self._leaves_room(actor, allowed):
                job.not_before = self._kernel.clock() + _WAIT
                return False
            job.attempts[number] = job.attempts.get(number, 0) + 1
            run = self._runs.begin(
                actor, line.model, line.request, purpose=purpose, part_of=_LineOf(self._kernel, job, line)
            )
        except ConcordatError as refusal:
            self._not_begun(job, line, refusal)
            return False
        del job.waiting[number]
        job.active[number] = run
        run.outcome.add_done_callback(lambda _: self._wake.set())
        return True

    def _leaves_room(self, actor: Actor, allowed: Allowed) -> bool:
        return self._runs.leaves_room(self._runs.draws(actor, allowed))

    def _not_begun(self, job: _Job, line: Line, refusal: ConcordatError) -> None:
        match refusal:
            case Limited() if refusal.retry_after_s is not None:
                job.attempts.pop(line.number, None)
                self._later(job, refusal)
            case Limited() | Forbidden() | Unauthenticated():
                self._stop(job, refusal)
            case Unavailable() if job.attempts.get(line.number, 0) < ATTEMPTS_PER_LINE:
                self._later(job, refusal)
            case _:
                self._failed(job, line, refusal, None)

    def _later(self, job: _Job, refusal: ConcordatError) -> None:
        job.not_before = self._kernel.clock() + timedelta(seconds=refusal.retry_after_s or 5.0)

    def _harvest(self, job: _Job) -> bool:
        """Take note of the lines that ended; those that ended well are recorded already."""
        ended = {number: run for number, run in job.active.items() if run.outcome.done()}
        for number, run in ended.items():
            del job.active[number]
            error = run.outcome.exception()
            if error is None:
                continue
            refusal = error if isinstance(error, ConcordatError) else Unavailable("not_settled", "It was not recorded.")
            self._ended_badly(job, job.lines[number], run, refusal)
        return bool(ended)

    def _ended_badly(self, job: _Job, line: Line, run: ActiveRun, refusal: ConcordatError) -> None:
        batch = self._kernel.state(BATCHES, job.batch_id)
        if batch.is_settled(line.number):
            return
        if isinstance(refusal, Withdrawn):
            if batch.status is BatchStatus.IN_PROGRESS:
                self._stop(job, refusal)
        elif batch.status is not BatchStatus.IN_PROGRESS:
            return
        elif isinstance(refusal, Unavailable) and job.attempts[line.number] < ATTEMPTS_PER_LINE:
            job.waiting = {line.number: line, **job.waiting}
            self._later(job, refusal)
        else:
            self._failed(job, line, refusal, run.run_id)

    def _failed(self, job: _Job, line: Line, refusal: ConcordatError, run_id: str | None) -> None:
        job.waiting.pop(line.number, None)
        command = FailLine(line=line.number, run_id=run_id, code=refusal.code, message=refusal.message)
        self._kernel.execute(BATCHES, job.batch_id, command, RUNNER)

    def _stop(self, job: _Job, refusal: ConcordatError, *, expired: bool = False) -> bool:
        """No line begins any more, and those under way are told to stop; the next steps end the batch."""
        reason = refusal.reason if isinstance(refusal, Withdrawn) else refusal.code
        command = StopBatch(
            outcome="expired" if expired or reason == "token_expired" else "failed",
            code=reason,
            message=refusal.message,
        )
        self._kernel.execute(BATCHES, job.batch_id, command, RUNNER)
        for run in job.active.values():
            run.cancel()
        return True


def _delayed(job: _Job) -> bool:
    return job.not_before is not None


def _verdict(checked: Checked) -> RefuseBatch | StartBatch:
    if checked.good and checked.ground is not None:
        return StartBatch(
            model=checked.model,
            ground=checked.ground,
            total=checked.lines,
            most_tokens=checked.most_tokens,
            keep_days=checked.retention.days if checked.retention is not None else None,
        )
    return RefuseBatch(problems=checked.problems, problem_count=checked.problem_count)


def _actor(batch: Batch) -> Actor:
    """Whoever submitted it, as far as it takes to look them up anew."""
    by = batch.by or Submitter(person_id="", name="")
    return Actor(
        person_id=by.person_id,
        name=by.name,
        channel=Channel.API,
        program=by.program,
        token_id=by.token_id,
        token_key=by.token_key,
        key_thumbprint=by.key_thumbprint,
        grant_id=by.grant_id,
        agreement_digest=by.agreement_digest,
    )
