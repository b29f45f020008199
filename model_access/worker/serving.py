"""The worker's own side: lock down, check the checkpoint's digest, load it, answer until the pipe closes.

Imported only inside the sandbox; it is the one module that brings torch and the pipes together.
"""

import base64
import queue
import threading
import time
from pathlib import Path
from typing import IO

import torch

from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid
from model_access.engine.engine import Delta, Engine, EngineEvent
from model_access.engine.engine import Ended as ChoiceEnded
from model_access.engine.model import CausalModel
from model_access.engine.vocabulary import Vocabulary
from model_access.manifest import verify_folder
from model_access.sandbox import lockdown
from model_access.worker.frames import (
    Alive,
    Cancel,
    Ended,
    Piece,
    Ready,
    Refused,
    Start,
    Stopped,
    Submit,
    encode,
    parse_to_worker,
    read_bytes,
)

_ALIVE_EVERY_S = 1.0

Command = Start | Submit | Cancel | None


def serve(folder: Path, commands: IO[bytes], answers: IO[bytes]) -> int:
    """Serve one checkpoint. Returns the exit status."""
    link = _Link(answers)
    try:
        engine = _load(folder, commands)
    except ConcordatError as error:
        link.send(Refused(code=error.code, message=error.message[:1000]))
        return 1
    link.send(Ready())
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, inbox), daemon=True).start()
    while True:
        open_end = _obey(engine, inbox, link)
        if not open_end:
            return 0
        if not engine.idle:
            _advance(engine, link)


class _Link:
    """The answering pipe."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._last = time.monotonic()

    def send(self, frame: Value) -> None:
        """Write one frame; blocks while the portal does not read."""
        self._stream.write(encode(frame))
        self._stream.flush()
        self._last = time.monotonic()

    def show_life(self) -> None:
        """Say that work goes on, if nothing else was said lately."""
        if time.monotonic() - self._last > _ALIVE_EVERY_S:
            self.send(Alive())


def _load(folder: Path, commands: IO[bytes]) -> Engine:
    body = read_bytes(commands)
    start = parse_to_worker(body) if body is not None else None
    if not isinstance(start, Start):
        raise Invalid("bad_frame", "The first frame does not start the worker.")
    torch.set_num_threads(start.threads)
    lockdown.enter(base64.b64decode(start.inner_filter), start.memory_limit_bytes)
    verify_folder(folder, start.manifest)
    return Engine(CausalModel(folder), Vocabulary(folder))


def _listen(commands: IO[bytes], inbox: "queue.SimpleQueue[Command]") -> None:
    while (body := read_bytes(commands)) is not None:
        inbox.put(parse_to_worker(body))
    inbox.put(None)


def _obey(engine: Engine, inbox: "queue.SimpleQueue[Command]", link: _Link) -> bool:
    """Take in every waiting command, or wait for one when there is nothing to do; whether the portal is still there."""
    while engine.idle or not inbox.empty():
        command = inbox.get()
        if command is None:
            return False
        if isinstance(command, Submit):
            prompts = [prompt for prompt in command.request.prompts if not isinstance(prompt, str)]
            engine.submit(command.ticket, command.request, prompts)
        elif isinstance(command, Cancel):
            used = engine.cancel(command.ticket)
            if used is not None:
                link.send(Stopped(ticket=command.ticket, cancelled=True, completion_tokens=used))
    return True


def _advance(engine: Engine, link: _Link) -> None:
    for event in engine.step():
        frame = _frame(event)
        if frame is not None:
            link.send(frame)
    link.show_life()


def _frame(event: EngineEvent) -> Value | None:
    """The frame that tells of ``event``; the portal counts choices itself, so the end of a request needs none."""
    if isinstance(event, Delta):
        return Piece(ticket=event.ticket, delta=event.delta)
    if isinstance(event, ChoiceEnded):
        return Ended(ticket=event.ticket, index=event.index, token_ids=event.token_ids)
    return None
