"""A worker that is told to end: at any moment, and without taking anything more on."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from model_access.build import Precision
from model_access.conversations import Conversation, Message
from model_access.generation import GenerationRequest
from model_access.sandbox.profile import UNSAFE
from model_access.worker import Ticket
from model_access.worker.frames import Submit, encode
from model_access.worker.process import WorkerProcess
from model_access.worker.tickets import InFlight
from tests.model_access.worker.queue_stand import WAIT_S, quick, quick_manifest

REQUEST = GenerationRequest(prompts=((1,),), seed=1)
TALK = Conversation(messages=(Message(role="user", content="Hello"),))


def worker_in(folder: Path, ended: list[WorkerProcess]) -> WorkerProcess:
    """One that was not started yet; ``ended`` hears of its end."""
    return WorkerProcess(
        UNSAFE,
        folder,
        quick_manifest(),
        memory_limit_bytes=1 << 30,
        threads=1,
        precision=Precision.FLOAT32,
        on_end=ended.append,
    )


def takes(worker: WorkerProcess) -> bool:
    """Whether it takes a request on."""
    in_flight = InFlight(REQUEST, (1,), 10, lambda _: None)
    return worker.submit(0, encode(Submit(ticket=0, request=REQUEST)), in_flight, Ticket(lambda: None))


def test_a_worker_told_to_end_while_it_is_being_started_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[WorkerProcess] = []
    started: list[subprocess.Popen[bytes]] = []
    worker = worker_in(tmp_path, ended)

    def launched(*_: Any, **__: Any) -> "subprocess.Popen[bytes]":
        started.append(quick())
        worker.kill("stopped")
        return started[0]

    monkeypatch.setattr("model_access.worker.process.launch", launched)
    worker.start()
    worker.join(WAIT_S)
    assert ended == [worker]
    assert started[0].poll() is not None
    assert worker.end_code == "stopped"


def test_a_worker_told_to_end_takes_nothing_more_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_access.worker.process.launch", quick)
    worker = worker_in(tmp_path, [])
    # Before it is started, so that it is told to end and cannot have ended.
    assert takes(worker)
    worker.kill("evicted")
    assert not takes(worker)
    assert worker.render(1, TALK) is None
    worker.start()
    worker.join(WAIT_S)
