"""Fifty deaths of a worker under load: who fails, what is charged, and what is left behind.

The worker is a stand-in without a model, but a process of its own: it is killed as any is. Everything else is real.
"""

import gc
import itertools
import os
import signal
from pathlib import Path

import psutil
import pytest

from agreements.errors import Unavailable
from model_access.runs import RunStatus
from model_access.worker import WorkerPool
from model_access.worker.tickets import InFlight
from portal.services.active import ActiveRun
from tests.model_access.conftest import save_tokenizer
from tests.model_access.worker.queue_stand import ENDLESS, quick
from tests.portal.services.world import PURPOSE, World, ask

DEATHS = 50


@pytest.fixture
def pool(world: World, monkeypatch: pytest.MonkeyPatch) -> WorkerPool:
    """The real pool in the place of the world's, one request at a time."""
    world.checkpoint("ladder-l")
    manifest = world.portal.checkpoints.state("ladder-l").manifest
    assert manifest is not None
    folder: Path = world.settings.checkpoints_dir / manifest.digest.removeprefix("sha256:")
    folder.mkdir(parents=True)
    save_tokenizer(folder)
    monkeypatch.setattr("model_access.worker.process.launch", quick)
    pool = WorkerPool(world.portal.sandbox, slots=1)
    world.pool = pool  # type: ignore[assignment]  # as the world takes up whatever it has when it opens again
    world.reopen()
    # A second passes with every look at the clock of rates, so that no grant's limit by the minute is met.
    seconds = itertools.count()
    monkeypatch.setattr(world.portal.meter, "_monotonic", lambda: float(next(seconds)))
    return pool


def begin(world: World, seed: int) -> ActiveRun:
    """A run of cleo's that has two tokens to give, or goes on for ever."""
    request = ask("the", max_tokens=2, seed=seed)
    return world.portal.runs.begin(world.actor("cleo"), "ladder-l", request, purpose=PURPOSE)


def held() -> int:
    """How many requests in flight this process still knows, those of earlier tests too."""
    gc.collect()
    return sum(type(one) is InFlight for one in gc.get_objects())


def test_fifty_deaths_fail_what_ran_and_nothing_else(world: World, pool: WorkerPool) -> None:
    grant = world.grant(token_budget=1_000_000).id
    begin(world, 1).result()
    here = psutil.Process()
    charged = 3  # the run above: one token read, two written
    before = (here.num_fds(), here.num_threads(), held())
    served = pool.status()[0].pid
    others = {child.pid for child in here.children()} - {served}
    for death in range(DEATHS):
        running = begin(world, ENDLESS)
        next(running.deltas())
        waiting = begin(world, 1 + death)
        pid = pool.status()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Unavailable) as failure:
            running.result()
        assert (failure.value.code, failure.value.retry_after_s) == ("worker_died", 1.0)
        settled = world.portal.runs.get(world.actor("cleo"), running.run_id)
        assert (settled.status, settled.charged_tokens) == (RunStatus.FAILED, 2)
        charged += 2
        assert waiting.result().run.status is RunStatus.COMPLETED
        charged += 3
    view = world.portal.grants.get(world.actor("ada"), grant)
    assert (view.used_tokens, view.held_tokens) == (charged, 0)
    (status,) = pool.status()
    assert (status.restarts, status.slots_in_use, status.waiting) == (DEATHS, 0, 0)
    assert {child.pid for child in here.children()} - others == {status.pid}
    assert here.num_fds() <= before[0] + 2
    assert here.num_threads() <= before[1] + 2
    del running, waiting, failure
    assert held() <= before[2] + 2
