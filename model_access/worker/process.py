"""One worker process and the threads that talk to it."""

import base64
import logging
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil

from agreements.errors import ConcordatError, Invalid
from model_access.manifest import Manifest
from model_access.sandbox import seccomp
from model_access.sandbox.launcher import launch
from model_access.sandbox.profile import SandboxProfile
from model_access.worker.frames import (
    Cancel,
    Ended,
    Piece,
    Ready,
    Refused,
    Start,
    Stopped,
    Submit,
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
        on_end: Callable[["WorkerProcess"], None],
    ) -> None:
        self.memory_limit_bytes = memory_limit_bytes
        self.started_at = self.last_heard = self.last_used = time.monotonic()
        self.state = WorkerState.STARTING
        self.end_code = "worker_died"
        self._profile, self._folder, self._manifest, self._threads = profile, folder, manifest, threads
        self._on_end = on_end
        self._lock = threading.Lock()  # guards _in_flight, _next_ticket and state
        self._in_flight: dict[int, tuple[InFlight, Ticket]] = {}
        self._next_ticket = 0
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
        """Requests not yet ended."""
        return len(self._in_flight)

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

    def submit(self, frame_for: Callable[[int], Submit], in_flight: InFlight) -> Ticket | None:
        """Hand a request over; ``None`` if the worker has just ended. Raises TooLarge ``frame_too_large``."""
        with self._lock:
            if not self.alive:
                return None
            number = self._next_ticket
            frame = encode(frame_for(number))
            self._next_ticket += 1
            ticket = Ticket(lambda: self._cancel(number))
            self._in_flight[number] = (in_flight, ticket)
            self.last_used = self.last_heard = time.monotonic()
        self._outbox.put(frame)
        return ticket

    def kill(self, code: str) -> None:
        """End the process now; requests in flight fail with ``code``."""
        with self._lock:
            if self.alive:
                self.end_code = code
        if self._process is not None:
            self._process.kill()

    def join(self, timeout_s: float) -> None:
        """Wait until the process is gone and every request has had its last event."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _cancel(self, number: int) -> None:
        self._outbox.put(encode(Cancel(ticket=number)))

    def _live(self) -> None:
        try:
            self._process = launch(
                self._profile, "model_access.worker", checkpoint_dir=self._folder, threads=self._threads
            )
            assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101, PT018 - pipes
            for target, stream in ((self._write, self._process.stdin), (self._overhear, self._process.stderr)):
                threading.Thread(target=target, args=(stream,), daemon=True).start()
            self._read(self._process.stdout)
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
            elif isinstance(frame, Refused):
                self._require(self.state is WorkerState.STARTING)
                self._ended_because(frame.code)
                return
            else:
                self._require(self.state is WorkerState.READY)
                self._deliver(frame)

    def _deliver(self, frame: object) -> None:
        if not isinstance(frame, Piece | Ended | Stopped):
            return
        entry = self._in_flight.get(frame.ticket)
        self._require(entry is not None)
        assert entry is not None  # noqa: S101 - just required
        in_flight, _ = entry
        if isinstance(frame, Piece):
            in_flight.piece(frame)
        elif isinstance(frame, Stopped):
            in_flight.stopped(frame)
            self._forget(frame.ticket)
        elif in_flight.ended(frame):
            self._forget(frame.ticket)

    def _forget(self, number: int) -> None:
        with self._lock:
            _, ticket = self._in_flight.pop(number)
            self.last_used = time.monotonic()
        ticket.ended()

    def _ended_because(self, code: str) -> None:
        with self._lock:
            if self.end_code == "worker_died":
                self.end_code = code

    def _finish(self) -> None:
        with self._lock:
            was_ready = self.state is WorkerState.READY
            self.state = WorkerState.FAILED
        self._outbox.put(None)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                _close(self._process.stdout)
        if not was_ready and self.end_code not in ("stopped", "evicted"):
            # Before it is ready a worker has seen no prompt, so what it said can be logged.
            said = b"".join(self._complaints).decode(errors="replace").strip()
            _log.warning("A model worker did not start (%s): %s", self.end_code, said[-2000:])
        with self._lock:
            left = list(self._in_flight.values())
            self._in_flight.clear()
        for in_flight, ticket in left:
            in_flight.fail(
                self.end_code if self.end_code in _MESSAGES else "worker_died",
                _MESSAGES.get(self.end_code, _MESSAGES["worker_died"]),
                hint="Send the request again.",
                retriable=True,
            )
            ticket.ended()
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


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return
