"""Runs: authorised, reserved, run in the sandbox, settled, and proved by a signed receipt in the log."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from enum import StrEnum

from pydantic import JsonValue

from agreements.access import Allowed, AskedSampling, Basis, Draw, Question
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.dsse import Envelope
from agreements.errors import ConcordatError, Conflict, NotFound, Unavailable
from agreements.ids import new_id
from agreements.scopes import Operation
from model_access.fitting import fitted
from model_access.generation import ChoiceDelta, Failed, Finished, GenerationRequest, RunEvent, rounded
from model_access.metering import Allowance, Left, Meter, Settled
from model_access.receipts import (
    COMPLETED_EVENT,
    receipt_file,
)
from model_access.registry import Checkpoint
from model_access.runs import INTERRUPTED, FailRun, ReplayOf, Run, RunStatus, RunTerms, StartRun
from model_access.worker import Place, Share, WorkerPool
from portal.config import Settings
from portal.findings.evidence import RunFacts
from portal.services.active import ActiveRun, RunResult
from portal.services.aggregates import RUNS, accounts_of
from portal.services.checkpoints import CheckpointService
from portal.services.keeper import Keeper
from portal.services.kernel import ATTEMPTS, Kernel
from portal.services.presence import Presence
from portal.services.run_ends import SETTLER, PartOf, RunEnds
from portal.services.run_sight import seen_runs, visible
from portal.services.under_way import CHANGED_MEANWHILE, UnderWay, Watch

logger = logging.getLogger(__name__)

_FOREMOST = (Operation.GENERATE, Operation.EMBED, Operation.SCORE)
"""By which of the operations that it needs a run is called."""

LONGEST_PERIOD = timedelta(days=31)
"""A month's account may be that old and still be drawn on."""

_SETTLING_THREADS = 16


class Estimate(Value):
    """What a run would cost at most, before it is made."""

    prompt_tokens: int
    most_tokens: int
    """Prompt and every token it might generate."""
    budget_left: int | None
    """None where no budget applies."""


class QueueState(StrEnum):
    """Where a run is between being begun and its end."""

    WAITING = "waiting"
    RUNNING = "running"
    OVER = "over"


class QueuePlace(Value):
    """Where a run stands in the queue."""

    run_id: str
    state: QueueState
    place: Place | None = None
    """While it waits."""


