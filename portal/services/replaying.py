"""Replaying a run: made again from its receipt as a governed run of whoever asks, and held against that receipt."""

from collections.abc import Sequence
from dataclasses import dataclass

from agreements.access import Basis
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.generation import GenerationRequest, Prompt
from model_access.receipts import RunPredicate, VerifiedReceipt, statement_of, verify_receipt
from model_access.replay import Comparison, compare, pieces_of, proved_output, request_again
from model_access.runs import ReplayOf, Run
from model_access.worker import WorkerPool
from portal.services.active import ActiveRun, RunResult
from portal.services.keeping import KeepingService
from portal.services.kernel import Kernel
from portal.services.runs import RunService


class Replay(Value):
    """What a replay came to."""

    run_id: str
    """The replay's own: it was metered and has a receipt of its own, which says what came of it."""
    replays: str
    """The run that was replayed."""
    comparison: Comparison
    outputs: tuple[str, ...]
    """What came this time, choice by choice."""


@dataclass(frozen=True)
class Replaying:
    """A replay under way. It settles whether or not anybody waits for it."""

    run: ActiveRun
    request: GenerationRequest
    original: RunPredicate
    known: tuple[str, ...] | None
    """The original answer, proved by its digest, if it was given."""
    _pool: WorkerPool

    def result(self) -> Replay:
        """Block until it is settled, and compare. Raises the refusal it ended with."""
        return self.compared(self.run.result())

    def compared(self, result: RunResult) -> Replay:
        """The replay that was settled, held against the receipt."""
        again = statement_of(result.run.receipt).predicate
        choices = result.finished.choices
        return Replay(
            run_id=again.run_id,
            replays=self.original.run_id,
            comparison=compare(
                self.original,
                again,
                result.finished,
                lambda index: self._pieces(index, choices[index].token_ids),
                self.known,
            ),
            outputs=tuple(choice.text for choice in choices),
        )

    def _pieces(self, index: int, generated: Sequence[int]) -> tuple[str, ...]:
        checkpoint_id = self.original.checkpoint_id
        prompt = self.request.prompts[index // self.request.n]
        ids = self._pool.prompt_tokens(checkpoint_id, [prompt])[0]
        return pieces_of(
            lambda tokens: self._pool.detokenize(checkpoint_id, tokens), ids, generated, echoed=self.request.echo
        )


class ReplayService:
    """The one path from a receipt to a verdict."""

    def __init__(self, kernel: Kernel, runs: RunService, pool: WorkerPool, keeping: KeepingService) -> None:
        self._kernel = kernel
        self._keeping = keeping
        self._runs = runs
        self._pool = pool

    def begin(
        self,
        actor: Actor,
        run_id: str,
        *,
        prompts: Sequence[Prompt] | None = None,
        outputs: Sequence[str] | None = None,
        purpose: str | None = None,
        receipt: bytes | None = None,
    ) -> Replaying:
        """Start the replay of a run that the actor may see, as a run of the actor's own.

        The access that counts is the actor's and today's; ``purpose`` is the one under which the original ran on a
        grant, unless another is given. The receipt is the portal's own unless one is given, which then has to be of
        this run and of this portal's log. Nothing is charged for what is refused here. Without ``prompts``, those that
        are kept are taken, and the answer that is kept with them; that is a reading, and recorded as one.

        Raises NotFound; Invalid ``prompt_needed`` where none are kept that the actor may read; Conflict ``no_receipt``
        or ``not_replayable``; VerificationError or Invalid for a receipt that does not hold or is of another run;
        Invalid ``not_the_prompt`` or ``not_the_output``; and what ``RunService.begin`` raises.
        """
        verified = self._verified(actor, run_id, receipt)
        original = verified.statement.predicate
        if prompts is None:
            texts = self._keeping.for_replay(actor, run_id)
            prompts, outputs = texts.prompts, outputs or texts.outputs
        request = request_again(original, prompts)
        known = None if outputs is None else proved_output(original, outputs)
        run = self._runs.begin(
            actor,
            original.checkpoint_id,
            request,
            purpose=purpose or (original.purpose if original.basis == Basis.GRANT else None),
            replays=ReplayOf(run_id=run_id, receipt_digest=str(verified.entry["body"]["receipt_digest"])),
        )
        return Replaying(run, request, original, known, self._pool)

    def of(self, actor: Actor, run_id: str) -> tuple[Run, ...]:
        """The replays of a run that the actor may see, newest first."""
        return self._runs.list(actor, replays=run_id)

    def _verified(self, actor: Actor, run_id: str, given: bytes | None) -> VerifiedReceipt:
        kept = self._runs.receipt(actor, run_id)
        verified = verify_receipt(kept if given is None else given, vkey=self._kernel.store.log.vkey)
        if verified.statement.predicate.run_id != run_id:
            raise Invalid(
                "other_run",
                f"The receipt is of run {verified.statement.predicate.run_id}, not of {run_id}.",
                hint="Give the receipt of the run that is to be replayed.",
                param="receipt",
            )
        return verified
