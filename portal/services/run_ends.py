"""How a run ends: completed with a signed receipt, stopped because access was withdrawn, or failed."""

from collections.abc import Sequence
from typing import Protocol

from agreements.actors import Actor
from agreements.errors import ConcordatError, Conflict, Unavailable, Withdrawn
from model_access.build import engine_build
from model_access.generation import ChoiceDelta, Failed, Finished, GenerationRequest, as_sent, assemble
from model_access.kept_texts import KeepText
from model_access.receipts import (
    LogprobsOf,
    Replayed,
    RunPredicate,
    RunStatement,
    SaltedDigest,
    envelope_digest,
    sign_receipt,
    statement_of,
)
from model_access.replay import same_outcome
from model_access.runs import CompleteRun, FailRun, Run, RunTerms
from portal.config import Settings
from portal.services.active import RunResult
from portal.services.aggregates import RUNS
from portal.services.keeper import Keeper
from portal.services.kept_rows import KEPT_TEXTS
from portal.services.kernel import ATTEMPTS, Kernel, Step
from portal.services.under_way import CHANGED_MEANWHILE, UnderWay

SETTLER = Actor.automatic("run-settler")
"""The named rule that settles runs; nobody's command ends a run but the engine's own end."""

WATCH = Actor.automatic("access-watch")
"""The named rule that stops what is not allowed any more."""


Deltas = tuple[ChoiceDelta, ...]


class PartOf(Protocol):
    """The batch that a run is a line of."""

    @property
    def batch_id(self) -> str:
        """Its id."""
        ...

    def completing(self, terms: RunTerms, command: CompleteRun, result: Finished, deltas: Deltas) -> Sequence[Step]:
        """What is recorded together with the run's completion. May be called again for the same run.

        Raises the refusal where the answer cannot be kept; the run has then failed.
        """
        ...


class RunEnds:
    """Records the ends of runs."""

    def __init__(self, kernel: Kernel, settings: Settings, sandbox: str, keeper: Keeper) -> None:
        """``sandbox`` is the id of the isolation profile that workers run under; every receipt names it."""
        self._kernel = kernel
        self._keeper = keeper
        self._settings = settings
        self._sandbox = sandbox

    def conclude(
        self,
        terms: RunTerms,
        under_way: UnderWay,
        request: GenerationRequest,
        deltas: Deltas,
        end: Finished | Failed,
        part_of: PartOf | None = None,
    ) -> tuple[Run, RunResult | ConcordatError]:
        """Record how the run ended: well only by an answer that is good at the very moment of writing.

        Where the agreement keeps the words of runs, a run whose words cannot be kept has failed.
        """
        try:
            return self._concluded(terms, under_way, request, deltas, end, part_of)
        finally:
            self._keeper.let_go_unless_recorded(terms.run_id)

    def _concluded(
        self,
        terms: RunTerms,
        under_way: UnderWay,
        request: GenerationRequest,
        deltas: Deltas,
        end: Finished | Failed,
        part_of: PartOf | None,
    ) -> tuple[Run, RunResult | ConcordatError]:
        for _ in range(ATTEMPTS):
            refusal = under_way.holds() if isinstance(end, Finished) else under_way.refusal
            if refusal is not None:
                why = Withdrawn.because_of(refusal)
                return self._stopped(terms, end, why), why
            if isinstance(end, Failed):
                return self._fail(terms, end), end.error()
            try:
                keeping = self._keeper.keeping(terms, request.prompts, [choice.text for choice in end.choices])
                command = self._receipt(terms, request, end, keeping)
                besides = part_of.completing(terms, command, end, deltas) if part_of is not None else ()
            except ConcordatError as unkept:
                return self._lost(terms, unkept, end)
            try:
                kept = [Step(KEPT_TEXTS, terms.run_id, keeping, fresh=True)] if keeping is not None else []
                steps = [Step(RUNS, terms.run_id, command), *kept, *besides]
                self._kernel.execute_all(steps, SETTLER, guard=under_way.guard)
                run = self._kernel.state(RUNS, terms.run_id)
            except Conflict as conflict:
                if conflict.code != CHANGED_MEANWHILE:
                    raise
            else:
                return run, RunResult(run=run, finished=end, choices=assemble(deltas))
        worn = Unavailable(
            CHANGED_MEANWHILE, "What this access rests on was changed over and over.", hint="Send the request again."
        )
        return self._lost(terms, worn, end)

    def _receipt(
        self, terms: RunTerms, request: GenerationRequest, end: Finished, keeping: KeepText | None
    ) -> CompleteRun:
        started_at = self._kernel.state(RUNS, terms.run_id).started_at or self._kernel.clock()
        replayed = self._replayed(terms, end)
        predicate = RunPredicate(
            **terms.model_dump(include=(RunPredicate.model_fields.keys() & RunTerms.model_fields.keys()) - {"replays"}),
            prompts=SaltedDigest.of([as_sent(prompt) for prompt in request.prompts]),
            outputs=SaltedDigest.of([choice.text for choice in end.choices]),
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            finish_reasons=tuple(choice.finish_reason for choice in end.choices),
            engine=engine_build(self._settings.worker_precision, self._settings.worker_threads, end.products),
            sandbox=self._sandbox,
            started_at=started_at,
            finished_at=self._kernel.clock(),
            replays=replayed,
            logprobs_of=LogprobsOf.MODEL if request.logprobs is not None else None,
            kept_until=keeping.keep_until if keeping is not None else None,
        )
        key = self._kernel.lab_key
        envelope = sign_receipt(RunStatement.about(predicate), key)
        return CompleteRun(
            receipt=envelope.to_json(),
            receipt_digest=envelope_digest(envelope),
            lab_key=key.public.raw.hex(),
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            replay_identical=replayed.identical if replayed is not None else None,
        )

    def _replayed(self, terms: RunTerms, end: Finished) -> Replayed | None:
        """What the receipt says of the run that this one was made to replay."""
        if terms.replays is None:
            return None
        original = statement_of(self._kernel.state(RUNS, terms.replays.run_id).receipt).predicate
        return Replayed(**dict(terms.replays), identical=same_outcome(original, end))

    def _stopped(self, terms: RunTerms, end: Finished | Failed, why: Withdrawn) -> Run:
        """Settle what was stopped at what was really made; no receipt is signed for it."""
        command = FailRun(
            code=why.code,
            message=why.message,
            reason=why.reason,
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            charged_tokens=end.completion_tokens and end.prompt_tokens + end.completion_tokens,
        )
        return self._kernel.execute(RUNS, terms.run_id, command, WATCH)

    def _lost(self, terms: RunTerms, why: ConcordatError, end: Finished | Failed) -> tuple[Run, ConcordatError]:
        """Fail what the engine ended well."""
        failed = Failed(
            code=why.code,
            message=why.message,
            hint=why.hint,
            retriable=True,
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
        )
        return self._fail(terms, failed), failed.error()

    def _fail(self, terms: RunTerms, end: Failed) -> Run:
        # A line of a batch that fails by no fault of its own gives nothing and is run again: it is charged once.
        again = terms.batch_id is not None and end.retriable
        used = end.completion_tokens and end.prompt_tokens + end.completion_tokens
        command = FailRun(
            code=end.code,
            message=end.message,
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            charged_tokens=0 if again else used,
        )
        return self._kernel.execute(RUNS, terms.run_id, command, SETTLER)
