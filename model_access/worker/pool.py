"""The portal's workers: one process per checkpoint in use, started on demand, kept warm, evicted, restarted."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agreements.errors import Conflict, Invalid, NotFound, Unavailable
from model_access.build import Precision
from model_access.conversations import ChatTemplate, Conversation
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import (
    ChoiceDelta,
    ChoiceResult,
    Failed,
    Finished,
    GenerationRequest,
    Prompt,
    RunEvent,
    TokenIds,
    assemble,
)
from model_access.manifest import Manifest
from model_access.sandbox.profile import SandboxProfile
from model_access.worker.admission import admit
from model_access.worker.fairness import Share, equal_weights
from model_access.worker.frames import Rendered, Submit, encode
from model_access.worker.line import SLOTS, Line, Waiting
from model_access.worker.process import WorkerProcess, give_up
from model_access.worker.status import InstitutionLine, Place, WorkerState, WorkerStatus
from model_access.worker.tickets import InFlight, OnEvent, Ticket

GIB = 1 << 30

_LIMIT_FLOOR_BYTES = GIB
_LIMIT_PER_WEIGHT_BYTE = 3
"""Weights, once more while they are loaded, and room for keys and values."""
_WATCH_EVERY_S = 0.5
_BACK_OFF_FIRST_S = 0.5
_BACK_OFF_MOST_S = 60.0
_END_TIMEOUT_S = 10.0
_STARTS_IN_A_ROW = 3
"""Deaths before anything was loaded after which those that wait are told."""
_LAYOUTS_AT_ONCE = 16
"""Conversations that wait to be laid out; each holds a thread of the portal's."""


@dataclass
class _Entry:
    """A registered checkpoint and its worker, if it has one."""

    id: str
    folder: Path
    manifest: Manifest
    vocabulary: Vocabulary
    template: ChatTemplate | None
    line: Line
    worker: WorkerProcess | None = None
    starts: int = 0
    failures: int = 0
    """Deaths since a request last ended well."""
    not_before: float = 0.0
    last_error: str | None = None

    @property
    def memory_limit_bytes(self) -> int:
        return _LIMIT_FLOOR_BYTES + _LIMIT_PER_WEIGHT_BYTE * self.manifest.weight_bytes


