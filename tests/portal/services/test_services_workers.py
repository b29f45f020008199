"""What coordinators see and do about model workers: reports, weights, evictions and halts."""

from typing import Any

import pytest

from agreements.errors import Conflict, Forbidden, Invalid, NotFound, Withdrawn
from model_access.batches import BatchStatus
from model_access.runs import RunStatus
from model_access.worker import InstitutionLine, WorkerState
from portal.services.explaining import ExplainService
from portal.services.kernel import Kernel
from tests.portal.services.batch_world import row, submit
from tests.portal.services.world import PURPOSE, World, ask


@pytest.fixture
def grant(world: World) -> str:
    """A grant of north's for a withheld checkpoint."""
    world.checkpoint("ladder-l")
    return world.grant(token_budget=1000).id


def test_the_report_shows_workers_queues_and_shares_to_coordinators_alone(world: World, grant: str) -> None:
    world.pool.lines = (
        InstitutionLine(
            institution_id="north", waiting=3, waiting_batch=1, waiting_tokens=60, running=1, served_tokens=400
        ),
        InstitutionLine(institution_id="", waiting=0, waiting_batch=0, waiting_tokens=0, running=0, served_tokens=100),
    )
    found = world.portal.workers.report(world.actor("ada"))
    (worker,) = found.workers
    assert (worker.status.checkpoint_id, worker.status.state, worker.halted) == ("ladder-l", WorkerState.COLD, False)
    assert [(share.institution_name, share.served_tokens, share.weight) for share in found.shares] == [
        (world.portal.institutions.get("north").name, 400, 1.0),
        ("People on their own", 100, 1.0),
    ]
    assert found.memory_budget_bytes == world.settings.worker_memory_bytes
    for name in ("ben", "cleo", "eve"):
        with pytest.raises(Forbidden):
            world.portal.workers.report(world.actor(name))


def test_a_weight_is_recorded_used_at_once_and_kept(world: World, grant: str) -> None:
    ada, workers = world.actor("ada"), world.portal.workers
    assert world.pool.weight_of("north") == 1.0
    workers.set_weight(ada, "north", weight=2.5, reason="They carry the evaluation.")
    assert world.pool.weight_of("north") == 2.5
    world.reopen()
    assert world.pool.weight_of("north") == 2.5
    with pytest.raises(Invalid):
        world.portal.workers.set_weight(ada, "north", weight=0.0, reason="None at all.")
    with pytest.raises(Forbidden):
        world.portal.workers.set_weight(world.actor("ben"), "north", weight=9.0, reason="We want more.")
    with pytest.raises(NotFound):
        world.portal.workers.set_weight(ada, "nowhere", weight=2.0, reason="Nobody is there.")


@pytest.mark.parametrize(("who", "weight"), [("ada", 2.5), ("ben", 2.5), ("nina", 2.5), ("dan", 1.0), ("rae", 1.0)])
def test_a_weight_is_told_to_its_institution_and_the_coordinators(world: World, who: str, weight: float) -> None:
    institutions, actor = world.portal.institutions, world.actor(who)
    world.portal.workers.set_weight(world.actor("ada"), "north", weight=2.5, reason="They carry the evaluation.")
    assert institutions.look_up(actor, "north").weight == weight
    assert {one.id: one.weight for one in institutions.list(actor)}["north"] == weight


