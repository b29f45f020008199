"""Batches: submitted, looked at, cancelled, and taken up again with the lines that failed."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from agreements.actors import Actor, Role
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Fixer, Forbidden, Invalid, Limited, NotFound
from agreements.ids import new_id
from model_access.batches import (
    Batch,
    BatchStatus,
    CancelBatch,
    CreateBatch,
    LineCompleted,
    LineFailed,
    Submitter,
)
from model_access.stored_files import FilePurpose, StoredFile
from portal.inputs import clean
from portal.services.aggregates import CREDENTIALS
from portal.services.batch_check import BatchChecker, Checked
from portal.services.batch_lines import Endpoints, joined, url_of
from portal.services.batch_prompts import Settings, Shape, as_requests
from portal.services.batch_results import as_csv
from portal.services.batch_rows import BATCHES
from portal.services.kernel import Kernel
from portal.services.stored_files import FileService

WINDOWS: Final = {"24h": timedelta(hours=24)}
"""How long a batch may take, as the OpenAI API names it."""

MOST_OPEN: Final = 10
"""Batches of one person that are not over."""

_COMPLETIONS: Final = "/v1/completions"

_MOST_EVENTS: Final = 200_000


class LineView(Value):
    """What became of one line."""

    line: int
    state: str
    """``completed``, ``failed``, ``running`` or ``waiting``; ``not run`` for what was left when the batch ended."""
    run_id: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reasons: tuple[str, ...] = ()
    took_s: float | None = None
    ended_at: datetime | None = None
    code: str | None = None
    message: str = ""


class BatchView(Value):
    """A batch and what the reader may do with it."""

    batch: Batch
    eta: datetime | None
    """When it would be done at the pace so far; None where there is no pace yet."""
    own: bool
    """Whether it is the reader's, who alone reads its files."""
    may_cancel: bool
    input_kept: bool
    output: StoredFile | None = None
    errors: StoredFile | None = None
    retries: tuple[str, ...] = ()
    """The batches that took up what was left of it, the oldest first."""


