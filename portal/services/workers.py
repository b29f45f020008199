"""The model workers for coordinators: what each does, who waits for it, its end, and the halt of its checkpoint."""

import logging
import threading
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Forbidden, NotFound
from agreements.institutions import Institution, SetWeight
from model_access.registry import Checkpoint, HaltCheckpoint, LiftHalt
from model_access.worker import InstitutionLine, WorkerPool, WorkerStatus
from portal.config import Settings
from portal.inputs import parse
from portal.services.aggregates import CHECKPOINTS, INSTITUTIONS
from portal.services.batch_rows import BATCHES
from portal.services.checkpoints import CheckpointService
from portal.services.kernel import Kernel
from portal.services.runs import RunService
from portal.services.under_way import Watch

logger = logging.getLogger(__name__)

_STOP_S = 5.0
"""How long what runs has to stop between two tokens, before its worker is ended."""


class QueueRow(Value):
    """One institution before one worker."""

    line: InstitutionLine
    institution_name: str
    weight: float


class WorkerView(Value):
    """One checkpoint's worker and its queue."""

    status: WorkerStatus
    halted: bool
    queue: tuple[QueueRow, ...]


class InstitutionShare(Value):
    """What an institution had of all workers over the last ten minutes, and what it waits for."""

    institution_id: str
    institution_name: str
    weight: float
    served_tokens: int
    waiting: int
    running: int


class WorkerReport(Value):
    """Everything about the workers at one moment."""

    workers: tuple[WorkerView, ...]
    shares: tuple[InstitutionShare, ...]
    memory_budget_bytes: int
    memory_used_bytes: int
    memory_promised_bytes: int
    """The limits of the workers that are up, which the budget bounds."""
    sandbox: str


class HaltConsequences(Value):
    """What ending a worker or halting its checkpoint would stop now."""

    checkpoint_id: str
    runs: int
    """Runs that are being run, or wait for their turn."""
    waiting: int
    """How many of them wait."""
    institutions: tuple[str, ...]
    """Whose they are, by name."""
    batches: int
    """Batches that are not over, which a halt ends; ending the worker alone has their lines run again."""


class Halted(Value):
    """A checkpoint after its halt, and what that stopped."""

    checkpoint: Checkpoint
    stopped: int


