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
from agreements.errors import ConcordatError, Invalid, TooLarge
from model_access.conversations import ChatTemplate
from model_access.engine.engine import Delta, Engine, EngineEvent
from model_access.engine.engine import Ended as ChoiceEnded
from model_access.engine.loading import load
from model_access.engine.vocabulary import Vocabulary
from model_access.manifest import verify_folder
from model_access.sandbox import lockdown
from model_access.worker.frames import (
    Alive,
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
    Submit,
    ToWorker,
    encode,
    parse_to_worker,
    read_bytes,
)
from model_access.worker.pacing import Pacing
from model_access.worker.templates import Layout

_ALIVE_EVERY_S = 1.0
_CACHE_SHARE = 4
"""Keys and values may take the fourth part of what a worker may hold; weights, and loading them, need the rest."""

Command = ToWorker | None


def serve(folder: Path, commands: IO[bytes], answers: IO[bytes]) -> int:
    """Serve one checkpoint. Returns the exit status."""
    link = _Link(answers)
    try:
        engine = _load(folder, commands)
    except ConcordatError as error:
        link.send(Refused(code=error.code, message=error.message[:1000]))
        return 1
    link.send(Ready(products=engine.decoder.products))
    template = ChatTemplate.of(folder)
    layout = Layout(template) if template is not None else None
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, inbox), daemon=True).start()
    pacing = Pacing()
    while True:
        open_end = _obey(engine, layout, inbox, link, pacing)
        if not open_end:
            return 0
        if not engine.idle:
            _advance(engine, link, pacing)


class _Link:
    """The answering pipe."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._last = time.monotonic()

    def send(self, *frames: Value) -> None:
        """Write frames; blocks while the portal does not read."""
        self._stream.write(b"".join(map(encode, frames)))
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
    return Engine(
        load(folder, start.precision),
        Vocabulary(folder),
        context=start.manifest.context_length,
        cache_bytes=start.memory_limit_bytes // _CACHE_SHARE,
    )


def _listen(commands: IO[bytes], inbox: "queue.SimpleQueue[Command]") -> None:
    while (body := read_bytes(commands)) is not None:
        inbox.put(parse_to_worker(body))
    inbox.put(None)


def _obey(
    engine: Engine, layout: Layout | None, inbox: "queue.SimpleQueue[Command]", link: _Link, pacing: Pacing
) -> bool:
    """Take in the waiting commands, or wait for one when there is nothing to do; whether the portal is still there.

    A template takes as long as it likes, within its seconds: beside answers under way one is run between two steps.
    """
    while engine.idle or not inbox.empty():
        command = inbox.get()
        if command is None:
            return False
        if isinstance(command, Submit):
            prompts = [prompt for prompt in command.request.prompts if isinstance(prompt, tuple)]
            engine.submit(command.ticket, command.request, prompts, command.holder)
        elif isinstance(command, Render):
            _answer(layout, command, link)
            if not engine.idle:
                return True
        elif isinstance(command, Cancel):
            used = engine.cancel(command.ticket)
            if used is not None:
                held = map(_frame, pacing.called_off(command.ticket))
                link.send(*filter(None, held), Stopped(ticket=command.ticket, completion_tokens=used))
    return True


def _answer(layout: Layout | None, command: Render, link: _Link) -> None:
    message = ""
    try:
        if layout is not None:
            link.send(Rendered(ticket=command.ticket, text=layout.text(command.conversation)))
            return
    except ConcordatError as refusal:
        # One that is too large for a frame has no words of the template's.
        message = "" if isinstance(refusal, TooLarge) else refusal.message[:500]
    link.send(NotRendered(ticket=command.ticket, message=message))


def _advance(engine: Engine, link: _Link, pacing: Pacing) -> None:
    frames = [frame for event in pacing.paced(engine.step()) if (frame := _frame(event)) is not None]
    if frames:
        link.send(*frames)
    link.show_life()


def _frame(event: EngineEvent) -> Value | None:
    """The frame that tells of ``event``; the portal counts choices itself, so the end of a request needs none."""
    if isinstance(event, Delta):
        return Piece(ticket=event.ticket, delta=event.delta)
    if isinstance(event, ChoiceEnded):
        return Ended(ticket=event.ticket, index=event.index, token_ids=event.token_ids, passed_over=event.passed_over)
    return None
