"""Runs: authorised, reserved, run in the sandbox, settled, and proved by a signed receipt in the log."""

import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from pydantic import JsonValue

from agreements.access import Allowed, AskedSampling, Basis, Draw
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.dsse import Envelope
from agreements.errors import ConcordatError, Conflict, NotFound, Unavailable
from agreements.ids import new_id
from agreements.scopes import Operation
from model_access.build import engine_build
from model_access.generation import ChoiceDelta, Failed, Finished, GenerationRequest, RunEvent, assemble
from model_access.metering import Meter, Settled
from model_access.receipts import (
    COMPLETED_EVENT,
    RunPredicate,
    RunStatement,
    SaltedDigest,
    envelope_digest,
    receipt_file,
    sign_receipt,
)
from model_access.registry import Checkpoint
from model_access.runs import CompleteRun, FailRun, Run, RunStatus, RunTerms, StartRun
from model_access.worker import WorkerPool
from portal.config import Settings
from portal.findings.evidence import RunFacts
from portal.services.active import ActiveRun, RunResult
from portal.services.aggregates import RUNS, accounts_of
from portal.services.checkpoints import CheckpointService
from portal.services.kernel import Kernel

logger = logging.getLogger(__name__)

SETTLER = Actor.automatic("run-settler")
"""The named rule that settles runs; nobody's command ends a run but the engine's own end."""

INTERRUPTED = "interrupted"

LONGEST_PERIOD = timedelta(days=31)
"""A month's account may be that old and still be drawn on."""

_SETTLING_THREADS = 4