class WorkerService:
    """For coordinators alone: workers are where one partner's use is seen beside another's."""

    def __init__(
        self,
        kernel: Kernel,
        checkpoints: CheckpointService,
        runs: RunService,
        pool: WorkerPool,
        watch: Watch,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._checkpoints = checkpoints
        self._runs = runs
        self._pool = pool
        self._watch = watch
        self._settings = settings
        self._weights: dict[str, float] = {}
        self._weighing = threading.Lock()
        pool.weight_of = self._weight

    def open(self) -> None:
        """Read the weights of institutions; done when the portal opens."""
        for row in self._kernel.store.query("SELECT institution_id FROM institution"):
            self._weights[row["institution_id"]] = self._kernel.state(INSTITUTIONS, row["institution_id"]).weight

    def report(self, actor: Actor) -> WorkerReport:
        """Every worker, its queue, and what went to whom. Raises Forbidden ``not_coordinator``."""
        self._require(actor)
        names = self._names()
        workers = tuple(
            WorkerView(
                status=status,
                halted=self._checkpoints.state(status.checkpoint_id).halt is not None,
                queue=tuple(self._row(line, names) for line in self._pool.queue(status.checkpoint_id)),
            )
            for status in self._pool.status()
        )
        up = [view.status for view in workers if view.status.pid is not None]
        return WorkerReport(
            workers=workers,
            shares=_shares([row for view in workers for row in view.queue]),
            memory_budget_bytes=self._settings.worker_memory_bytes,
            memory_used_bytes=sum(status.rss_bytes for status in up),
            memory_promised_bytes=sum(status.memory_limit_bytes for status in up),
            sandbox=self._pool.profile.id,
        )

    def foresee(self, actor: Actor, checkpoint_id: str) -> HaltConsequences:
        """What ending the worker, or halting the checkpoint, would stop. Raises Forbidden or NotFound."""
        self._require(actor)
        self._checkpoints.state(checkpoint_id)
        found = self._runs.under_way(checkpoint_id)
        names = self._names()
        return HaltConsequences(
            checkpoint_id=checkpoint_id,
            runs=len(found),
            waiting=sum(line.waiting for line in self._pool.queue(checkpoint_id)),
            institutions=tuple(sorted({_called(run.terms.institution_id or "", names) for run in found})),
            batches=self._batches(checkpoint_id),
        )

    def evict(self, actor: Actor, checkpoint_id: str) -> WorkerStatus:
        """End a checkpoint's worker and free its memory; what runs and waits fails, and may be sent again.

        The next request starts another. Raises Forbidden, or NotFound ``checkpoint_not_found``.
        """
        self._require(actor)
        self._checkpoints.state(checkpoint_id)
        if not self._pool.is_registered(checkpoint_id):
            raise NotFound(
                "worker_not_found",
                f"{checkpoint_id} has no worker here.",
                hint="Its files were not found at the start.",
            )
        logger.info("the worker of %s is ended by %s", checkpoint_id, actor.person_id)
        self._pool.stop(checkpoint_id)
        return next(status for status in self._pool.status() if status.checkpoint_id == checkpoint_id)

    def halt(self, actor: Actor, checkpoint_id: str, *, reason: str, idempotency_key: str | None = None) -> Halted:
        """Let nothing begin on a checkpoint, stop what runs between two tokens, and end its worker.

        ``reason`` is told to everybody who is refused or stopped by it. Raises Forbidden ``not_coordinator``, NotFound,
        or Conflict ``already_halted``.
        """
        self._checkpoints.state(checkpoint_id)
        before = len(self._runs.under_way(checkpoint_id))
        command = parse(HaltCheckpoint, {"reason": reason})
        checkpoint = self._kernel.execute(CHECKPOINTS, checkpoint_id, command, actor, idempotency_key=idempotency_key)
        # The watch tells each run why it ends; a worker that is ended first would leave only that it was.
        self._watch.settled(_STOP_S)
        self._runs.wait_for_ends(checkpoint_id, _STOP_S)
        if self._pool.is_registered(checkpoint_id):
            self._pool.stop(checkpoint_id)
        return Halted(checkpoint=checkpoint, stopped=before)

    def lift(self, actor: Actor, checkpoint_id: str, *, reason: str, idempotency_key: str | None = None) -> Checkpoint:
        """Let a halted checkpoint be queried again; what was stopped stays stopped.

        Raises Forbidden ``not_coordinator``, NotFound, or Conflict ``not_halted``.
        """
        self._checkpoints.state(checkpoint_id)
        command = parse(LiftHalt, {"reason": reason})
        return self._kernel.execute(CHECKPOINTS, checkpoint_id, command, actor, idempotency_key=idempotency_key)

    def set_weight(
        self,
        actor: Actor,
        institution_id: str,
        *,
        weight: float,
        reason: str,
        idempotency_key: str | None = None,
    ) -> Institution:
        """Give an institution a larger or smaller share of each worker, against others who wait; 1 is everybody's.

        Raises Forbidden ``not_coordinator``, NotFound, or Invalid for a weight that is not between 0.1 and 10.
        """
        self._kernel.state(INSTITUTIONS, institution_id)
        command = parse(SetWeight, {"weight": weight, "reason": reason})
        institution = self._kernel.execute(
            INSTITUTIONS, institution_id, command, actor, idempotency_key=idempotency_key
        )
        with self._weighing:
            # As it is on record by now: of two at once, the later in the log holds, whichever comes here last.
            self._weights[institution_id] = self._kernel.state(INSTITUTIONS, institution_id).weight
        return institution

    def _batches(self, checkpoint_id: str) -> int:
        rows = self._kernel.store.query("SELECT batch_id FROM batch WHERE status IN ('in_progress', 'finalizing')")
        return sum(self._kernel.state(BATCHES, row["batch_id"]).model == checkpoint_id for row in rows)

    def _weight(self, institution_id: str) -> float:
        return self._weights.get(institution_id, 1.0)

    def _names(self) -> dict[str, str]:
        rows = self._kernel.store.query("SELECT institution_id, name FROM institution")
        return {row["institution_id"]: row["name"] for row in rows}

    def _row(self, line: InstitutionLine, names: dict[str, str]) -> QueueRow:
        return QueueRow(
            line=line,
            institution_name=_called(line.institution_id, names),
            weight=self._weight(line.institution_id),
        )

    @staticmethod
    def _require(actor: Actor) -> None:
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator sees and ends the model workers.")


def _called(institution_id: str, names: dict[str, str]) -> str:
    return names.get(institution_id, institution_id) if institution_id else "People on their own"


def _shares(rows: Sequence[QueueRow]) -> tuple[InstitutionShare, ...]:
    by = attrgetter("line.institution_id")
    found = []
    for institution_id, some in groupby(sorted(rows, key=by), key=by):
        own = tuple(some)
        found.append(
            InstitutionShare(
                institution_id=institution_id,
                institution_name=own[0].institution_name,
                weight=own[0].weight,
                served_tokens=sum(row.line.served_tokens for row in own),
                waiting=sum(row.line.waiting for row in own),
                running=sum(row.line.running for row in own),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.served_tokens))
