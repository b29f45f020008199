"""One worker process and the threads that talk to it."""

import base64
import logging
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import psutil

from agreements.errors import ConcordatError, Invalid, Unavailable
from model_access.build import Precision, Products
from model_access.conversations import Conversation
from model_access.manifest import Manifest
from model_access.sandbox import seccomp
from model_access.sandbox.launcher import launch
from model_access.sandbox.profile import SandboxProfile
from model_access.worker.compiling import keep_compiled
from model_access.worker.frames import (
    Cancel,
    Ended,
    NotRendered,
    Piece,
    Ready,
    Refused,
    Render,
    Rendered,
    Start,
    Stopped,
    encode,
    parse_from_worker,
    read_bytes,
)
from model_access.worker.status import WorkerState
from model_access.worker.tickets import InFlight, Ticket

_log = logging.getLogger(__name__)

_STDERR_TAIL_LINES = 20


class WorkerProcess:
    """A worker for one checkpoint, from start to end. Never used again once it ended.

    One thread starts the process, reads its frames and delivers the events; it lives as long as the process, which dies
    with it. A second thread writes, so that a worker that stops reading cannot block the portal.
    """

    def __init__(
        self,
        profile: SandboxProfile,
        folder: Path,
        manifest: Manifest,
        *,
        memory_limit_bytes: int,
        threads: int,
        precision: Precision,
        on_end: Callable[["WorkerProcess"], None],
    ) -> None:
        self.memory_limit_bytes = memory_limit_bytes
        self.started_at = self.last_heard = self.last_used = time.monotonic()
        self.state = WorkerState.STARTING
        self.end_code = "worker_died"
        self.was_ready = False
        """Whether it ever held the checkpoint."""
        self._profile, self._folder, self._manifest, self._threads = profile, folder, manifest, threads
        self._precision = precision
        self._products: Products | None = None
        self._on_end = on_end
        self._lock = threading.Lock()  # guards all of its state but the times
        self._to_end = False
        self._in_flight: dict[int, tuple[InFlight, Ticket]] = {}
        self._called_off: dict[int, float] = {}
        self._layouts: dict[int, Future[Rendered | NotRendered]] = {}
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: deque[bytes] = deque(maxlen=_STDERR_TAIL_LINES)
        self._thread = threading.Thread(target=self._live, name="worker-reader", daemon=True)

    def start(self) -> None:
        """Begin to start; submitting is possible at once. Raises Unavailable ``no_seccomp``."""
        self._outbox.put(self._start_frame())
        self._thread.start()

    @property
    def in_flight(self) -> int:
        """Requests not yet ended, and conversations not yet laid out."""
        return len(self._in_flight) + len(self._layouts)

    def ignores_since(self) -> float | None:
        """When the first request was called off that goes on all the same; ``None`` where none does."""
        with self._lock:
            return min(self._called_off.values(), default=None)

    @property
    def alive(self) -> bool:
        """Whether requests may be given to it."""
        return self.state in (WorkerState.STARTING, WorkerState.READY)

    @property
    def pid(self) -> int | None:
        """The process that holds the weights: the innermost one under the sandbox's own."""
        tree = self._tree()
        return tree[-1].pid if tree else None

    def rss_bytes(self) -> int:
        """Memory the worker holds now."""
        total = 0
        for process in self._tree():
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total

    def submit(self, number: int, frame: bytes, in_flight: InFlight, ticket: Ticket) -> bool:
        """Hand over an encoded Submit of that ticket number; False if the worker has ended or was told to."""
        with self._lock:
            if not self.alive or self._to_end:
                return False
            self._in_flight[number] = (in_flight, ticket)
            self.last_used = self.last_heard = time.monotonic()
        self._outbox.put(frame)
        return True

    def cancel(self, number: int) -> None:
        """Stop a request between two tokens."""
        with self._lock:
            if number not in self._in_flight:
                return
            self._called_off.setdefault(number, time.monotonic())
        self._outbox.put(encode(Cancel(ticket=number)))

    def render(self, number: int, conversation: Conversation) -> Future[Rendered | NotRendered] | None:
        """Have a conversation laid out, under that ticket number; ``None`` if the worker has ended or was told to.

        Raises TooLarge ``frame_too_large``. Unavailable arrives in the future where the worker ends before.
        """
        with self._lock:
            if not self.alive or self._to_end:
                return None
            frame = encode(Render(ticket=number, conversation=conversation))
            answer: Future[Rendered | NotRendered] = Future()
            self._layouts[number] = answer
            self.last_used = self.last_heard = time.monotonic()
        self._outbox.put(frame)
        return answer

    def kill(self, code: str) -> None:
        """End the process now; requests in flight fail with ``code``."""
        with self._lock:
            if self.alive:
                self.end_code = code
            self._to_end = True
            process = self._process
        if process is not None:
            process.kill()

    def join(self, timeout_s: float) -> None:
        """Wait until the process is gone and every request has had its last event."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _live(self) -> None:
        try:
            keep_compiled()
            process = launch(self._profile, "model_access.worker", checkpoint_dir=self._folder, threads=self._threads)
            with self._lock:
                self._process, to_end = process, self._to_end
            if to_end:
                process.kill()  # whoever told it to end found no process
            assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - pipes
            for target, stream in ((self._write, process.stdin), (self._overhear, process.stderr)):
                threading.Thread(target=target, args=(stream,), daemon=True).start()
            self._read(process.stdout)
        except ConcordatError as error:
            self._ended_because(error.code)
        finally:
            self._finish()

    def _start_frame(self) -> bytes:
        inner = seccomp.inner_filter() if self._profile.isolates else b""
        return encode(
            Start(
                manifest=self._manifest,
                inner_filter=base64.b64encode(inner).decode(),
                memory_limit_bytes=self.memory_limit_bytes,
                threads=self._threads,
                precision=self._precision,
            )
        )

    def _read(self, stream: IO[bytes]) -> None:
        while (body := read_bytes(stream)) is not None:
            self.last_heard = time.monotonic()
            frame = parse_from_worker(body)
            if isinstance(frame, Ready):
                with self._lock:
                    self._require(self.state is WorkerState.STARTING)
                    self.state = WorkerState.READY
                    self.was_ready = True
                    self._products = frame.products
            elif isinstance(frame, Refused):
                self._require(self.state is WorkerState.STARTING)
                self._ended_because(frame.code)
                return
            else:
                self._require(self.state is WorkerState.READY)
                self._deliver(frame)

    def _deliver(self, frame: object) -> None:
        if isinstance(frame, Rendered | NotRendered):
            with self._lock:
                answer = self._layouts.pop(frame.ticket, None)
                self.last_used = time.monotonic()
            self._require(answer is not None)
            assert answer is not None  # noqa: S101 - just required
            answer.set_result(frame)
            return
        if not isinstance(frame, Piece | Ended | Stopped):
            return
        entry = self._in_flight.get(frame.ticket)
        self._require(entry is not None)
        assert entry is not None  # noqa: S101 - just required
        in_flight, _ = entry
        if isinstance(frame, Piece):
            in_flight.piece(frame)
        elif isinstance(frame, Stopped):
            self._require(frame.ticket in self._called_off)
            in_flight.stopped(frame)
            self._forget(frame.ticket)
        elif in_flight.ended(frame, self._products):
            self._forget(frame.ticket)

    def _forget(self, number: int) -> None:
        with self._lock:
            _, ticket = self._in_flight.pop(number)
            self._called_off.pop(number, None)
            self.last_used = time.monotonic()
        ticket.ended()

    def _ended_because(self, code: str) -> None:
        with self._lock:
            if self.end_code == "worker_died":
                self.end_code = code

    def _finish(self) -> None:
        with self._lock:
            self.state = WorkerState.FAILED
        self._outbox.put(None)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                _close(self._process.stdout)
        if not self.was_ready and self.end_code not in ("stopped", "evicted"):
            # Before it is ready a worker has seen no prompt, so what it said can be logged.
            said = b"".join(self._complaints).decode(errors="replace").strip()
            _log.warning("A model worker did not start (%s): %s", self.end_code, said[-2000:])
        with self._lock:
            left, layouts = list(self._in_flight.values()), list(self._layouts.values())
            self._in_flight.clear()
            self._layouts.clear()
        code = self.end_code if self.end_code in _MESSAGES else "worker_died"
        for in_flight, ticket in left:
            give_up(in_flight, ticket, self.end_code)
        for answer in layouts:
            answer.set_exception(Unavailable(code, _MESSAGES[code], hint="Send the request again.", retry_after_s=1.0))
        self._on_end(self)

    def _write(self, stream: IO[bytes]) -> None:
        try:
            while (frame := self._outbox.get()) is not None:
                stream.write(frame)
                stream.flush()
        except (OSError, ValueError):
            return  # the reader notices the end and says so
        finally:
            _close(stream)

    def _overhear(self, stream: IO[bytes]) -> None:
        while line := stream.readline(4096):
            self._complaints.append(line)
        _close(stream)

    def _tree(self) -> list[psutil.Process]:
        if self._process is None or self._process.poll() is not None:
            return []
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    @staticmethod
    def _require(condition: bool) -> None:
        if not condition:
            raise Invalid("bad_frame", "A worker's frame came out of turn.")


_MESSAGES = {
    "worker_died": "The model worker ended while it ran this request.",
    "worker_stalled": "The model worker stopped answering and was ended.",
    "worker_start_failed": "The model worker did not start in time.",
    "over_memory": "The model worker went over its memory limit and was ended.",
    "stopped": "The checkpoint's worker was stopped.",
    "checkpoint_changed": "The checkpoint's files are not the registered ones; its worker refused to load them.",
    "bad_checkpoint": "The checkpoint cannot be loaded.",
    "missing_tensor": "The checkpoint's weights are incomplete.",
}


def give_up(in_flight: InFlight, ticket: Ticket, code: str) -> None:
    """End a request because of what became of its worker; it may be sent again."""
    in_flight.fail(
        code if code in _MESSAGES else "worker_died",
        _MESSAGES.get(code, _MESSAGES["worker_died"]),
        hint="Send the request again.",
        retriable=True,
    )
    ticket.ended()


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return
