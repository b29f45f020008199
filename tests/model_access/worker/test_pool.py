"""The pool on real, sandboxed workers."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from agreements.errors import Conflict, Invalid, NotFound, Unavailable
from model_access.build import Precision
from model_access.generation import ChoiceDelta, ChoiceResult, Failed, Finished, GenerationRequest, RunEvent
from model_access.manifest import Manifest, build_manifest
from model_access.sandbox import SandboxProfile, choose, detect
from model_access.worker import Ticket, WorkerPool, WorkerState

pytestmark = pytest.mark.sandbox

WAIT_S = 120.0
LONG = GenerationRequest(prompts=("the",), max_tokens=90, n=64, seed=3, temperature=2.0)
SHORT = GenerationRequest(prompts=("the theory",), max_tokens=8, seed=3)


@pytest.fixture(scope="module")
def profile() -> SandboxProfile:
    return choose(detect())


@pytest.fixture(scope="module")
def manifest(tiny_checkpoint: Path) -> Manifest:
    return build_manifest(tiny_checkpoint)


@pytest.fixture(scope="module")
def pool(profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest) -> Iterator[WorkerPool]:
    with WorkerPool(profile) as pool:
        pool.register("tiny", tiny_checkpoint, manifest)
        yield pool


class Listener:
    """Collects events and says when the first has come."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self.first = threading.Event()

    def __call__(self, event: RunEvent) -> None:
        self.events.append(event)
        self.first.set()


def started(pool: WorkerPool, request: GenerationRequest = LONG) -> tuple[Listener, Ticket]:
    """A request that has begun to answer."""
    listener = Listener()
    ticket = pool.submit("tiny", request, listener)
    assert listener.first.wait(WAIT_S)
    return listener, ticket


def test_a_request_is_answered_and_repeats_with_its_seed(pool: WorkerPool) -> None:
    choices, finished = pool.run("tiny", SHORT, timeout_s=WAIT_S)
    assert len(choices) == 1
    assert choices[0].text == finished.choices[0].text
    assert finished.prompt_tokens == pool.count_tokens("tiny", SHORT) == len(pool.tokenize("tiny", ["the theory"])[0])
    assert finished.completion_tokens == len(finished.choices[0].token_ids)
    assert pool.run("tiny", SHORT, timeout_s=WAIT_S) == (choices, finished)
    (status,) = pool.status()
    assert (status.state, status.profile, status.in_flight) == (WorkerState.READY, pool.profile.id, 0)
    assert 0 < status.rss_bytes < status.memory_limit_bytes
    assert status.pid is not None


def test_token_prompts_mean_the_same_as_their_text(pool: WorkerPool) -> None:
    ids = tuple(pool.tokenize("tiny", ["the theory"])[0])
    as_tokens = SHORT.model_copy(update={"prompts": (ids,)})
    assert pool.run("tiny", as_tokens, timeout_s=WAIT_S) == pool.run("tiny", SHORT, timeout_s=WAIT_S)
    assert pool.detokenize("tiny", ids) == "the theory"


def test_a_prompt_is_scored(pool: WorkerPool) -> None:
    request = GenerationRequest(prompts=("the theory of that",), max_tokens=0, echo=True, logprobs=2, seed=0)
    (choice,), finished = pool.run("tiny", request, timeout_s=WAIT_S)
    assert choice.text == "the theory of that"
    assert choice.logprobs is not None
    assert len(choice.logprobs.tokens) == finished.prompt_tokens
    assert finished.completion_tokens == 0


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("empty_prompt", GenerationRequest(prompts=("",), seed=0)),
        ("token_out_of_vocabulary", GenerationRequest(prompts=((320,),), seed=0)),
        ("prompt_too_long", GenerationRequest(prompts=("the",), max_tokens=96, seed=0)),
        ("nothing_to_do", GenerationRequest(prompts=("the",), max_tokens=0, seed=0)),
    ],
)
def test_a_bad_request_is_refused_before_it_costs_anything(
    pool: WorkerPool, code: str, request_: GenerationRequest
) -> None:
    with pytest.raises(Invalid) as refusal:
        pool.submit("tiny", request_, Listener())
    assert refusal.value.code == code