class WorkerPool:
    """Runs requests in sandboxed workers. Thread-safe; a dying worker fails only its own requests.

    ``slots`` choices of a checkpoint are decoded at once; other requests wait, and are begun in the order that is fair
    by institution. What has not begun outlives a worker that dies.

    ``memory_budget_bytes`` bounds the sum of all workers' limits. Workers idle for ``idle_timeout_s`` are ended
    (``None``: never). One that is not ready after ``start_timeout_s``, or for ``stall_timeout_s`` says nothing while it
    has work or goes on with what it was told to stop, is killed.
    """

    def __init__(
        self,
        profile: SandboxProfile,
        *,
        memory_budget_bytes: int = 8 * GIB,
        start_timeout_s: float = 120.0,
        stall_timeout_s: float = 120.0,
        idle_timeout_s: float | None = 900.0,
        threads_per_worker: int = 1,
        precision: Precision = Precision.FLOAT32,
        slots: int = SLOTS,
    ) -> None:
        self.profile = profile
        self.weight_of: Callable[[str], float] = equal_weights
        """The weight of an institution's share, above 0."""
        self._slots = slots
        self._numbers = itertools.count()
        self._budget, self._threads, self._precision = memory_budget_bytes, threads_per_worker, precision
        self._start_timeout_s, self._stall_timeout_s, self._idle_timeout_s = (
            start_timeout_s,
            stall_timeout_s,
            idle_timeout_s,
        )
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.RLock()  # guards _entries and every entry's worker
        self._closing = threading.Event()
        self._layouts = threading.BoundedSemaphore(_LAYOUTS_AT_ONCE)
        self._watchdog = threading.Thread(target=self._watch, name="worker-watchdog", daemon=True)
        self._watchdog.start()

    def register(self, checkpoint_id: str, folder: Path, manifest: Manifest) -> None:
        """Make a checkpoint available. Registering the same one again changes nothing.

        Raises Conflict ``checkpoint_id_taken`` for another manifest; Invalid ``bad_tokenizer``.
        """
        with self._lock:
            known = self._entries.get(checkpoint_id)
            if known is not None:
                if known.manifest != manifest:
                    raise Conflict("checkpoint_id_taken", f"{checkpoint_id} is registered with another digest.")
                return
            line = Line(self._weight, slots=self._slots)
            self._entries[checkpoint_id] = _Entry(
                checkpoint_id, folder.resolve(), manifest, Vocabulary(folder), ChatTemplate.of(folder), line
            )

    def is_registered(self, checkpoint_id: str) -> bool:
        """Whether requests for this checkpoint can be submitted."""
        return checkpoint_id in self._entries

    def manifest(self, checkpoint_id: str) -> Manifest:
        """The registered manifest. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).manifest

    def tokenize(self, checkpoint_id: str, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, computed here. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).vocabulary.encode(texts)

    def takes_conversations(self, checkpoint_id: str) -> bool:
        """Whether the checkpoint says how a conversation is laid out. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).template is not None

    def prompt_tokens(self, checkpoint_id: str, prompts: Sequence[Prompt]) -> tuple[TokenIds, ...]:
        """Each prompt as token ids. Conversations are laid out by the checkpoint's worker, which may have to start.

        Raises NotFound ``no_such_checkpoint``; for conversations also Invalid ``no_chat_template``,
        ``template_refused`` or ``template_failed``, and Unavailable as ``submit`` does, ``layout_timeout`` or
        ``too_many_layouts``.
        """
        entry = self._entry(checkpoint_id)
        texts = [prompt for prompt in prompts if isinstance(prompt, str)]
        encoded = iter(entry.vocabulary.encode(texts) if texts else [])

        def ids_of(prompt: Prompt) -> Sequence[int]:
            if isinstance(prompt, str):
                return next(encoded)
            if isinstance(prompt, Conversation):
                # The template writes special tokens itself.
                return entry.vocabulary.encode([self._laid_out(entry, prompt)], bare=True)[0]
            return prompt

        return tuple(tuple(ids_of(prompt)) for prompt in prompts)

    def in_tokens(self, checkpoint_id: str, request: GenerationRequest) -> GenerationRequest:
        """The request with its prompts as token ids, and where it asks for what fits, with as many tokens as the
        context has room for. Raises what ``prompt_tokens`` raises.
        """
        prompts = self.prompt_tokens(checkpoint_id, request.prompts)
        most = request.max_tokens
        if request.fits:
            room = self._entry(checkpoint_id).manifest.context_length - max(map(len, prompts))
            most = max(most, room)
        return request.model_copy(update={"prompts": prompts, "max_tokens": most, "fits": False})

    def detokenize(self, checkpoint_id: str, token_ids: Sequence[int]) -> str:
        """The text of ``token_ids``. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).vocabulary.decode(token_ids)

    def count_tokens(self, checkpoint_id: str, request: GenerationRequest) -> int:
        """Prompt tokens the request will use, after every check that needs no worker.

        Raises NotFound ``no_such_checkpoint``; Invalid as ``admission.admit`` does.
        """
        return self._admitted(checkpoint_id, self.in_tokens(checkpoint_id, request))

    def _admitted(self, checkpoint_id: str, as_tokens: GenerationRequest) -> int:
        prompts = [prompt for prompt in as_tokens.prompts if isinstance(prompt, tuple)]
        return admit(as_tokens, prompts, self._entry(checkpoint_id).manifest)

    def submit(
        self,
        checkpoint_id: str,
        request: GenerationRequest,
        on_event: OnEvent,
        *,
        holder: str | None = None,
        share: Share | None = None,
    ) -> Ticket:
        """Run a request; ``on_event`` hears everything from the worker's thread, and must not block for long.

        It begins when its turn comes, by ``share``: out of whose share of the worker it comes. Requests of one
        ``holder`` share the work on beginnings they have in common; nobody else can tell by the time an answer takes.
        Without a holder nothing is shared.

        Raises what ``count_tokens`` raises; TooLarge ``frame_too_large``; Limited ``queue_full``; Unavailable
        ``worker_backing_off``, ``no_memory_for_worker`` or ``pool_closed``. Later failures arrive as a Failed event.
        """
        entry = self._entry(checkpoint_id)
        as_tokens = self.in_tokens(checkpoint_id, request)
        prompt_tokens = self._admitted(checkpoint_id, as_tokens)
        number = next(self._numbers)
        lengths = tuple(len(prompt) for prompt in as_tokens.prompts if isinstance(prompt, tuple))
        one = Waiting(
            number=number,
            frame=encode(Submit(ticket=number, request=as_tokens, holder=holder)),
            in_flight=InFlight(
                as_tokens,
                lengths,
                entry.manifest.vocabulary_size,
                lambda event: self._hear(entry, one, event, on_event),
            ),
            ticket=Ticket(lambda: self._call_off(entry, one), lambda: self._place(entry, one)),
            share=share or Share(holder=holder or ""),
            cost=prompt_tokens + as_tokens.max_tokens * request.candidate_count,
            rows=request.candidate_count,
        )
        with self._lock:
            entry.line.require_room(one.share)
            self._worker(entry)
            entry.line.add(one)
            self._pump(entry)  # before anybody finds the worker idle and evicts it
        return one.ticket

    def require_room(self, checkpoint_id: str, share: Share) -> None:
        """Refuse before anything is recorded what ``submit`` would refuse for the length of the queue.

        Raises NotFound ``no_such_checkpoint``; Limited ``queue_full``.
        """
        entry = self._entry(checkpoint_id)
        with self._lock:
            entry.line.require_room(share)

    def run(
        self, checkpoint_id: str, request: GenerationRequest, *, timeout_s: float | None = None
    ) -> tuple[tuple[ChoiceResult, ...], Finished]:
        """Run a request and wait for it.

        Raises what ``submit`` raises, ``Failed.error()``, or Unavailable ``run_timeout``.
        """
        events: list[RunEvent] = []
        ticket = self.submit(checkpoint_id, request, events.append)
        if not ticket.wait(timeout_s):
            ticket.cancel()
            raise Unavailable("run_timeout", f"The run did not end within {timeout_s} s and was cancelled.")
        last = events[-1]
        if isinstance(last, Failed):
            raise last.error()
        assert isinstance(last, Finished)  # noqa: S101 - a ticket ends with one of the two
        return assemble(event for event in events if isinstance(event, ChoiceDelta)), last

    def status(self) -> list[WorkerStatus]:
        """Every registered checkpoint's worker, in order of registration."""
        with self._lock:
            entries = list(self._entries.items())
        return [self._status(checkpoint_id, entry) for checkpoint_id, entry in entries]

    def queue(self, checkpoint_id: str) -> tuple[InstitutionLine, ...]:
        """Who waits for the checkpoint's worker, and whom it served lately. Raises NotFound ``no_such_checkpoint``."""
        entry = self._entry(checkpoint_id)
        with self._lock:
            return entry.line.institutions()

    def stop(self, checkpoint_id: str) -> None:
        """End the checkpoint's worker now; requests in flight and those that wait fail, and may be sent again.

        Raises NotFound ``no_such_checkpoint``.
        """
        entry = self._entry(checkpoint_id)
        with self._lock:
            left = entry.line.drain()
            worker = entry.worker
        for one in left:
            give_up(one.in_flight, one.ticket, "stopped")
        if worker is not None:
            worker.kill("stopped")
            worker.join(_END_TIMEOUT_S)

    def close(self) -> None:
        """End every worker. Nothing can be submitted afterwards."""
        self._closing.set()
        with self._lock:
            workers = [entry.worker for entry in self._entries.values() if entry.worker is not None]
            left = [one for entry in self._entries.values() for one in entry.line.drain()]
        for one in left:
            give_up(one.in_flight, one.ticket, "stopped")
        for worker in workers:
            worker.kill("stopped")
        for worker in workers:
            worker.join(_END_TIMEOUT_S)
        self._watchdog.join(_END_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _entry(self, checkpoint_id: str) -> _Entry:
        try:
            return self._entries[checkpoint_id]
        except KeyError:
            raise NotFound("no_such_checkpoint", f"No checkpoint {checkpoint_id} is loaded here.") from None

    def _laid_out(self, entry: _Entry, conversation: Conversation) -> str:
        """A conversation as text, by the checkpoint's worker."""
        if entry.template is None:
            raise Invalid(
                "no_chat_template",
                f"{entry.id} has no chat template: its tokenizer does not say how messages are laid out as text.",
                hint="Send the text as a prompt to /v1/completions.",
                param="messages",
            )
        with self._a_layout():
            answer = None
            while answer is None:
                worker = self._worker(entry)
                answer = worker.render(next(self._numbers), conversation)
                if answer is None:
                    worker.join(_END_TIMEOUT_S)
            try:
                said = answer.result(self._start_timeout_s + self._stall_timeout_s)
            except NotInTime:
                raise Unavailable("layout_timeout", "The messages were not laid out in time.") from None
        if isinstance(said, Rendered):
            return said.text
        if said.message and said.message in entry.template.source:
            # A sentence of the template's own; anything else might quote the messages.
            raise Invalid("template_refused", f"The chat template refuses this: {said.message}", param="messages")
        raise Invalid(
            "template_failed",
            f"The chat template of {entry.id} does not lay these messages out.",
            hint="Begin with a user's message and let user and assistant take turns; many templates take no other.",
            param="messages",
        )

    @contextmanager
    def _a_layout(self) -> Iterator[None]:
        if not self._layouts.acquire(blocking=False):
            raise Unavailable(
                "too_many_layouts",
                f"{_LAYOUTS_AT_ONCE} conversations wait to be laid out.",
                hint="Send the request again.",
                retry_after_s=1.0,
            )
        try:
            yield
        finally:
            self._layouts.release()

    def _weight(self, institution: str) -> float:
        return self.weight_of(institution)

    def _pump(self, entry: _Entry) -> None:
        """Begin whatever has its turn and finds room. Without a live worker nothing begins."""
        with self._lock:
            worker = entry.worker
            while worker is not None and worker.alive and (one := entry.line.next()) is not None:
                if not worker.submit(one.number, one.frame, one.in_flight, one.ticket):
                    entry.line.put_back(one)
                    return  # it has just ended, and its end starts another

    def _hear(self, entry: _Entry, one: Waiting, event: RunEvent, on_event: OnEvent) -> None:
        """Count what a request takes, pass its events on, and let the next begin when it is over."""
        with self._lock:
            if isinstance(event, ChoiceDelta):
                # An echoed prompt is counted as the prompt, however it is cut into pieces.
                due = 0 if one.used else one.in_flight.prompt_tokens
                entry.line.made(one, due + (0 if one.in_flight.echoes else len(event.token_ids)))
            else:
                # What was cancelled had its prompt worked on: else asking and cancelling would cost no share at all.
                began = one.used or event.completion_tokens or isinstance(event, Finished) or not event.retriable
                used = event.prompt_tokens + event.completion_tokens if began else 0
                if one.taken is not None and used > one.used:
                    entry.line.made(one, used - one.used)
                entry.line.ended(one, well=isinstance(event, Finished))
                if isinstance(event, Finished):
                    entry.failures = 0
        try:
            on_event(event)
        finally:
            if not isinstance(event, ChoiceDelta):
                self._pump(entry)

    def _call_off(self, entry: _Entry, one: Waiting) -> None:
        with self._lock:
            waited = entry.line.remove(one)
            worker = entry.worker
        if waited:
            one.in_flight.fail("cancelled", "The request was cancelled.", retriable=False, completion_tokens=0)
            one.ticket.ended()
        elif worker is not None:
            worker.cancel(one.number)

    def _place(self, entry: _Entry, one: Waiting) -> Place | None:
        with self._lock:
            return entry.line.place(one)

    def _resume(self, entry: _Entry) -> None:
        """Start a worker again for those that wait, if it may be; where it cannot be, they fail, retriable."""
        with self._lock:
            if not entry.line.waiting or (entry.worker is not None and entry.worker.alive):
                return
            if time.monotonic() < entry.not_before:
                return  # the watchdog comes back to it
            left: list[Waiting] = []
            refusal = Unavailable("worker_not_started", "No worker could be started.", hint="Send the request again.")
            try:
                self._worker(entry)
            except Unavailable as error:
                left, refusal = entry.line.drain(), error
        for one in left:
            one.in_flight.fail(refusal.code, refusal.message, hint=refusal.hint, retriable=True, completion_tokens=0)
            one.ticket.ended()
        self._pump(entry)

    def _worker(self, entry: _Entry) -> WorkerProcess:
        """The entry's live worker, started if need be."""
        with self._lock:
            if self._closing.is_set():
                raise Unavailable("pool_closed", "The portal is shutting down.", hint="Try again once it is back.")
            if entry.worker is not None and entry.worker.alive:
                return entry.worker
            wait_s = entry.not_before - time.monotonic()
            if wait_s > 0:
                raise Unavailable(
                    "worker_backing_off",
                    f"The worker of {entry.id} ended {entry.failures} times in a row ({entry.last_error}).",
                    hint=f"It is started again in {wait_s:.0f} s.",
                    retry_after_s=wait_s,
                )
            self._make_room(entry)
            entry.starts += 1
            entry.worker = WorkerProcess(
                self.profile,
                entry.folder,
                entry.manifest,
                memory_limit_bytes=entry.memory_limit_bytes,
                threads=self._threads,
                precision=self._precision,
                on_end=lambda worker: self._ended(entry, worker),
            )
            entry.worker.start()
            return entry.worker

    def _make_room(self, newcomer: _Entry) -> None:
        """Evict idle workers, longest unused first, until the newcomer's limit fits the budget."""
        live = [entry.worker for entry in self._entries.values() if entry.worker is not None and entry.worker.alive]
        idle = sorted((worker for worker in live if not worker.in_flight), key=lambda worker: worker.last_used)
        needed = newcomer.memory_limit_bytes + sum(worker.memory_limit_bytes for worker in live) - self._budget
        for worker in idle:
            if needed <= 0:
                break
            needed -= worker.memory_limit_bytes
            worker.kill("evicted")
        if needed > 0:
            raise Unavailable(
                "no_memory_for_worker",
                f"Another {needed >> 20} MiB would be needed to load this checkpoint now.",
                hint="Try again when other runs have ended, or raise the memory budget.",
                retry_after_s=5.0,
            )

    def _ended(self, entry: _Entry, worker: WorkerProcess) -> None:
        """Called by a worker's thread as its last act."""
        with self._lock:
            left: list[Waiting] = []
            if worker.end_code not in ("stopped", "evicted"):
                entry.last_error = worker.end_code
                entry.failures += 1
                # The first death is forgiven, so that a request sent again at once finds a worker.
                pause_s = 0.0 if entry.failures == 1 else _BACK_OFF_FIRST_S * 2 ** min(entry.failures - 2, 10)
                entry.not_before = time.monotonic() + min(pause_s, _BACK_OFF_MOST_S)
                if not worker.was_ready and (worker.end_code != "worker_died" or entry.failures >= _STARTS_IN_A_ROW):
                    left = entry.line.drain()  # what could not be loaded will not be for those that wait
        for one in left:
            give_up(one.in_flight, one.ticket, worker.end_code)
        self._resume(entry)

    def _watch(self) -> None:
        while not self._closing.wait(_WATCH_EVERY_S):
            with self._lock:
                entries = list(self._entries.values())
            for entry in entries:
                worker = entry.worker
                if worker is not None and worker.alive:
                    if (code := self._verdict(worker)) is not None:
                        worker.kill(code)
                else:
                    self._resume(entry)

    def _verdict(self, worker: WorkerProcess) -> str | None:
        """Why the worker has to go, if it has to."""
        now = time.monotonic()
        if worker.rss_bytes() > worker.memory_limit_bytes:
            return "over_memory"
        if worker.state is WorkerState.STARTING:
            return "worker_start_failed" if now - worker.started_at > self._start_timeout_s else None
        if worker.in_flight:
            # One that goes on with what it was told to stop may say that it is alive for as long as it likes.
            ignores_since = worker.ignores_since()
            since = worker.last_heard if ignores_since is None else min(worker.last_heard, ignores_since)
            return "worker_stalled" if now - since > self._stall_timeout_s else None
        if self._idle_timeout_s is not None and now - worker.last_used > self._idle_timeout_s:
            return "evicted"
        return None

    def _status(self, checkpoint_id: str, entry: _Entry) -> WorkerStatus:
        worker = entry.worker
        alive = worker is not None and worker.alive
        with self._lock:
            slots_in_use, waiting = entry.line.slots_in_use, entry.line.waiting
        common = WorkerStatus(
            checkpoint_id=checkpoint_id,
            state=WorkerState.FAILED if entry.failures else WorkerState.COLD,
            profile=self.profile.id,
            memory_limit_bytes=entry.memory_limit_bytes,
            restarts=max(0, entry.starts - 1),
            last_error=entry.last_error,
            precision=self._precision,
            slots=entry.line.slots,
            slots_in_use=slots_in_use,
            waiting=waiting,
            tokens_per_s=entry.line.pace.tokens_per_s,
        )
        if worker is None or not alive:
            wait_s = entry.not_before - time.monotonic()
            return common.model_copy(update={"backs_off_s": wait_s if wait_s > 0 else None})
        return common.model_copy(
            update={
                "state": worker.state,
                "pid": worker.pid,
                "rss_bytes": worker.rss_bytes(),
                "uptime_s": time.monotonic() - worker.started_at,
                "in_flight": worker.in_flight,
            }
        )