class RunService:
    """The one path from a request to a receipt."""

    def __init__(
        self,
        kernel: Kernel,
        checkpoints: CheckpointService,
        pool: WorkerPool,
        meter: Meter,
        settings: Settings,
        sandbox: str,
        watch: Watch,
        presence: Presence,
        keeper: Keeper,
    ) -> None:
        """``sandbox`` is the id of the isolation profile that workers run under; every receipt names it."""
        self._watch = watch
        self._presence = presence
        self._kernel = kernel
        self._checkpoints = checkpoints
        self._pool = pool
        self._meter = meter
        self._settings = settings
        self._ends = RunEnds(kernel, settings, sandbox, keeper)
        self._by_itself: set[str] = set()  # runs under way that are no line of a batch
        self._active: dict[str, ActiveRun] = {}
        self._settling = ThreadPoolExecutor(_SETTLING_THREADS, thread_name_prefix="settle")

    @staticmethod
    def settled_usage(kernel: Kernel) -> Mapping[str, Settled]:
        """Tokens charged and runs begun so far, by account; what the meter starts from.

        Accounts of days, weeks and months that are over are left out: nothing draws on them any more.
        """
        oldest = kernel.clock() - LONGEST_PERIOD
        rows = kernel.store.query(
            """
            SELECT a.account, sum(a.charged_tokens)::BIGINT AS tokens, count(*) AS requests,
                   sum(greatest(a.charged_tokens - coalesce(r.prompt_tokens, 0), 0))::BIGINT AS outputs
            FROM run_account a JOIN run r USING (run_id)
            WHERE strpos(a.account, '@') = 0 OR split_part(a.account, ':', 2) >= ?
            GROUP BY a.account
            """,
            [f"{oldest:%Y-%m-%d}"],
        )
        return {
            row["account"]: Settled(tokens=row["tokens"], requests=row["requests"], outputs=row["outputs"])
            for row in rows
        }

    def settle_interrupted(self) -> int:
        """Settle runs that an earlier process left open, and say how many.

        A streamed answer may have been read, so its reservation is charged; an answer not streamed was never given.
        """
        rows = self._kernel.store.query("SELECT run_id FROM run WHERE status = 'started'")
        for row in rows:
            run = self._kernel.state(RUNS, row["run_id"])
            if run.terms is None:
                continue
            charged = run.terms.reserved_tokens if run.terms.parameters.get("stream") else 0
            self._kernel.execute(
                RUNS,
                run.terms.run_id,
                FailRun(code=INTERRUPTED, message="The portal stopped while it ran.", charged_tokens=charged),
                SETTLER,
            )
            self._meter.charge(accounts_of(run.terms), used=charged, outputs=charged)
        return len(rows)

    @staticmethod
    def operations_for(request: GenerationRequest) -> frozenset[Operation]:
        """The permissions a request needs."""
        if request.embed:
            return frozenset({Operation.EMBED})
        needed = set[Operation]()
        if request.max_tokens:
            needed.add(Operation.GENERATE)
            if request.logprobs is not None:
                needed.add(Operation.LOGPROBS)
        if request.echo and (request.logprobs is not None or not request.max_tokens):
            needed.add(Operation.SCORE)
        if request.logit_bias and request.logprobs is not None:
            # A bias can force any token, whose probability is then reported: that is scoring, by another name.
            needed.add(Operation.SCORE)
        return frozenset(needed or {Operation.GENERATE})

    def estimate(
        self, actor: Actor, checkpoint_id: str, request: GenerationRequest, *, purpose: str | None = None
    ) -> Estimate:
        """What the run would cost at most. Raises what ``begin`` raises before it reserves."""
        checkpoint = self._checkpoints.state(checkpoint_id)
        allowed = self._allowed(actor, checkpoint, request, purpose)
        draws = self.draws(actor, allowed)
        self._refuse_early(request, draws)
        _, prompt_tokens, most_tokens = self._in_tokens(checkpoint_id, request, allowed, draws)
        return Estimate(
            prompt_tokens=prompt_tokens, most_tokens=most_tokens, budget_left=self._meter.left(draws).tokens
        )

    def begin(
        self,
        actor: Actor,
        checkpoint_id: str,
        request: GenerationRequest,
        *,
        purpose: str | None = None,
        stream: bool = False,
        replays: ReplayOf | None = None,
        part_of: PartOf | None = None,
    ) -> ActiveRun:
        """Start a run. When this returns, the run is in the log and its tokens are held.

        It is asked whether it may go on whenever something that it rests on changes: it neither starts, nor hands a
        token on, nor completes after a change that ended its access. What is stopped ends with Withdrawn. What it
        ``replays`` is recorded with it; ``ReplayService`` makes sure that it does. What makes it ``part_of`` a batch is
        recorded together with its completion.

        Raises NotFound for the checkpoint, Forbidden with the condition that failed, Invalid for a request that does
        not fit the checkpoint, Limited for rate or budget, Unavailable where no worker can be had.
        """
        checkpoint = self._checkpoints.state(checkpoint_id)
        allowed = self._allowed(actor, checkpoint, request, purpose)
        draws = self.draws(actor, allowed)
        self._refuse_early(request, draws)
        in_tokens, prompt_tokens, most_tokens = self._in_tokens(checkpoint_id, request, allowed, draws)
        request = request.model_copy(update={"max_tokens": in_tokens.max_tokens, "fits": False})
        most_outputs = most_tokens - prompt_tokens
        terms = self._terms(actor, checkpoint, request, allowed, most_tokens, stream=stream).model_copy(
            update={
                "reserved_outputs": most_outputs,
                "accounts": tuple(draw.account for draw in draws),
                "replays": replays,
                "batch_id": part_of.batch_id if part_of is not None else None,
            }
        )
        share = Share(terms.institution_id or "", terms.person_id, batch=part_of is not None)
        self._pool.require_room(checkpoint_id, share)
        active = ActiveRun(terms, draws)
        under_way = self._watch.enter(terms.run_id, lambda: self._still(actor, terms, request), active.withdraw)
        try:
            self._meter.reserve(draws, most_tokens, outputs=most_outputs, now=self._kernel.clock())
            try:
                self._start(actor, terms, under_way)
            except BaseException:
                self._meter.release(terms.accounts, reserved=most_tokens, outputs_reserved=most_outputs)
                raise
        except BaseException:
            under_way.leave()
            raise
        if part_of is None:
            self._by_itself.add(terms.run_id)
        self._active[terms.run_id] = active
        self._submit(active, under_way, request, in_tokens, part_of, share)
        return active

    def under_way(self, checkpoint_id: str) -> tuple[ActiveRun, ...]:
        """What runs on a checkpoint or waits to, lines of batches included."""
        return tuple(run for run in tuple(self._active.values()) if run.terms.checkpoint_id == checkpoint_id)

    def wait_for_ends(self, checkpoint_id: str, timeout_s: float) -> bool:
        """Wait until what runs on a checkpoint now is over and settled; whether it was in time."""
        return not wait([run.outcome for run in self.under_way(checkpoint_id)], timeout=timeout_s).not_done

    @property
    def by_themselves(self) -> int:
        """How many runs are under way that somebody waits for, rather than a batch."""
        return len(self._by_itself)

    def ground(
        self, actor: Actor, checkpoint_id: str, request: GenerationRequest, *, purpose: str | None = None
    ) -> Allowed:
        """On what ground the run would be allowed. Raises NotFound, or Forbidden with the condition that failed."""
        return self._allowed(actor, self._checkpoints.state(checkpoint_id), request, purpose)

    def cost(self, actor: Actor, checkpoint_id: str, request: GenerationRequest, allowed: Allowed) -> tuple[int, int]:
        """Tokens of the prompts, and at most in all. Raises Invalid for a request that does not fit the checkpoint."""
        return self._in_tokens(checkpoint_id, request, allowed, self.draws(actor, allowed))[1:]

    def allowance(self, draws: Sequence[Draw]) -> Allowance:
        """What is left on all of the accounts at this moment, and when more will be."""
        return self._meter.allowance(draws, now=self._kernel.clock())

    def left(self, draws: Sequence[Draw]) -> Left:
        """What is left on all of the accounts at this moment."""
        return self._meter.left(draws)

    def leaves_room(self, draws: Sequence[Draw]) -> bool:
        """Whether another line of a batch leaves others on the same accounts room for requests of their own.

        Half of a rate and one of the runs at once stay theirs; where that leaves nothing, a batch has one.
        """
        for draw in draws:
            usage = self._meter.usage(draw.account)
            if draw.per_minute is not None and usage.recent >= max(1, draw.per_minute // 2):
                return False
            if draw.at_once is not None and usage.running >= max(1, draw.at_once - 1):
                return False
        return True

    def get(self, actor: Actor, run_id: str) -> Run:
        """One run, for its maker, the maker's institution and coordinators. Raises NotFound for everybody else too."""
        missing = NotFound("run_not_found", f"There is no run {run_id!r} that you may see.")
        try:
            run = self._kernel.state(RUNS, run_id)
        except NotFound:
            raise missing from None
        if run.terms is None or not visible(actor, run.terms):
            raise missing
        return run

    def place(self, actor: Actor, run_id: str) -> QueuePlace:
        """Where a run stands in the queue of its checkpoint's worker. Raises NotFound as ``get`` does."""
        run = self.get(actor, run_id)
        active = self._active.get(run_id)
        if run.status is not RunStatus.STARTED or active is None:
            return QueuePlace(run_id=run_id, state=QueueState.OVER)
        place = active.place()
        if place is None:
            return QueuePlace(run_id=run_id, state=QueueState.RUNNING)
        return QueuePlace(run_id=run_id, state=QueueState.WAITING, place=place)

    def list(
        self,
        actor: Actor,
        *,
        limit: int = 50,
        checkpoint_id: str | None = None,
        mine: bool = False,
        replays: str | None = None,
    ) -> tuple[Run, ...]:
        """The runs the actor may see, newest first; with ``replays``, only those made to replay that run."""
        seen, params = seen_runs(actor)
        rows = self._kernel.store.query(
            f"""
            SELECT run_id FROM run
            WHERE {seen} AND (NOT ? OR person_id = ?) AND (?::VARCHAR IS NULL OR checkpoint_id = ?)
              AND (?::VARCHAR IS NULL OR replays = ?)
            ORDER BY started_at DESC, run_id LIMIT ?
            """,  # noqa: S608 - only the condition above is spliced in
            [
                *(*params, mine, actor.person_id, checkpoint_id, checkpoint_id, replays, replays),
                max(1, min(limit, 500)),
            ],
        )
        return tuple(self._kernel.state(RUNS, row["run_id"]) for row in rows)

    def receipt(self, actor: Actor, run_id: str) -> bytes:
        """The receipt file of a completed run. Raises NotFound, or Conflict ``no_receipt``."""
        run = self.get(actor, run_id)
        if run.receipt is None:
            raise Conflict("no_receipt", f"Run {run_id} is {run.status.value}; a receipt comes with its completion.")
        log = self._kernel.store.log
        recorded = self._kernel.store.events(f"run/{run_id}", types=[COMPLETED_EVENT])
        return receipt_file(Envelope.from_json(run.receipt), log.evidence(recorded[0].position), log.vkey)

    def facts(self, run_id: str, actor: Actor) -> RunFacts:
        """What the receipt says, for a finding that cites the run. Raises NotFound or Conflict."""
        run = self.get(actor, run_id)
        if run.terms is None or run.receipt_digest is None or run.started_at is None:
            raise Conflict("no_receipt", f"Run {run_id} is {run.status.value}; only completed runs can be cited.")
        return RunFacts(
            run_id=run_id,
            checkpoint_id=run.terms.checkpoint_id,
            manifest_digest=run.terms.manifest_digest,
            operation=run.terms.operation.value,
            sampling=run.terms.parameters,
            seed=run.terms.seed,
            ran_at=run.started_at,
            institution_id=run.terms.institution_id,
            grant_id=run.terms.grant_id,
            agreement_digest=run.terms.agreement_digest,
            receipt_digest=run.receipt_digest,
        )

    def close(self) -> None:
        """Wait for runs that are settling."""
        self._settling.shutdown(wait=True)

    def _allowed(
        self, actor: Actor, checkpoint: Checkpoint, request: GenerationRequest, purpose: str | None
    ) -> Allowed:
        answer = self._checkpoints.access(
            actor, checkpoint, self.operations_for(request), purpose, sampling_of(request)
        )
        if isinstance(answer, Allowed):
            return answer
        raise answer.error()

    def _still(self, actor: Actor, terms: RunTerms, request: GenerationRequest) -> None:
        """Ask again what was asked at the beginning, of the live record. Raises the refusal."""
        question = Question(
            operations=self.operations_for(request), purpose=terms.purpose, sampling=sampling_of(request)
        )
        now = self._presence.again(actor)
        self._checkpoints.still(now, terms.checkpoint_id, question, basis=terms.basis, grant_id=terms.grant_id)

    def _start(self, actor: Actor, terms: RunTerms, under_way: UnderWay) -> None:
        """Record that the run begins, by an answer that is good at the very moment of writing."""
        for _ in range(ATTEMPTS):
            refusal = under_way.holds()
            if refusal is not None:
                raise refusal
            try:
                self._kernel.execute(
                    RUNS, terms.run_id, StartRun(terms=terms), actor, guard=under_way.guard, fresh=True
                )
            except Conflict as conflict:
                if conflict.code != CHANGED_MEANWHILE:
                    raise
            else:
                return
        raise Unavailable(
            CHANGED_MEANWHILE,
            "What this access rests on is being changed over and over.",
            hint="Send the request again.",
            retry_after_s=1.0,
        )

    def draws(self, actor: Actor, allowed: Allowed) -> tuple[Draw, ...]:
        """Every account that a run of the actor on that ground draws on; without a grant, the actor's own."""
        if allowed.basis is Basis.GRANT:
            return allowed.draws
        account, unlimited = f"{allowed.basis}:{actor.person_id}", allowed.basis is Basis.LAB
        return (
            Draw(
                account=account,
                says="the lab" if unlimited else "public use",
                budget=None if unlimited else self._settings.public_token_budget,
                per_minute=None if unlimited else self._settings.public_requests_per_minute,
            ),
            *allowed.draws,
        )

    def _refuse_early(self, request: GenerationRequest, draws: Sequence[Draw]) -> None:
        """A worker lays out a conversation before its cost is known: not for those who may not begin a run now."""
        if request.needs_layout:
            least = min(request.max_tokens, 1)
            refusal = self._meter.refusal(draws, 1 + least, outputs=least, now=self._kernel.clock())
            if refusal is not None:
                raise refusal

    def _in_tokens(
        self, checkpoint_id: str, request: GenerationRequest, allowed: Allowed, draws: Sequence[Draw]
    ) -> tuple[GenerationRequest, int, int]:
        """The request in tokens and with as many as it may take, those of its prompts, and those at most in all."""
        try:
            in_tokens = self._pool.in_tokens(checkpoint_id, request)
            prompt_tokens = self._pool.count_tokens(checkpoint_id, in_tokens)
        except NotFound:
            raise not_served(checkpoint_id) from None
        if request.fits:
            in_tokens = fitted(in_tokens, prompt_tokens, allowed.sampling, self._meter.unspent(draws))
        return in_tokens, prompt_tokens, prompt_tokens + in_tokens.max_tokens * in_tokens.candidate_count

    def _terms(
        self,
        actor: Actor,
        checkpoint: Checkpoint,
        request: GenerationRequest,
        allowed: Allowed,
        most_tokens: int,
        *,
        stream: bool,
    ) -> RunTerms:
        operations = self.operations_for(request)
        parameters: dict[str, JsonValue] = request.model_dump(mode="json", exclude={"prompts", "seed"})
        return RunTerms(
            run_id=new_id("run"),
            checkpoint_id=checkpoint.id,
            manifest_digest=checkpoint.digest,
            person_id=actor.person_id,
            institution_id=allowed.institution_id or next(iter(actor.institution_ids), None),
            basis=allowed.basis,
            grant_id=allowed.grant_id,
            agreement_digest=allowed.agreement_digest,
            token_id=actor.token_id,
            purpose=allowed.purpose,
            operation=next(one for one in _FOREMOST if one in operations),
            parameters={**parameters, "stream": stream},
            seed=request.seed,
            reserved_tokens=most_tokens,
            logprob_decimals=allowed.logprob_decimals if request.logprobs is not None else None,
        )

    def _submit(
        self,
        active: ActiveRun,
        under_way: UnderWay,
        request: GenerationRequest,
        in_tokens: GenerationRequest,
        part_of: PartOf | None,
        share: Share,
    ) -> None:
        deltas: list[ChoiceDelta] = []

        def on_event(event: RunEvent) -> None:
            if isinstance(event, ChoiceDelta):
                # What the engine makes before it hears that it has to stop goes to nobody.
                if under_way.holds() is None:
                    # Here, before anybody sees it: what is streamed, kept for a batch and answered is the same.
                    shown = rounded(event, active.terms.logprob_decimals)
                    deltas.append(shown)
                    under_way.given += len(shown.token_ids)
                    active.emit(shown)
                return
            self._settling.submit(self._settle, active, under_way, request, tuple(deltas), event, part_of)

        try:
            terms = active.terms
            ticket = self._pool.submit(terms.checkpoint_id, in_tokens, on_event, holder=terms.person_id, share=share)
        except Exception as error:
            refusal = (
                error
                if isinstance(error, ConcordatError)
                else Unavailable("worker_not_started", "No worker could be started.", hint="Send the request again.")
            )
            failed = Failed(code=refusal.code, message=refusal.message, retriable=True)
            self._settle(active, under_way, request, (), failed, part_of)
            raise refusal from error
        active.follow(ticket)

    def _settle(
        self,
        active: ActiveRun,
        under_way: UnderWay,
        request: GenerationRequest,
        deltas: tuple[ChoiceDelta, ...],
        end: Finished | Failed,
        part_of: PartOf | None,
    ) -> None:
        terms = active.terms
        outcome: RunResult | ConcordatError
        used = outputs = 0
        try:
            run, outcome = self._ends.conclude(terms, under_way, request, deltas, end, part_of)
            used, outputs = run.charged_tokens, run.charged_outputs
        except Exception as error:  # noqa: BLE001 - whoever waits for the run must hear of it, whatever it is
            logger.warning("run %s could not be settled: %s", terms.run_id, type(error).__name__)
            outcome = (
                error
                if isinstance(error, ConcordatError)
                else Unavailable("not_settled", "The run could not be recorded.", hint="Send the request again.")
            )
        under_way.leave()
        self._by_itself.discard(terms.run_id)
        self._active.pop(terms.run_id, None)
        # Before anyone hears of the end: what a run no longer holds, the next one may take.
        self._meter.settle(
            accounts_of(terms),
            reserved=terms.reserved_tokens,
            used=used,
            outputs_reserved=terms.reserved_outputs or 0,
            outputs=outputs,
        )
        if isinstance(outcome, RunResult):
            active.outcome.set_result(outcome)
        else:
            active.outcome.set_exception(outcome)
        active.emit(end)


def not_served(checkpoint_id: str) -> Unavailable:
    """The refusal where a registered checkpoint has no files here."""
    # It is registered, as was looked up before; only its files were not there when the portal opened.
    return Unavailable(
        "checkpoint_not_served",
        f"The files of {checkpoint_id} are not available.",
        hint="Restore the checkpoint's folder and start the portal again.",
    )


def fresh_seed() -> int:
    """A seed for a request that gives none; it is recorded in the receipt, so the run can be made again."""
    return secrets.randbits(53)


def sampling_of(request: GenerationRequest) -> AskedSampling:
    """How a request is to sample, as far as access is concerned."""
    return AskedSampling(
        max_tokens=request.max_tokens,
        choices=request.candidate_count,
        top_logprobs=request.logprobs or 0,
        temperature=request.temperature,
        logit_bias=bool(request.logit_bias),
    )


__all__ = [
    "INTERRUPTED",
    "SETTLER",
    "Estimate",
    "QueuePlace",
    "QueueState",
    "RunService",
    "RunStatus",
    "fresh_seed",
    "seen_runs",
]