def test_many_requests_at_once_get_their_own_answers(pool: WorkerPool) -> None:
    requests = [SHORT.model_copy(update={"seed": seed, "temperature": 0.0 if seed % 2 else 1.0}) for seed in range(12)]
    listeners = [Listener() for _ in requests]
    tickets = [pool.submit("tiny", request, listener) for request, listener in zip(requests, listeners, strict=True)]
    assert all(ticket.wait(WAIT_S) for ticket in tickets)
    for request, listener in zip(requests, listeners, strict=True):
        assert isinstance(listener.events[-1], Finished)
        assert listener.events[-1] == pool.run("tiny", request, timeout_s=WAIT_S)[1]


def test_cancelling_ends_between_two_tokens(pool: WorkerPool) -> None:
    listener, ticket = started(pool)
    ticket.cancel()
    assert ticket.wait(WAIT_S)
    last = listener.events[-1]
    assert isinstance(last, Failed)
    assert (last.code, last.retriable) == ("cancelled", False)
    delivered = sum(len(event.token_ids) for event in listener.events if isinstance(event, ChoiceDelta))
    assert delivered <= last.completion_tokens < 90 * 64
    ticket.cancel()
    assert isinstance(pool.run("tiny", SHORT, timeout_s=WAIT_S)[1], Finished)


def test_a_killed_worker_fails_its_own_requests_and_the_next_one_works(pool: WorkerPool) -> None:
    listener, ticket = started(pool)
    (before,) = pool.status()
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    assert ticket.wait(WAIT_S)
    last = listener.events[-1]
    assert isinstance(last, Failed)
    assert (last.code, last.retriable) == ("worker_died", True)
    assert isinstance(last.error(), Unavailable)
    assert sum(isinstance(event, Failed | Finished) for event in listener.events) == 1
    assert isinstance(pool.run("tiny", SHORT, timeout_s=WAIT_S)[1], Finished)
    (after,) = pool.status()
    assert after.pid != before.pid
    assert (after.restarts, after.last_error) == (before.restarts + 1, "worker_died")


