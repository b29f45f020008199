"""The real pool over stand-in worker processes: real pipes, real deaths, no model."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from model_access.generation import GenerationRequest, RunEvent
from model_access.manifest import FileEntry, Manifest
from model_access.sandbox.profile import UNSAFE
from model_access.worker import Share, Ticket, WorkerPool
from tests.model_access.conftest import CONTEXT, VOCABULARY, save_tokenizer
from tests.model_access.worker import quick_worker

WAIT_S = 60.0
PROGRAM = Path(__file__).with_name("quick_worker.py")
ENDLESS = 0
"""The seed of a request that runs until it is told to stop."""
SILENT = quick_worker.SILENT
"""The same of one that is not told of until then."""
DEAF = quick_worker.DEAF
"""The same of one that the worker does not stop."""
LYING = quick_worker.LYING
"""The seed of a request that the worker says was cancelled, though nobody asked for that."""


def quick(*_: object, **__: object) -> "subprocess.Popen[bytes]":
    """Start a stand-in worker, as ``launch`` starts a real one."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-I", "-S", str(PROGRAM)], **pipes)


def quick_pool(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> WorkerPool:
    """A pool with one checkpoint, ``tiny``, whose workers are quick."""
    monkeypatch.setattr("model_access.worker.process.launch", quick)
    save_tokenizer(folder)
    pool = WorkerPool(UNSAFE, **options)
    pool.register("tiny", folder, quick_manifest())
    return pool


def quick_manifest() -> Manifest:
    """Of a checkpoint that nobody loads."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return Manifest(
        architecture="GPT2LMHeadModel",
        parameters=1000,
        context_length=CONTEXT,
        vocabulary_size=VOCABULARY,
        hidden_size=32,
        files=tuple(FileEntry(name=name, size=1, sha256="0" * 64) for name in names),
    )


class Asked:
    """A request given to a pool, and what was heard of it."""

    def __init__(self, pool: WorkerPool, share: Share, *, tokens: int = 4, seed: int = 1) -> None:
        self.share = share
        self.events: list[RunEvent] = []
        self.begun = threading.Event()
        request = GenerationRequest(prompts=((1, 2),), max_tokens=tokens, seed=seed)
        self.ticket: Ticket = pool.submit("tiny", request, self._hear, share=share)

    def _hear(self, event: RunEvent) -> None:
        self.events.append(event)
        self.begun.set()

    @property
    def last(self) -> RunEvent:
        """The event that it ended with."""
        assert self.ticket.wait(WAIT_S)
        return self.events[-1]
