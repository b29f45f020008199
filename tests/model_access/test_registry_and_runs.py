"""The rules of checkpoints and runs: registered once, moved by single steps; started once, settled once."""

from datetime import UTC, datetime
from itertools import product

import pytest

from agreements.access import Basis
from agreements.actors import LAB, Actor, Membership, Role
from agreements.deciders import Event
from agreements.errors import Conflict, Forbidden
from agreements.scopes import Operation
from model_access.manifest import FileEntry, Manifest
from model_access.registry import CHECKPOINT, ChangeStage, Checkpoint, CheckpointCommand, RegisterCheckpoint
from model_access.runs import RUN, CompleteRun, FailRun, Run, RunCommand, RunStatus, RunTerms, StartRun
from model_access.stages import Stage

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ADA = Actor(person_id="ada", name="Ada", memberships=(Membership(institution_id=LAB, role=Role.COORDINATOR),))
OTHERS = [
    Actor(person_id="rae", name="Rae", memberships=(Membership(institution_id=LAB, role=Role.RESEARCHER),)),
    Actor(person_id="ben", name="Ben", memberships=(Membership(institution_id="north", role=Role.PARTNER_LEAD),)),
    Actor(person_id="mal", name="Mal", memberships=(Membership(institution_id="north", role=Role.COORDINATOR),)),
    Actor.automatic("rule"),
]
MANIFEST = Manifest(
    architecture="GPT2LMHeadModel",
    parameters=1000,
    context_length=64,
    vocabulary_size=320,
    hidden_size=32,
    files=tuple(
        FileEntry(name=name, size=1, sha256="0" * 64) for name in ("config.json", "model.safetensors", "tokenizer.json")
    ),
)
REGISTER = RegisterCheckpoint(checkpoint_id="ladder-l", family="ladder", manifest=MANIFEST)
SETTLER = Actor.automatic("run-settler")


def checkpoint(command: CheckpointCommand, state: Checkpoint, actor: Actor = ADA) -> Checkpoint:
    return CHECKPOINT.fold(CHECKPOINT.decide(state, command, actor, NOW), state)


def run(command: RunCommand, state: Run) -> Run:
    return RUN.fold(RUN.decide(state, command, SETTLER, NOW), state)


def test_a_checkpoint_is_registered_withheld_and_pinned() -> None:
    registered = checkpoint(REGISTER, Checkpoint())
    assert (registered.stage, registered.digest, registered.parameters) == (Stage.WITHHELD, MANIFEST.digest, 1000)
    with pytest.raises(Conflict) as refusal:
        checkpoint(REGISTER, registered)
    assert refusal.value.code == "checkpoint_exists"


@pytest.mark.parametrize("actor", OTHERS, ids=lambda actor: actor.name)
def test_only_the_labs_coordinators_register_and_move(actor: Actor) -> None:
    registered = checkpoint(REGISTER, Checkpoint())
    move = ChangeStage(decision_id="rel_1", from_stage=Stage.WITHHELD, to_stage=Stage.PARTNER_ACCESS)
    for command, state in ((REGISTER, Checkpoint()), (move, registered)):
        with pytest.raises(Forbidden):
            checkpoint(command, state, actor)


@pytest.mark.parametrize(("at", "to"), list(product(Stage, Stage)))
def test_a_checkpoint_moves_by_single_steps_from_where_it_is(at: Stage, to: Stage) -> None:
    state = checkpoint(REGISTER, Checkpoint()).model_copy(update={"stage": at})
    if to in {at.next, at.previous}:
        moved = checkpoint(ChangeStage(decision_id="rel_1", from_stage=at, to_stage=to), state)
        assert (moved.stage, moved.decision_ids) == (to, ("rel_1",))
    else:
        with pytest.raises(Conflict):
            checkpoint(ChangeStage(decision_id="rel_1", from_stage=at, to_stage=to), state)
    for elsewhere in set(Stage) - {at}:
        with pytest.raises(Conflict) as refusal:
            checkpoint(ChangeStage(decision_id="rel_1", from_stage=elsewhere, to_stage=to), state)
        assert refusal.value.code == "stage_moved_meanwhile"


TERMS = RunTerms(
    run_id="run_1",
    checkpoint_id="ladder-l",
    manifest_digest=MANIFEST.digest,
    person_id="cleo",
    institution_id="north",
    basis=Basis.GRANT,
    grant_id="grt_1",
    agreement_digest="sha256:" + "b" * 64,
    token_id=None,
    purpose="misuse-analysis",
    operation=Operation.GENERATE,
    parameters={"max_tokens": 4},
    seed=7,
    reserved_tokens=8,
)
COMPLETE = CompleteRun(
    receipt={"payload": ""}, receipt_digest="sha256:" + "c" * 64, lab_key="d" * 64, prompt_tokens=4, completion_tokens=3
)
FAIL = FailRun(code="worker_died", message="It ended.", prompt_tokens=4, completion_tokens=1, charged_tokens=5)


def test_a_run_that_completes_is_charged_for_what_it_used_and_keeps_its_receipt() -> None:
    ended = run(COMPLETE, run(StartRun(terms=TERMS), Run()))
    assert (ended.status, ended.charged_tokens, ended.receipt) == (RunStatus.COMPLETED, 7, {"payload": ""})


def test_a_run_that_fails_says_why() -> None:
    ended = run(FAIL, run(StartRun(terms=TERMS), Run()))
    assert (ended.status, ended.charged_tokens, ended.failure_code) == (RunStatus.FAILED, 5, "worker_died")
    assert ended.receipt is None


@pytest.mark.parametrize("end", [COMPLETE, FAIL])
def test_a_run_is_started_once_and_settled_once(end: RunCommand) -> None:
    with pytest.raises(Conflict):
        run(end, Run())
    started = run(StartRun(terms=TERMS), Run())
    with pytest.raises(Conflict):
        run(StartRun(terms=TERMS), started)
    ended = run(end, started)
    for again in (COMPLETE, FAIL, StartRun(terms=TERMS)):
        with pytest.raises(Conflict):
            run(again, ended)


def test_events_are_read_back_as_they_were_written() -> None:
    started = run(StartRun(terms=TERMS), Run())
    for events in (
        CHECKPOINT.decide(Checkpoint(), REGISTER, ADA, NOW),
        RUN.decide(Run(), StartRun(terms=TERMS), SETTLER, NOW),
        RUN.decide(started, COMPLETE, SETTLER, NOW),
        RUN.decide(started, FAIL, SETTLER, NOW),
    ):
        for event in events:
            assert Event.parse(event.type_name, event.body()) == event
