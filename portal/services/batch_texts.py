"""What a line of a batch was asked and answered, from the files that are kept for its batch."""

import json
from datetime import datetime
from typing import Any

from agreements.actors import Actor
from agreements.errors import ConcordatError, NotFound
from model_access.batches import Batch, LineCompleted
from model_access.runs import Run
from model_access.stored_files import StoredFile
from portal.services.batch_lines import Endpoints, Line, read_lines
from portal.services.batch_rows import BATCHES
from portal.services.batches import BatchService
from portal.services.keeper import Texts
from portal.services.kernel import Kernel
from portal.services.stored_files import FileService


class BatchTexts:
    """Reads single lines, for whoever may read the files of the batch."""

    def __init__(self, kernel: Kernel, batches: BatchService, files: FileService, endpoints: Endpoints) -> None:
        self._kernel = kernel
        self._batches = batches
        self._files = files
        self._endpoints = endpoints

    def kept_until(self, run: Run) -> datetime | None:
        """Until when the file with the prompt is kept; None where it is gone, or the run is no line of a batch."""
        batch = self._batch(run)
        if batch is None:
            return None
        source = self._files.state(batch.input_file_id)
        return source.keep_until if source.kept and not source.due_on(self._kernel.clock()) else None

    def may_read(self, actor: Actor, run: Run) -> bool:
        """Whether the files of its batch are the actor's to read."""
        batch = self._batch(run)
        return batch is not None and self._file(actor, batch.input_file_id) is not None

    def texts(self, actor: Actor, run: Run) -> Texts:
        """The line's prompt, and its answer where that file is still there. Starts no clock of the files.

        Raises NotFound ``line_not_there``, Conflict ``file_destroyed``, Unavailable where a file cannot be read.
        """
        batch = self._batch(run)
        line = self._line(actor, batch, run) if batch is not None else None
        if batch is None or line is None:
            raise NotFound("line_not_there", "No line of a batch that is yours to read made that run.")
        return Texts(prompts=line.request.prompts, outputs=self._outputs(actor, batch, line.custom_id))

    def _batch(self, run: Run) -> Batch | None:
        if run.terms is None or run.terms.batch_id is None:
            return None
        return self._kernel.state(BATCHES, run.terms.batch_id)

    def _line(self, actor: Actor, batch: Batch, run: Run) -> Line | None:
        run_id = run.terms.run_id if run.terms is not None else ""
        outcomes = self._batches.outcomes(batch.id)
        number = next((one.line for one in outcomes if isinstance(one, LineCompleted) and one.run_id == run_id), None)
        if self._file(actor, batch.input_file_id) is None or number is None:
            return None
        content = self._files.content(actor, batch.input_file_id, fetched=False)
        reading = read_lines(content, batch.endpoint, self._endpoints[batch.endpoint], most_lines=max(batch.total, 1))
        return next((line for line in reading.lines if line.number == number), None)

    def _outputs(self, actor: Actor, batch: Batch, custom_id: str) -> tuple[str, ...] | None:
        file = self._file(actor, batch.output_file_id) if batch.output_file_id is not None else None
        if file is None or not file.kept or file.due_on(self._kernel.clock()):
            return None
        for row in self._files.content(actor, file.id, fetched=False).splitlines():
            value: dict[str, Any] = json.loads(row)
            if value["custom_id"] == custom_id:
                return self._endpoints[batch.endpoint].texts(value["response"]["body"])
        return None

    def _file(self, actor: Actor, file_id: str) -> StoredFile | None:
        try:
            return self._files.get(actor, file_id)
        except ConcordatError:
            return None