def running(pid: int) -> bool:
    """Whether the process has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_stopping_leaves_no_process_behind(pool: WorkerPool) -> None:
    listener, ticket = started(pool)
    pid = pool.status()[0].pid
    assert pid is not None
    pool.stop("tiny")
    assert ticket.wait(WAIT_S)
    last = listener.events[-1]
    assert isinstance(last, Failed)
    assert last.code == "stopped"
    deadline = time.monotonic() + WAIT_S
    while running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a killed process is gone when the kernel says so
    assert pool.status()[0].state is WorkerState.COLD
    assert isinstance(pool.run("tiny", SHORT, timeout_s=WAIT_S)[1], Finished)


def test_an_unknown_checkpoint_is_not_found(pool: WorkerPool) -> None:
    for ask in (pool.stop, pool.manifest):
        with pytest.raises(NotFound):
            ask("absent")
    with pytest.raises(NotFound):
        pool.submit("absent", SHORT, Listener())


def test_an_id_stands_for_one_digest(pool: WorkerPool, tiny_checkpoint: Path, manifest: Manifest) -> None:
    pool.register("tiny", tiny_checkpoint, manifest)
    with pytest.raises(Conflict) as refusal:
        pool.register("tiny", tiny_checkpoint, manifest.model_copy(update={"hidden_size": 33}))
    assert refusal.value.code == "checkpoint_id_taken"


def test_a_changed_checkpoint_is_refused_by_the_worker_and_backs_off(
    profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "changed"))
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    with WorkerPool(profile) as pool:
        pool.register("changed", folder, manifest)
        (folder / "model.safetensors").write_bytes(weights)
        for _ in range(2):
            with pytest.raises(Unavailable) as refusal:
                pool.run("changed", SHORT, timeout_s=WAIT_S)
            assert refusal.value.code == "checkpoint_changed"
        with pytest.raises(Unavailable) as refusal:
            pool.submit("changed", SHORT, Listener())
        assert refusal.value.code == "worker_backing_off"
        assert refusal.value.retry_after_s is not None
        assert pool.status()[0].state is WorkerState.FAILED


def test_the_memory_budget_evicts_the_idle_and_never_the_busy(
    profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest
) -> None:
    limit = (1 << 30) + 3 * manifest.weight_bytes
    with WorkerPool(profile, memory_budget_bytes=limit + limit // 2) as pool:
        pool.register("tiny", tiny_checkpoint, manifest)
        pool.register("second", tiny_checkpoint, manifest)
        _, ticket = started(pool)
        with pytest.raises(Unavailable) as refusal:
            pool.submit("second", SHORT, Listener())
        assert refusal.value.code == "no_memory_for_worker"
        ticket.cancel()
        assert ticket.wait(WAIT_S)
        pool.run("second", SHORT, timeout_s=WAIT_S)
        assert [status.state for status in pool.status()] == [WorkerState.COLD, WorkerState.READY]


def test_a_worker_over_its_memory_is_ended(
    profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WorkerPool(profile) as pool:
        pool.register("tiny", tiny_checkpoint, manifest)
        listener, ticket = started(pool)
        monkeypatch.setattr("model_access.worker.process.WorkerProcess.rss_bytes", lambda _: 1 << 50)
        assert ticket.wait(WAIT_S)
        last = listener.events[-1]
        while isinstance(last, Finished):
            # It was done before anybody looked at its memory: the machine is busy, and the next one will be caught.
            listener, ticket = started(pool)
            assert ticket.wait(WAIT_S)
            last = listener.events[-1]
        assert isinstance(last, Failed)
        assert (last.code, last.retriable) == ("over_memory", True)


def test_a_silent_worker_is_ended(profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest) -> None:
    with WorkerPool(profile, stall_timeout_s=3.0) as pool:
        pool.register("tiny", tiny_checkpoint, manifest)
        listener, ticket = started(pool)
        pid = pool.status()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        assert ticket.wait(WAIT_S)
        last = listener.events[-1]
        assert isinstance(last, Failed)
        assert last.code == "worker_stalled"


def test_an_idle_worker_is_let_go(profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest) -> None:
    with WorkerPool(profile, idle_timeout_s=0.0) as pool:
        pool.register("tiny", tiny_checkpoint, manifest)
        pool.run("tiny", SHORT, timeout_s=WAIT_S)
        pool.run("tiny", SHORT, timeout_s=WAIT_S)
        assert pool.status()[0].last_error is None


def test_a_closed_pool_takes_nothing(profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest) -> None:
    pool = WorkerPool(profile)
    pool.register("tiny", tiny_checkpoint, manifest)
    pool.close()
    with pytest.raises(Unavailable) as refusal:
        pool.submit("tiny", SHORT, Listener())
    assert refusal.value.code == "pool_closed"


def test_every_offered_profile_serves(tiny_checkpoint: Path, manifest: Manifest) -> None:
    answers = []
    for profile in detect().profiles:
        with WorkerPool(profile) as pool:
            pool.register("tiny", tiny_checkpoint, manifest)
            answers.append(pool.run("tiny", SHORT, timeout_s=WAIT_S))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("precision", [Precision.BFLOAT16, Precision.INT8])
def test_a_pool_computes_in_the_precision_it_was_given(
    profile: SandboxProfile, tiny_checkpoint: Path, manifest: Manifest, precision: Precision
) -> None:
    with WorkerPool(profile, precision=precision) as pool:
        pool.register("tiny", tiny_checkpoint, manifest)
        request = SHORT.model_copy(update={"echo": True, "logprobs": 0, "max_tokens": 0})
        (choice,), end = pool.run("tiny", request, timeout_s=WAIT_S)
    assert end.products is not None
    assert (end.products.weight_bits in (7, 8)) is (precision is Precision.INT8)
    (plain,), _ = _alone(tiny_checkpoint, manifest, profile, request)
    assert choice.logprobs is not None
    assert plain.logprobs is not None
    assert choice.logprobs.token_logprobs[1:] != plain.logprobs.token_logprobs[1:]
    assert choice.logprobs.token_logprobs[1:] == pytest.approx(plain.logprobs.token_logprobs[1:], abs=0.5)


def _alone(
    folder: Path, manifest: Manifest, profile: SandboxProfile, request: GenerationRequest
) -> tuple[tuple[ChoiceResult, ...], Finished]:
    with WorkerPool(profile) as pool:
        pool.register("tiny", folder, manifest)
        return pool.run("tiny", request, timeout_s=WAIT_S)
