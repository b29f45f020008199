"""The portal's workers: one process per checkpoint in use, started on demand, kept warm, evicted, restarted."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agreements.errors import Conflict, NotFound, Unavailable
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import (
    ChoiceDelta,
    ChoiceResult,
    Failed,
    Finished,
    GenerationRequest,
    RunEvent,
    assemble,
)
from model_access.manifest import Manifest
from model_access.sandbox.profile import SandboxProfile
from model_access.worker.admission import admit
from model_access.worker.frames import Submit
from model_access.worker.process import WorkerProcess
from model_access.worker.status import WorkerState, WorkerStatus
from model_access.worker.tickets import InFlight, OnEvent, Ticket

GIB = 1 << 30

_LIMIT_FLOOR_BYTES = GIB
_LIMIT_PER_WEIGHT_BYTE = 3
"""Weights, once more while they are loaded, and room for keys and values."""
_WATCH_EVERY_S = 0.5
_BACK_OFF_FIRST_S = 0.5
_BACK_OFF_MOST_S = 60.0
_END_TIMEOUT_S = 10.0


@dataclass
class _Entry:
    """A registered checkpoint and its worker, if it has one."""

    folder: Path
    manifest: Manifest
    vocabulary: Vocabulary
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

    ``memory_budget_bytes`` bounds the sum of all workers' limits. Workers idle for ``idle_timeout_s`` are ended
    (``None``: never). One that is not ready after ``start_timeout_s``, or says nothing for ``stall_timeout_s`` while it
    has work, is killed.
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
    ) -> None:
        self.profile = profile
        self._budget, self._threads = memory_budget_bytes, threads_per_worker
        self._start_timeout_s, self._stall_timeout_s, self._idle_timeout_s = (
            start_timeout_s,
            stall_timeout_s,
            idle_timeout_s,
        )
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.RLock()  # guards _entries and every entry's worker
        self._closing = threading.Event()
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
            self._entries[checkpoint_id] = _Entry(folder.resolve(), manifest, Vocabulary(folder))

    def unregister(self, checkpoint_id: str) -> None:
        """Stop the worker and forget the checkpoint. Raises NotFound ``no_such_checkpoint``."""
        self.stop(checkpoint_id)
        with self._lock:
            self._entries.pop(checkpoint_id, None)

    def is_registered(self, checkpoint_id: str) -> bool:
        """Whether requests for this checkpoint can be submitted."""
        return checkpoint_id in self._entries

    def manifest(self, checkpoint_id: str) -> Manifest:
        """The registered manifest. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).manifest

    def tokenize(self, checkpoint_id: str, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, computed here. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).vocabulary.encode(texts)

    def detokenize(self, checkpoint_id: str, token_ids: Sequence[int]) -> str:
        """The text of ``token_ids``. Raises NotFound ``no_such_checkpoint``."""
        return self._entry(checkpoint_id).vocabulary.decode(token_ids)

    def count_tokens(self, checkpoint_id: str, request: GenerationRequest) -> int:
        """Prompt tokens the request will use, after every check that needs no worker.

        Raises NotFound ``no_such_checkpoint``; Invalid as ``admission.admit`` does.
        """
        entry = self._entry(checkpoint_id)
        return admit(request, _token_prompts(entry, request), entry.manifest)

    def submit(self, checkpoint_id: str, request: GenerationRequest, on_event: OnEvent) -> Ticket:
        """Run a request; ``on_event`` hears everything from the worker's thread, and must not block for long.

        Raises what ``count_tokens`` raises; TooLarge ``frame_too_large``; Unavailable ``worker_backing_off``,
        ``no_memory_for_worker`` or ``pool_closed``. Later failures arrive as a Failed event.
        """
        entry = self._entry(checkpoint_id)
        prompts = tuple(tuple(ids) for ids in _token_prompts(entry, request))
        admit(request, prompts, entry.manifest)
        as_tokens = request.model_copy(update={"prompts": prompts})

        def hear(event: RunEvent) -> None:
            if isinstance(event, Finished):
                entry.failures = 0
            on_event(event)

        in_flight = InFlight(request, tuple(map(len, prompts)), entry.manifest.vocabulary_size, hear)
        while True:
            worker = self._worker(checkpoint_id, entry)
            ticket = worker.submit(lambda number: Submit(ticket=number, request=as_tokens), in_flight)
            if ticket is not None:
                return ticket

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

    def stop(self, checkpoint_id: str) -> None:
        """End the checkpoint's worker now; requests in flight fail. Raises NotFound ``no_such_checkpoint``."""
        worker = self._entry(checkpoint_id).worker
        if worker is not None:
            worker.kill("stopped")
            worker.join(_END_TIMEOUT_S)

    def close(self) -> None:
        """End every worker. Nothing can be submitted afterwards."""
        self._closing.set()
        with self._lock:
            workers = [entry.worker for entry in self._entries.values() if entry.worker is not None]
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

    def _worker(self, checkpoint_id: str, entry: _Entry) -> WorkerProcess:
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
                    f"The worker of {checkpoint_id} ended {entry.failures} times in a row ({entry.last_error}).",
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
            if worker.end_code in ("stopped", "evicted"):
                return
            entry.last_error = worker.end_code
            entry.failures += 1
            # The first death is forgiven, so that a request sent again at once finds a worker.
            pause_s = 0.0 if entry.failures == 1 else _BACK_OFF_FIRST_S * 2 ** min(entry.failures - 2, 10)
            entry.not_before = time.monotonic() + min(pause_s, _BACK_OFF_MOST_S)

    def _watch(self) -> None:
        while not self._closing.wait(_WATCH_EVERY_S):
            with self._lock:
                workers = [entry.worker for entry in self._entries.values() if entry.worker is not None]
            for worker in workers:
                if worker.alive and (code := self._verdict(worker)) is not None:
                    worker.kill(code)

    def _verdict(self, worker: WorkerProcess) -> str | None:
        """Why the worker has to go, if it has to."""
        now = time.monotonic()
        if worker.rss_bytes() > worker.memory_limit_bytes:
            return "over_memory"
        if worker.state is WorkerState.STARTING:
            return "worker_start_failed" if now - worker.started_at > self._start_timeout_s else None
        if worker.in_flight:
            return "worker_stalled" if now - worker.last_heard > self._stall_timeout_s else None
        if self._idle_timeout_s is not None and now - worker.last_used > self._idle_timeout_s:
            return "evicted"
        return None

    def _status(self, checkpoint_id: str, entry: _Entry) -> WorkerStatus:
        worker = entry.worker
        if worker is None or not worker.alive:
            failed = entry.failures > 0
            return WorkerStatus(
                checkpoint_id=checkpoint_id,
                state=WorkerState.FAILED if failed else WorkerState.COLD,
                profile=self.profile.id,
                memory_limit_bytes=entry.memory_limit_bytes,
                restarts=max(0, entry.starts - 1),
                last_error=entry.last_error,
            )
        return WorkerStatus(
            checkpoint_id=checkpoint_id,
            state=worker.state,
            profile=self.profile.id,
            pid=worker.pid,
            rss_bytes=worker.rss_bytes(),
            memory_limit_bytes=worker.memory_limit_bytes,
            uptime_s=time.monotonic() - worker.started_at,
            restarts=max(0, entry.starts - 1),
            in_flight=worker.in_flight,
            last_error=entry.last_error,
        )


def _token_prompts(entry: _Entry, request: GenerationRequest) -> list[list[int]]:
    """The prompts as token ids; texts are encoded together."""
    texts = [prompt for prompt in request.prompts if isinstance(prompt, str)]
    encoded = iter(entry.vocabulary.encode(texts) if texts else [])
    return [next(encoded) if isinstance(prompt, str) else list(prompt) for prompt in request.prompts]