class BatchService:
    """The one path by which batches are submitted, read and cancelled. ``BatchRunner`` runs them."""

    def __init__(self, kernel: Kernel, files: FileService, checker: BatchChecker, endpoints: Endpoints) -> None:
        self._kernel = kernel
        self._files = files
        self._checker = checker
        self._endpoints = endpoints
        self.on_change: Callable[[], None] = lambda: None
        """Told when there is something new to do."""
        self.under_way: Callable[[str], frozenset[int]] = lambda _batch_id: frozenset()
        """Which lines of a batch are being run."""

    def upload(
        self,
        actor: Actor,
        *,
        filename: str,
        content: bytes,
        shape: Shape = "requests",
        settings: Settings | None = None,
        endpoint: str = _COMPLETIONS,
    ) -> StoredFile:
        """Keep an input file, made of prompts where it has no requests; ``settings`` are what they are asked with.

        Raises Invalid ``unsupported_endpoint``, what ``as_requests`` raises, and what the upload of a file raises.
        """
        self._refuse_unknown(endpoint)
        if len(content) <= self._files.largest:
            content = as_requests(content, shape, settings or Settings(), endpoint, most_lines=self._checker.most_lines)
        if shape != "requests":
            filename = f"{filename.rpartition('.')[0] or filename}.jsonl"
        return self._files.upload(actor, filename=filename, content=content)

    def check(
        self, actor: Actor, input_file_id: str, *, endpoint: str | None = None, purpose: str | None = None
    ) -> Checked:
        """What a batch of that file would be told: every problem, the estimate, the budget. Nothing is run.

        Without an ``endpoint`` it is the first line's. Raises NotFound, Conflict ``file_destroyed``, Invalid
        ``unsupported_endpoint``.
        """
        content = self._files.content(actor, self._input(actor, input_file_id).id)
        return self._checker.check(actor, content, self._endpoint(endpoint, content), purpose)[0]

    def create(
        self,
        actor: Actor,
        *,
        input_file_id: str,
        endpoint: str | None = None,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
        purpose: str | None = None,
        retry_of: str | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Submit a batch. It is checked as a whole before its first line is run.

        Without an ``endpoint`` it is the first line's. It goes on for as long as what it was submitted with: a token
        and its grant, or the person. Raises NotFound for the file, Invalid ``unsupported_endpoint``,
        ``unsupported_window`` or ``bad_input``, Conflict ``file_destroyed``, Limited ``too_many_batches``.
        """
        if endpoint is not None:
            self._refuse_unknown(endpoint)
        window = WINDOWS.get(completion_window)
        if window is None:
            raise Invalid(
                "unsupported_window",
                "A batch is given 24 hours.",
                hint="Send completion_window as '24h'.",
                param="completion_window",
            )
        done = self._kernel.made_under(BATCHES, actor, idempotency_key)
        if done is not None:
            return self._kernel.state(BATCHES, done)
        source = self._input(actor, input_file_id)
        now = self._kernel.clock()
        batch_id = new_id("batch")
        try:
            command = CreateBatch(
                batch_id=batch_id,
                by=_submitter(actor),
                institution_id=next(iter(actor.institution_ids), None),
                input_file_id=source.id,
                input_digest=source.digest,
                endpoint=endpoint or self._endpoint(None, self._files.content(actor, source.id)),
                completion_window=completion_window,
                metadata=clean(dict(metadata or {})),
                purpose=purpose,
                retry_of=retry_of,
                expires_at=self._expiry(actor, now + window),
            )
        except ValidationError as error:
            raise Invalid("bad_input", f"metadata: {error.errors()[0]['msg']}.", param="metadata") from None
        self._refuse_more_than_there_may_be(actor)
        batch = self._kernel.execute(BATCHES, batch_id, command, actor, idempotency_key=idempotency_key)
        self.on_change()
        return batch

    def get(self, actor: Actor, batch_id: str) -> Batch:
        """One batch, seen by those who see its runs: its submitter, the institution, coordinators. Raises NotFound."""
        missing = NotFound("batch_not_found", f"There is no batch {batch_id!r} that you may see.")
        try:
            batch = self._kernel.state(BATCHES, batch_id)
        except NotFound:
            raise missing from None
        if not _sees(actor, batch):
            raise missing
        return batch

    def list(self, actor: Actor, *, limit: int = 20, after: str | None = None, mine: bool = False) -> tuple[Batch, ...]:
        """The batches the actor may see, newest first. Raises NotFound for an unknown ``after``."""
        rows = self._kernel.store.query(
            """
            SELECT batch_id FROM batch
            WHERE (person_id = ? OR ? OR list_contains(?::VARCHAR[], institution_id)) AND (NOT ? OR person_id = ?)
            ORDER BY created_at DESC, batch_id DESC
            """,
            [actor.person_id, actor.is_coordinator, list(actor.institution_ids), mine, actor.person_id],
        )
        ids = [row["batch_id"] for row in rows]
        if after is not None:
            if after not in ids:
                raise NotFound("batch_not_found", f"There is no batch {after!r} that you may see.", param="after")
            ids = ids[ids.index(after) + 1 :]
        return tuple(self._kernel.state(BATCHES, batch_id) for batch_id in ids[:limit])

    def view(self, actor: Actor, batch_id: str) -> BatchView:
        """A batch with its files and its pace. Raises NotFound."""
        batch = self.get(actor, batch_id)
        own = _is_of(actor, batch)

        def file(file_id: str | None) -> StoredFile | None:
            return self._files.state(file_id) if file_id is not None else None

        return BatchView(
            batch=batch,
            eta=_eta(batch, self._kernel.clock()),
            own=own,
            may_cancel=_may_cancel(actor, batch) and batch.status in _CANCELLABLE,
            input_kept=self._files.state(batch.input_file_id).kept,
            output=file(batch.output_file_id),
            errors=file(batch.error_file_id),
            retries=self._retries(actor, batch_id),
        )

    def lines(self, actor: Actor, batch_id: str) -> tuple[LineView, ...]:
        """What became of each line, in order. Raises NotFound."""
        batch = self.get(actor, batch_id)
        found: dict[int, LineView] = {}
        for event in self.outcomes(batch_id):
            if isinstance(event, LineCompleted):
                found[event.line] = LineView(
                    line=event.line,
                    state="completed",
                    run_id=event.run_id,
                    prompt_tokens=event.prompt_tokens,
                    completion_tokens=event.completion_tokens,
                    finish_reasons=event.finish_reasons,
                    took_s=(event.at - event.began_at).total_seconds(),
                    ended_at=event.at,
                )
            else:
                found[event.line] = LineView(
                    line=event.line,
                    state="failed",
                    run_id=event.run_id,
                    ended_at=event.at,
                    code=event.code,
                    message=event.message,
                )
        running = self.under_way(batch_id)
        for line in range(1, batch.total + 1):
            if line not in found:
                left = "not run" if batch.status.is_over else "running" if line in running else "waiting"
                found[line] = LineView(line=line, state=left)
        return tuple(found[line] for line in sorted(found))

    def outcomes(self, batch_id: str) -> tuple[LineCompleted | LineFailed, ...]:
        """The outcomes of a batch's lines as they were recorded, for whoever may see the batch."""
        types = [LineCompleted.type_name, LineFailed.type_name]
        recorded = self._kernel.store.events(f"batch/{batch_id}", types=types, limit=_MOST_EVENTS)
        return tuple(one.event for one in recorded if isinstance(one.event, LineCompleted | LineFailed))

    def cancel(self, actor: Actor, batch_id: str) -> Batch:
        """Begin no further line, and stop those under way; what is there already is kept.

        Its submitter may, the institution's leads and coordinators. Raises NotFound, Forbidden ``not_your_batch``,
        Conflict ``batch_over`` or ``batch_not_ready``.
        """
        batch = self.get(actor, batch_id)
        if not _may_cancel(actor, batch):
            raise Forbidden(
                "not_your_batch",
                "Only who submitted a batch, a lead of the institution or a coordinator cancels it.",
                fixer=Fixer.LEAD,
            )
        batch = self._kernel.execute(BATCHES, batch_id, CancelBatch(), actor)
        self.on_change()
        return batch

    def retry_failed(self, actor: Actor, batch_id: str, *, idempotency_key: str | None = None) -> Batch:
        """Submit the lines that failed or were not run as a new batch.

        Raises NotFound, Forbidden ``not_your_batch``, Conflict ``batch_not_over``, ``nothing_failed`` or
        ``file_destroyed``, and what ``create`` raises.
        """
        done = self._kernel.made_under(BATCHES, actor, idempotency_key)
        if done is not None:
            return self._kernel.state(BATCHES, done)
        batch, content = self._left_of(actor, batch_id)
        source = self._input(actor, batch.input_file_id)
        again = self._files.upload(actor, filename=f"again-{source.filename}"[:160], content=content)
        return self.create(
            actor,
            input_file_id=again.id,
            endpoint=batch.endpoint,
            completion_window=batch.completion_window,
            metadata=batch.metadata,
            purpose=batch.purpose,
            retry_of=batch_id,
            idempotency_key=idempotency_key,
        )

    def check_retry(self, actor: Actor, batch_id: str) -> Checked:
        """What ``retry_failed`` would be told: every problem, the estimate, the budget. Nothing is run.

        Raises what ``retry_failed`` raises before it submits.
        """
        batch, content = self._left_of(actor, batch_id)
        return self._checker.check(actor, content, batch.endpoint, batch.purpose)[0]

    def results(self, actor: Actor, batch_id: str, *, errors: bool = False) -> bytes:
        """The output file of a batch, or its error file, for its submitter.

        Raises NotFound ``batch_not_found``, ``file_not_found`` for whose it is not, ``no_results`` where there is none.
        """
        batch = self.get(actor, batch_id)
        file_id = batch.error_file_id if errors else batch.output_file_id
        if file_id is None:
            what = "no line that failed" if errors else "no answer"
            raise NotFound(
                "no_results",
                f"The batch is {batch.status.label} and has {what}.",
                hint="Its page and GET /api/batches/{id}/lines say what became of each line.",
            )
        return self._files.content(actor, file_id)

    def table(self, actor: Actor, batch_id: str, *, errors: bool = False) -> bytes:
        """``results`` as CSV. Raises the same."""
        endpoint = self._endpoints[self.get(actor, batch_id).endpoint]
        return as_csv(self.results(actor, batch_id, errors=errors), endpoint)

    def _left_of(self, actor: Actor, batch_id: str) -> tuple[Batch, bytes]:
        """A batch that is over, and the lines of its input that got no answer."""
        batch = self.get(actor, batch_id)
        if not _is_of(actor, batch):
            raise Forbidden("not_your_batch", "Only who submitted a batch has its prompts.", fixer=Fixer.NOBODY)
        if not batch.status.is_over:
            raise Conflict("batch_not_over", "The batch is not over.", hint="Wait for it, or cancel it.")
        done = {event.line for event in self.outcomes(batch_id) if isinstance(event, LineCompleted)}
        left = [line for line in range(1, batch.total + 1) if line not in done]
        if not left:
            raise Conflict(
                "nothing_failed", "No line of the batch is left to be run again.", hint="Its answers are all there."
            )
        rows = self._files.content(actor, self._input(actor, batch.input_file_id).id).split(b"\n")
        return batch, joined([rows[line - 1] for line in left])

    def _retries(self, actor: Actor, batch_id: str) -> tuple[str, ...]:
        rows = self._kernel.store.query(
            "SELECT batch_id FROM batch WHERE retry_of = ? ORDER BY created_at, batch_id", [batch_id]
        )
        found = [row["batch_id"] for row in rows]
        return tuple(one for one in found if _sees(actor, self._kernel.state(BATCHES, one)))

    def _input(self, actor: Actor, file_id: str) -> StoredFile:
        source = self._files.get(actor, file_id)
        if source.purpose is not FilePurpose.BATCH:
            raise Invalid(
                "not_an_input",
                "The file is what a batch came to.",
                hint="Name a file that was uploaded as input.",
                param="input_file_id",
            )
        if not source.kept:
            raise Conflict(
                "file_destroyed",
                f"The contents of the file are gone: {source.destroyed_because}.",
                hint="Upload it again.",
            )
        return source

    def _endpoint(self, named: str | None, content: bytes) -> str:
        """The endpoint that was named, or that of the first line; where that is none, lines are told what is one."""
        if named is not None:
            self._refuse_unknown(named)
            return named
        first = url_of(content)
        return first if first is not None and first in self._endpoints else _COMPLETIONS

    def _refuse_unknown(self, endpoint: str) -> None:
        if endpoint not in self._endpoints:
            raise Invalid(
                "unsupported_endpoint",
                "Requests to that endpoint cannot be run in a batch.",
                hint=f"It takes {', '.join(sorted(self._endpoints))}.",
                param="endpoint",
            )

    def _refuse_more_than_there_may_be(self, actor: Actor) -> None:
        rows = self._kernel.store.query(
            "SELECT count(*) AS open FROM batch WHERE person_id = ? "
            "AND status IN ('validating', 'in_progress', 'finalizing', 'cancelling')",
            [actor.person_id],
        )
        if rows[0]["open"] >= MOST_OPEN:
            raise Limited(
                "too_many_batches", f"{MOST_OPEN} of your batches are not over yet.", hint="Wait for one to end."
            )

    def _expiry(self, actor: Actor, at: datetime) -> datetime:
        """A batch goes on no longer than the token that it was submitted with."""
        if actor.token_id is None:
            return at
        try:
            ends = self._kernel.state(CREDENTIALS, actor.token_id).expires_at
        except ConcordatError:
            return at
        return min(at, ends) if ends is not None else at


_CANCELLABLE = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS})


def _submitter(actor: Actor) -> Submitter:
    return Submitter(
        person_id=actor.person_id,
        name=actor.name,
        program=actor.program,
        token_id=actor.token_id,
        token_key=actor.token_key,
        key_thumbprint=actor.key_thumbprint,
        grant_id=actor.grant_id,
        agreement_digest=actor.agreement_digest,
    )


def _is_of(actor: Actor, batch: Batch) -> bool:
    return batch.by is not None and batch.by.person_id == actor.person_id


def _sees(actor: Actor, batch: Batch) -> bool:
    same = batch.institution_id is not None and actor.belongs_to(batch.institution_id)
    return actor.is_coordinator or _is_of(actor, batch) or same


def _may_cancel(actor: Actor, batch: Batch) -> bool:
    leads = batch.institution_id is not None and actor.has(Role.PARTNER_LEAD, batch.institution_id)
    return actor.is_coordinator or _is_of(actor, batch) or leads


def _eta(batch: Batch, now: datetime) -> datetime | None:
    done = batch.completed + batch.failed
    if batch.status is not BatchStatus.IN_PROGRESS or not done or batch.in_progress_at is None:
        return None
    pace = (now - batch.in_progress_at) / done
    return now + pace * (batch.total - done)