class Estimate(Value):
    """What a run would cost at most, before it is made."""

    prompt_tokens: int
    most_tokens: int
    """Prompt and every token it might generate."""
    budget_left: int | None
    """None where no budget applies."""


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
    ) -> None:
        """``sandbox`` is the id of the isolation profile that workers run under; every receipt names it."""
        self._kernel = kernel
        self._checkpoints = checkpoints
        self._pool = pool
        self._meter = meter
        self._settings = settings
        self._sandbox = sandbox
        self._settling = ThreadPoolExecutor(_SETTLING_THREADS, thread_name_prefix="settle")

    @staticmethod
    def settled_usage(kernel: Kernel) -> Mapping[str, Settled]:
        """Tokens charged and runs begun so far, by account; what the meter starts from.

        Accounts of days, weeks and months that are over are left out: nothing draws on them any more.
        """
        oldest = kernel.clock() - LONGEST_PERIOD
        rows = kernel.store.query(
            """
            SELECT account, sum(charged_tokens)::BIGINT AS tokens, count(*) AS requests FROM run_account
            WHERE strpos(account, '@') = 0 OR split_part(account, ':', 2) >= ?
            GROUP BY account
            """,
            [f"{oldest:%Y-%m-%d}"],
        )
        return {row["account"]: Settled(tokens=row["tokens"], requests=row["requests"]) for row in rows}

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
            self._meter.charge(accounts_of(run.terms), used=charged)
        return len(rows)

    @staticmethod
    def operations_for(request: GenerationRequest) -> frozenset[Operation]:
        """The permissions a request needs."""
        needed = set[Operation]()
        if request.max_tokens:
            needed.add(Operation.GENERATE)
            if request.logprobs is not None:
                needed.add(Operation.LOGPROBS)
        if request.echo and (request.logprobs is not None or not request.max_tokens):
            needed.add(Operation.SCORE)
        return frozenset(needed or {Operation.GENERATE})

    def estimate(
        self, actor: Actor, checkpoint_id: str, request: GenerationRequest, *, purpose: str | None = None
    ) -> Estimate:
        """What the run would cost at most. Raises what ``begin`` raises before it reserves."""
        checkpoint = self._checkpoints.state(checkpoint_id)
        allowed = self._allowed(actor, checkpoint, request, purpose)
        prompt_tokens, most_tokens = self._cost(checkpoint_id, request)
        left = [
            self._left(draw.account, draw.budget) for draw in self._draws(actor, allowed) if draw.budget is not None
        ]
        return Estimate(prompt_tokens=prompt_tokens, most_tokens=most_tokens, budget_left=min(left, default=None))

    def begin(
        self,
        actor: Actor,
        checkpoint_id: str,
        request: GenerationRequest,
        *,
        purpose: str | None = None,
        stream: bool = False,
    ) -> ActiveRun:
        """Start a run. When this returns, the run is in the log and its tokens are held.

        Raises NotFound for the checkpoint, Forbidden with the condition that failed, Invalid for a request that does
        not fit the checkpoint, Limited for rate or budget, Unavailable where no worker can be had.
        """
        checkpoint = self._checkpoints.state(checkpoint_id)
        allowed = self._allowed(actor, checkpoint, request, purpose)
        _prompt_tokens, most_tokens = self._cost(checkpoint_id, request)
        draws = self._draws(actor, allowed)
        terms = self._terms(actor, checkpoint, request, allowed, most_tokens, stream=stream).model_copy(
            update={"accounts": tuple(draw.account for draw in draws)}
        )
        self._meter.reserve(draws, most_tokens, now=self._kernel.clock())
        try:
            self._kernel.execute(RUNS, terms.run_id, StartRun(terms=terms), actor)
        except BaseException:
            self._meter.release(terms.accounts, reserved=most_tokens)
            raise
        active = ActiveRun(terms)
        self._submit(active, request)
        return active

    def get(self, actor: Actor, run_id: str) -> Run:
        """One run, for its maker, the maker's institution and coordinators. Raises NotFound for everybody else too."""
        missing = NotFound("run_not_found", f"There is no run {run_id!r} that you may see.")
        try:
            run = self._kernel.state(RUNS, run_id)
        except NotFound:
            raise missing from None
        if run.terms is None or not _visible(actor, run.terms):
            raise missing
        return run

    def list(
        self, actor: Actor, *, limit: int = 50, checkpoint_id: str | None = None, mine: bool = False
    ) -> tuple[Run, ...]:
        """The runs the actor may see, newest first."""
        rows = self._kernel.store.query(
            """
            SELECT run_id FROM run
            WHERE (person_id = ? OR (NOT ? AND (? OR list_contains(?::VARCHAR[], institution_id))))
              AND (?::VARCHAR IS NULL OR checkpoint_id = ?)
            ORDER BY started_at DESC, run_id LIMIT ?
            """,
            [
                actor.person_id,
                mine,
                actor.is_coordinator,
                [*actor.institution_ids],
                checkpoint_id,
                checkpoint_id,
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
        sampling = AskedSampling(
            max_tokens=request.max_tokens,
            choices=request.choice_count,
            top_logprobs=request.logprobs or 0,
            temperature=request.temperature,
        )
        answer = self._checkpoints.access(actor, checkpoint, self.operations_for(request), purpose, sampling)
        if isinstance(answer, Allowed):
            return answer
        raise answer.error()

    def _draws(self, actor: Actor, allowed: Allowed) -> tuple[Draw, ...]:
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

    def _left(self, account: str, budget: int) -> int:
        usage = self._meter.usage(account)
        return max(budget - usage.settled - usage.reserved, 0)

    def _cost(self, checkpoint_id: str, request: GenerationRequest) -> tuple[int, int]:
        try:
            prompt_tokens = self._pool.count_tokens(checkpoint_id, request)
        except NotFound:
            # It is registered, as was looked up before; only its files were not there when the portal opened.
            raise Unavailable(
                "checkpoint_not_served",
                f"The files of {checkpoint_id} are not available.",
                hint="Restore the checkpoint's folder and start the portal again.",
            ) from None
        return prompt_tokens, prompt_tokens + request.max_tokens * request.choice_count

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
            operation=Operation.GENERATE if Operation.GENERATE in operations else Operation.SCORE,
            parameters={**parameters, "stream": stream},
            seed=request.seed,
            reserved_tokens=most_tokens,
        )

    def _submit(self, active: ActiveRun, request: GenerationRequest) -> None:
        deltas: list[ChoiceDelta] = []

        def on_event(event: RunEvent) -> None:
            if isinstance(event, ChoiceDelta):
                deltas.append(event)
                active.emit(event)
                return
            self._settling.submit(self._settle, active, request, tuple(deltas), event)

        try:
            ticket = self._pool.submit(active.terms.checkpoint_id, request, on_event)
        except Exception as error:
            refusal = (
                error
                if isinstance(error, ConcordatError)
                else Unavailable("worker_not_started", "No worker could be started.", hint="Send the request again.")
            )
            self._settle(active, request, (), Failed(code=refusal.code, message=refusal.message, retriable=True))
            raise refusal from error
        active.cancel_with(ticket.cancel)

    def _settle(
        self, active: ActiveRun, request: GenerationRequest, deltas: tuple[ChoiceDelta, ...], end: Finished | Failed
    ) -> None:
        terms = active.terms
        outcome: RunResult | ConcordatError
        used = 0
        try:
            if isinstance(end, Finished):
                run = self._complete(terms, request, end)
                outcome = RunResult(run=run, finished=end, choices=assemble(deltas))
            else:
                run = self._fail(terms, end)
                outcome = end.error()
            used = run.charged_tokens
        except Exception as error:  # noqa: BLE001 - whoever waits for the run must hear of it, whatever it is
            logger.warning("run %s could not be settled: %s", terms.run_id, type(error).__name__)
            outcome = (
                error
                if isinstance(error, ConcordatError)
                else Unavailable("not_settled", "The run could not be recorded.", hint="Send the request again.")
            )
        # Before anyone hears of the end: what a run no longer holds, the next one may take.
        self._meter.settle(accounts_of(terms), reserved=terms.reserved_tokens, used=used)
        if isinstance(outcome, RunResult):
            active.outcome.set_result(outcome)
        else:
            active.outcome.set_exception(outcome)
        active.emit(end)

    def _complete(self, terms: RunTerms, request: GenerationRequest, end: Finished) -> Run:
        started_at = self._kernel.state(RUNS, terms.run_id).started_at or self._kernel.clock()
        predicate = RunPredicate(
            **terms.model_dump(include=RunPredicate.model_fields.keys() & RunTerms.model_fields.keys()),
            prompts=SaltedDigest.of([p if isinstance(p, str) else list(p) for p in request.prompts]),
            outputs=SaltedDigest.of([choice.text for choice in end.choices]),
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            finish_reasons=tuple(choice.finish_reason for choice in end.choices),
            engine=engine_build(),
            sandbox=self._sandbox,
            started_at=started_at,
            finished_at=self._kernel.clock(),
        )
        key = self._kernel.lab_key
        envelope = sign_receipt(RunStatement.about(predicate), key)
        command = CompleteRun(
            receipt=envelope.to_json(),
            receipt_digest=envelope_digest(envelope),
            lab_key=key.public.raw.hex(),
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
        )
        return self._kernel.execute(RUNS, terms.run_id, command, SETTLER)

    def _fail(self, terms: RunTerms, end: Failed) -> Run:
        command = FailRun(
            code=end.code,
            message=end.message,
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            charged_tokens=end.completion_tokens and end.prompt_tokens + end.completion_tokens,
        )
        return self._kernel.execute(RUNS, terms.run_id, command, SETTLER)


def fresh_seed() -> int:
    """A seed for a request that gives none; it is recorded in the receipt, so the run can be made again."""
    return secrets.randbits(53)


def _visible(actor: Actor, terms: RunTerms) -> bool:
    same = terms.institution_id is not None and actor.belongs_to(terms.institution_id)
    return actor.is_coordinator or actor.person_id == terms.person_id or same


__all__ = ["INTERRUPTED", "SETTLER", "Estimate", "RunService", "RunStatus", "fresh_seed"]