def test_of_two_weights_at_once_the_one_that_is_recorded_last_holds(
    world: World, grant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, workers = world.actor("ada"), world.portal.workers
    execute = Kernel.execute

    def overtaken(*args: Any, **more: Any) -> Any:
        done = execute(*args, **more)
        monkeypatch.setattr(Kernel, "execute", execute)
        workers.set_weight(ada, "north", weight=3.0, reason="Meanwhile.")
        return done

    monkeypatch.setattr(Kernel, "execute", overtaken)
    workers.set_weight(ada, "north", weight=2.0, reason="At first.")
    assert world.pool.weight_of("north") == 3.0


def test_a_worker_is_evicted_by_coordinators(world: World, grant: str) -> None:
    with pytest.raises(Forbidden):
        world.portal.workers.evict(world.actor("ben"), "ladder-l")
    with pytest.raises(NotFound):
        world.portal.workers.evict(world.actor("ada"), "ladder-x")
    assert world.portal.workers.evict(world.actor("ada"), "ladder-l").checkpoint_id == "ladder-l"
    assert world.pool.stopped == ["ladder-l"]


def test_a_halt_stops_what_runs_and_lets_nothing_begin_until_it_is_lifted(world: World, grant: str) -> None:
    portal, ada, cleo = world.portal, world.actor("ada"), world.actor("cleo")
    world.pool.holds = True
    world.pool.on_cancel = lambda: world.pool.cancelled[-1].stop(completion_tokens=2)
    run = portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    world.pool.asked[-1].say(" the", " sea")
    world.pool.lines = (
        InstitutionLine(
            institution_id="north", waiting=1, waiting_batch=0, waiting_tokens=8, running=0, served_tokens=0
        ),
    )
    foreseen = portal.workers.foresee(ada, "ladder-l")
    assert (foreseen.runs, foreseen.waiting, foreseen.batches) == (1, 1, 0)
    assert foreseen.institutions == (portal.institutions.get("north").name,)

    done = portal.workers.halt(ada, "ladder-l", reason="A leak is being looked into.")
    assert done.stopped == 1
    assert world.pool.stopped == ["ladder-l"]
    assert isinstance(run.outcome.exception(), Withdrawn)
    ended = portal.runs.get(cleo, run.run_id)
    assert (ended.status, ended.failure_reason) == (RunStatus.FAILED, "checkpoint_halted")
    assert "A leak is being looked into" in ended.failure_message
    for actor in (cleo, ada):
        with pytest.raises(Forbidden) as refusal:
            portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE)
        assert refusal.value.code == "checkpoint_halted"
    with pytest.raises(Conflict):
        portal.workers.halt(ada, "ladder-l", reason="Once more.")
    act = portal.revocations.report(ada).items[0]
    assert (act.what, act.about, act.runs) == ("Checkpoint halted", "checkpoint/ladder-l", (run.run_id,))
    assert act.asked > 0
    assert act.still_open == 0

    portal.workers.lift(ada, "ladder-l", reason="It was nothing.")
    world.pool.holds = False
    assert portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE).result().run.status is RunStatus.COMPLETED
    with pytest.raises(Conflict):
        portal.workers.lift(ada, "ladder-l", reason="Once more.")


def test_a_halt_ends_batches_and_is_told_as_the_reason(world: World, grant: str) -> None:
    portal, ada, cleo = world.portal, world.actor("ada"), world.actor("cleo")
    world.pool.holds = True
    world.pool.on_cancel = lambda: stop_once(world)
    batch = submit(world, cleo, row(1), row(2))
    portal.batch_runner.step()
    portal.batch_runner.step()
    assert portal.workers.foresee(ada, "ladder-l").batches == 1
    portal.workers.halt(ada, "ladder-l", reason="A leak is being looked into.")
    portal.batch_runner.drain()
    ended = portal.batches.get(cleo, batch.id)
    assert ended.status is BatchStatus.FAILED
    assert [problem.code for problem in ended.problems] == ["checkpoint_halted"]


def stop_once(world: World) -> None:
    """End what was cancelled last, as an engine does that hears of it for the first time."""
    last = world.pool.cancelled[-1]
    if world.pool.cancelled.count(last) == 1:
        last.stop(completion_tokens=0)


@pytest.mark.parametrize("who", ["ben", "cleo", "eve"])
def test_partners_neither_halt_nor_lift_nor_look_ahead(world: World, grant: str, who: str) -> None:
    actor, workers = world.actor(who), world.portal.workers
    for act in (
        lambda: workers.halt(actor, "ladder-l", reason="We would rather not."),
        lambda: workers.lift(actor, "ladder-l", reason="We would rather."),
        lambda: workers.foresee(actor, "ladder-l"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_why_names_the_halt(world: World, grant: str) -> None:
    world.portal.workers.halt(world.actor("ada"), "ladder-l", reason="A leak is being looked into.")
    explaining: ExplainService = world.portal.explaining
    told = explaining.explain(world.actor("cleo"), checkpoint="ladder-l", purpose=PURPOSE)
    assert "checkpoint_halted" in told.model_dump_json()
    assert "A leak is being looked into" in told.model_dump_json()
