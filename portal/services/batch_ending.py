"""How a batch ends: its answers and its failures become two files, and each file's clock is set."""

from agreements.actors import Actor
from agreements.canonical import sha256_hex
from agreements.errors import ConcordatError, NotFound, Unavailable
from agreements.ids import new_id
from model_access.batches import Batch, BatchStatus, EndBatch, LineCompleted, LineFailed
from model_access.stored_files import FilePurpose, StoreFile
from portal.config import Settings
from portal.services.batch_lines import Endpoints, Reading, joined, not_answered, read_lines
from portal.services.batch_rows import BATCHES
from portal.services.batches import BatchService
from portal.services.kernel import Kernel, Step
from portal.services.sealed_files import SealedFiles
from portal.services.stored_files import FileService, Retention

RUNNER = Actor.automatic("batch-runner")
"""The named rule that carries batches out."""

_LOST = ("answer_lost", "The answer was made and cannot be read any more; its receipt is in the log.")


def spool_of(batch_id: str) -> str:
    """Where the answers of a batch that is not over lie."""
    return f"spool-{batch_id}"


class BatchEnding:
    """Ends batches. What is there already when a batch is stopped is kept."""

    def __init__(
        self,
        kernel: Kernel,
        batches: BatchService,
        files: FileService,
        sealed: SealedFiles,
        endpoints: Endpoints,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._batches = batches
        self._files = files
        self._sealed = sealed
        self._endpoints = endpoints
        self._settings = settings

    def reading(self, batch: Batch) -> Reading:
        """The batch's input, read again. Raises NotFound or Unavailable where it is not there."""
        content = self._files.for_batch(batch.input_file_id)
        endpoint = self._endpoints[batch.endpoint]
        # As many lines as it was found to have: what is allowed now does not matter to what began.
        return read_lines(content, batch.endpoint, endpoint, most_lines=max(batch.total, 1))

    def end(self, batch: Batch) -> None:
        """Write what came of it and record that it is over, in one transaction; then the spool is destroyed."""
        answers, failures = self._files_of(batch) if batch.total else ([], [])
        retention = Retention(days=batch.keep_days, because="")
        steps: list[Step] = []
        output_id = self._storing(batch, answers, "output", retention, steps)
        error_id = self._storing(batch, failures, "errors", retention, steps)
        steps += self._files.keeping(batch.input_file_id, retention)
        steps.append(Step(BATCHES, batch.id, EndBatch(output_file_id=output_id, error_file_id=error_id)))
        try:
            self._kernel.execute_all(steps, RUNNER)
        except ConcordatError:
            for file_id in (output_id, error_id):
                if file_id is not None:
                    self._sealed.destroy(file_id)
            raise
        self._sealed.destroy(spool_of(batch.id))

    def _storing(
        self, batch: Batch, rows: list[bytes], what: str, retention: Retention, steps: list[Step]
    ) -> str | None:
        if not rows or batch.by is None:
            return None
        content, ground = joined(rows), batch.ground
        file_id = new_id("file")
        command = StoreFile(
            file_id=file_id,
            owner_id=batch.by.person_id,
            institution_id=ground.institution_id if ground is not None else batch.institution_id,
            grant_id=ground.grant_id if ground is not None else None,
            purpose=FilePurpose.BATCH_OUTPUT,
            filename=f"{batch.id}_{what}.jsonl",
            size=len(content),
            digest=f"sha256:{sha256_hex(content)}",
            keep_until=retention.until(self._kernel.clock(), self._settings.batch_unfetched_hours),
            until_fetched=retention.days is None,
        )
        steps.append(self._files.storing(command, content))
        return file_id

    def _files_of(self, batch: Batch) -> tuple[list[bytes], list[bytes]]:
        """The rows of both files, each in the order of the lines."""
        names = self._names(batch)
        spooled = {f"sha256:{sha256_hex(row)}": row for row in self._sealed.records(spool_of(batch.id))}
        outcomes = {event.line: event for event in self._batches.outcomes(batch.id)}
        left = _left(batch)
        answers: list[bytes] = []
        failures: list[bytes] = []
        for line in range(1, batch.total + 1):
            outcome, run_id = outcomes.get(line), None
            code, message = left
            if isinstance(outcome, LineCompleted):
                row = spooled.get(outcome.output_digest)
                if row is not None:
                    answers.append(row)
                    continue
                (code, message), run_id = _LOST, outcome.run_id
            elif isinstance(outcome, LineFailed):
                code, message, run_id = outcome.code, outcome.message, outcome.run_id
            name = names.get(line, "")
            failures.append(not_answered(name, batch.id, line, code=code, message=message, run_id=run_id))
        return answers, failures

    def _names(self, batch: Batch) -> dict[int, str]:
        """The custom ids of the lines, as far as the input can still be read."""
        try:
            return {line.number: line.custom_id for line in self.reading(batch).lines}
        except (NotFound, Unavailable):
            return {}


def _left(batch: Batch) -> tuple[str, str]:
    """What is said of the lines that were not run."""
    if batch.status is BatchStatus.CANCELLING:
        return "batch_cancelled", "The batch was cancelled before this line was run."
    if batch.outcome == "expired":
        return "batch_expired", "The batch's time was over before this line was run."
    first = batch.problems[0] if batch.problems else None
    return (first.code, first.message) if first is not None else ("not_run", "This line was not run.")
