"""The screen of workers, and the kill switch on a checkpoint's card."""

import pytest

from agreements.actors import Actor
from agreements.errors import Forbidden
from model_access.worker import InstitutionLine, WorkerState, WorkerStatus
from portal.services.workers import HaltConsequences
from tests.portal.pages.pages_world import World, click, said

WARM = WorkerStatus(
    checkpoint_id="ladder-l",
    state=WorkerState.READY,
    profile="bubblewrap+seccomp/1",
    pid=4711,
    rss_bytes=300 << 20,
    memory_limit_bytes=1100 << 20,
    restarts=2,
    in_flight=1,
    last_error="worker_stalled",
    slots=32,
    slots_in_use=1,
    waiting=3,
    tokens_per_s=123.4,
)


def test_workers_show_what_they_do_and_who_waits(world: World) -> None:
    failed = WARM.model_copy(update={"checkpoint_id": "ladder-s", "pid": None, "state": "failed", "backs_off_s": 8.0})
    world.pool.workers = [WARM, failed]
    world.pool.lines = (
        InstitutionLine(
            institution_id="northfield", waiting=3, waiting_batch=2, waiting_tokens=90, running=1, served_tokens=200
        ),
    )
    app = world.screen(world.coordinator, "workers")
    words = said(app) + "".join(str(table.value.to_dict()) for table in app.table)
    for shown in (
        "warm",
        "backing off, 8 s",
        "300 of 1,100 MiB",
        "1 of 32",
        "123 tokens a second",
        "stopped answering",
    ):
        assert shown in words, shown
    (frame,) = (one.value for one in app.dataframe)
    assert list(frame["Tokens served"]) == [400]
    click(app, "worker.evict.ladder-l.open")
    assert "Nothing is under way on it now." in said(app)
    click(app, "worker.evict.ladder-l.confirm")
    assert world.pool.stopped == ["ladder-l"]


def test_what_cannot_be_foreseen_is_not_confirmed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_actor: Actor, _checkpoint_id: str) -> HaltConsequences:
        raise Forbidden("not_coordinator", "Only a coordinator sees and ends the model workers.")

    world.pool.workers = [WARM]
    app = world.screen(world.coordinator, "workers")
    monkeypatch.setattr(world.portal.workers, "foresee", refuse)
    click(app, "worker.evict.ladder-l.open")
    assert not app.exception
    assert "not_coordinator" in said(app)
    assert not any(button.key == "worker.evict.ladder-l.confirm" for button in app.button)


def test_a_weight_is_set_with_its_reason(world: World) -> None:
    app = world.screen(world.coordinator, "workers")
    assert "No checkpoint is served." in said(app)
    app.selectbox(key="workers.weight.institution").set_value("northfield").run()
    app.number_input(key="workers.weight.value.northfield").set_value(2.5)
    app.text_input(key="workers.weight.reason").set_value("They carry the evaluation.")
    click(app, "workers.weight.submit")
    assert world.portal.institutions.get("northfield").weight == 2.5


def test_a_checkpoint_is_halted_and_opened_again_on_its_card(world: World) -> None:
    world.grant()
    app = world.screen(world.coordinator, "checkpoints")
    click(app, "checkpoint.halt.ladder-l.open")
    assert "Nothing begins on it any more" in said(app)
    app.text_area(key="checkpoint.halt.ladder-l.reason").set_value("A leak is being looked into.")
    click(app, "checkpoint.halt.ladder-l.confirm")
    assert "ladder-l" in world.pool.stopped
    for person in (world.coordinator, world.lead):
        words = said(world.screen(person, "checkpoints"))
        assert "A leak is being looked into" in words
        assert "halted" in words
    why = world.screen(world.lead, "explain", checkpoint="ladder-l", purpose="misuse-analysis")
    assert "A leak is being looked into" in said(why)
    assert "Checkpoint halted" in said(world.screen(world.coordinator, "revocations"))
    app = world.screen(world.coordinator, "checkpoints")
    click(app, "checkpoint.lift.ladder-l.open")
    app.text_area(key="checkpoint.lift.ladder-l.reason").set_value("It was nothing.")
    click(app, "checkpoint.lift.ladder-l.confirm")
    assert world.portal.checkpoints.state("ladder-l").halt is None
