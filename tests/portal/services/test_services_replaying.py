"""Replays: who may make one, what it costs, what is refused before it costs anything, and what stays on record."""

from typing import Any

import pytest

from agreements.actors import Actor
from agreements.dsse import Envelope
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, Limited, NotFound, VerificationError
from agreements.keys import SigningKey
from model_access.receipts import RunStatement, receipt_file, sign_receipt, statement_of, verify_receipt
from model_access.registry import ChangeStage
from model_access.replay import Verdict
from model_access.runs import RunStatus
from model_access.stages import Stage
from portal.documents import verify_document
from portal.services.aggregates import CHECKPOINTS, RUNS
from portal.services.replaying import Replay
from tests.portal.services.world import ANSWER, PURPOSE, World, ask

PROMPT = ("once upon a time",)
OUTPUT = ("".join(ANSWER),)
PER_RUN = 8


@pytest.fixture
def run_id(world: World) -> str:
    """A run of Cleo's under a grant of north's for a withheld checkpoint, with room for one more."""
    world.checkpoint("ladder-l")
    world.grant(limits={"logit_bias": True}, token_budget=2 * PER_RUN)
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(logit_bias={5: 1.0}), purpose=PURPOSE)
    run.result()
    return run.run_id


def replay(world: World, run_id: str, name: str = "cleo", **more: Any) -> Replay:
    """A replay to its end."""
    given = {"prompts": PROMPT, **more}
    return world.portal.replaying.begin(world.actor(name), run_id, **given).result()


def refused(world: World, run_id: str, name: str = "cleo", **more: Any) -> ConcordatError:
    """Why it is refused; nothing is recorded and nothing charged."""
    before = world.size, len(world.pool.asked)
    with pytest.raises(ConcordatError) as refusal:
        replay(world, run_id, name, **more)
    assert (world.size, len(world.pool.asked)) == before
    return refusal.value


def test_it_is_a_run_of_its_own_and_its_receipt_says_what_came_of_it(world: World, run_id: str) -> None:
    told = replay(world, run_id)
    assert (told.comparison.verdict, told.replays, told.outputs) == (Verdict.IDENTICAL, run_id, OUTPUT)
    assert told.comparison.circumstances == ()
    runs, cleo = world.portal.runs, world.actor("cleo")
    made = runs.get(cleo, told.run_id)
    assert made.terms is not None
    assert (made.status, made.charged_tokens, made.replay_identical) == (RunStatus.COMPLETED, PER_RUN, True)
    original = runs.get(cleo, run_id)
    data = runs.receipt(cleo, told.run_id)
    said = verify_receipt(data, vkey=world.portal.log.vkey).statement.predicate
    assert said.replays is not None
    assert (said.replays.run_id, said.replays.receipt_digest) == (run_id, original.receipt_digest)
    assert said.replays.identical
    assert (said.seed, said.purpose, said.grant_id) == (7, PURPOSE, made.terms.grant_id)
    assert world.pool.asked[0].request == world.pool.asked[1].request
    facts = {fact.name: fact.value for fact in verify_document(data, vkey=world.portal.log.vkey).facts}
    assert facts["replays"].startswith(f"{run_id}, identical")
    assert [one.terms.run_id for one in world.portal.replaying.of(cleo, run_id) if one.terms] == [told.run_id]
    assert runs.get(cleo, run_id).replay_identical is None


def test_what_parts_is_told_with_its_place(world: World, run_id: str) -> None:
    world.pool.words = (" the", " see", " was", " calm")
    told = replay(world, run_id, outputs=OUTPUT).comparison
    assert told.verdict is Verdict.PARTS
    assert told.where is not None
    assert (told.where.choice, told.where.token, told.where.then, told.where.now) == (0, 1, "a is calm", "e was calm")
    (made,) = world.portal.replaying.of(world.actor("cleo"), run_id)
    assert made.replay_identical is False
    said = statement_of(made.receipt).predicate.replays
    assert said is not None
    assert not said.identical


def test_without_the_original_it_parts_somewhere(world: World, run_id: str) -> None:
    world.pool.words = (" the", " see")
    told = replay(world, run_id).comparison
    assert (told.verdict, told.where, told.text_known) == (Verdict.PARTS, None, False)
    assert [one.name for one in told.endings] == ["tokens written"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"prompts": ("once upon a  time",)}, "not_the_prompt"),
        ({"prompts": (*PROMPT, *PROMPT)}, "not_the_prompt"),
        ({"prompts": ((1, 2),)}, "not_the_prompt"),
        ({"prompts": ()}, "not_the_prompt"),
        ({"outputs": ("the sea is calm",)}, "not_the_output"),
        ({"outputs": ()}, "not_the_output"),
        ({"purpose": "marketing"}, "purpose_not_granted"),
        ({"receipt": b"{}"}, "not_a_receipt"),
    ],
)
def test_what_is_not_proved_or_not_granted_is_not_run(
    world: World, run_id: str, more: dict[str, Any], code: str
) -> None:
    assert refused(world, run_id, **more).code == code


def test_a_run_that_one_may_not_see_is_not_there(world: World, run_id: str) -> None:
    for name in ("dan", "eve", "rae"):
        assert isinstance(refused(world, run_id, name), NotFound)
    assert isinstance(refused(world, "run_none"), NotFound)


def test_the_access_that_counts_is_that_of_whoever_replays_today(world: World, run_id: str) -> None:
    told = replay(world, run_id, "ada")
    made = world.portal.runs.get(world.actor("ada"), told.run_id)
    assert made.terms is not None
    assert (made.terms.basis, made.terms.grant_id) == ("lab", None)
    (grant, *_) = world.portal.grants.list(world.actor("ada"))
    world.portal.grants.revoke(world.actor("ada"), grant.grant.id, reason="a breach")
    assert isinstance(refused(world, run_id), Forbidden)
    assert world.portal.runs.get(world.actor("cleo"), run_id).status is RunStatus.COMPLETED


def test_it_draws_on_the_same_budget_as_any_run(world: World, run_id: str) -> None:
    replay(world, run_id)
    assert isinstance(refused(world, run_id), Limited)


def test_a_retired_checkpoint_is_not_asked_again(world: World) -> None:
    world.checkpoint("ladder-s", to=Stage.PUBLIC)
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-s", ask())
    run.result()
    move = ChangeStage(decision_id="rel_test", from_stage=Stage.PUBLIC, to_stage=Stage.RETIRED)
    world.portal.kernel.execute(CHECKPOINTS, "ladder-s", move, world.actor("ada"))
    for name in ("cleo", "ada"):
        assert refused(world, run.run_id, name).code == "checkpoint_retired"


def test_a_run_without_a_receipt_is_not_replayed(world: World, run_id: str) -> None:
    world.pool.holds = True
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    refusal = refused(world, run.run_id)
    assert isinstance(refusal, Conflict)
    assert refusal.code == "no_receipt"


def _forged(world: World, run_id: str, key: SigningKey) -> bytes:
    """The receipt with another seed, signed by somebody, with the log entry of the true one."""
    data = world.portal.runs.receipt(world.actor("cleo"), run_id)
    verified = verify_receipt(data)
    statement = RunStatement.about(verified.statement.predicate.model_copy(update={"seed": 8}))
    log = world.portal.store.log
    position = world.portal.store.events(f"run/{run_id}", types=["run:completed"])[0].position
    return receipt_file(sign_receipt(statement, key), log.evidence(position), log.vkey)


def test_a_receipt_with_another_seed_is_refused_whoever_signed_it(world: World, run_id: str) -> None:
    for key in (SigningKey.generate(), world.portal.kernel.lab_key):
        refusal = refused(world, run_id, receipt=_forged(world, run_id, key))
        assert isinstance(refusal, VerificationError)
        assert refusal.code == "other_receipt"


def test_a_receipt_with_a_changed_seed_under_the_old_signature_is_refused(world: World, run_id: str) -> None:
    data = world.portal.runs.receipt(world.actor("cleo"), run_id)
    envelope = Envelope.from_json(world.portal.runs.get(world.actor("cleo"), run_id).receipt)
    changed = envelope.model_copy(update={"payload": envelope.payload.replace(b'"seed":7', b'"seed":8')})
    assert changed != envelope
    log = world.portal.store.log
    position = world.portal.store.events(f"run/{run_id}", types=["run:completed"])[0].position
    forged = receipt_file(changed, log.evidence(position), log.vkey)
    assert forged != data
    assert isinstance(refused(world, run_id, receipt=forged), VerificationError)


def test_a_receipt_may_be_brought_and_has_to_be_of_that_run(world: World, run_id: str) -> None:
    own = world.portal.runs.receipt(world.actor("cleo"), run_id)
    told = replay(world, run_id, receipt=own)
    assert told.comparison.identical
    other = world.portal.runs.receipt(world.actor("cleo"), told.run_id)
    refusal = refused(world, run_id, receipt=other)
    assert isinstance(refusal, Invalid)
    assert refusal.code == "other_run"


def test_a_replay_is_replayed_like_any_run_and_known_after_a_restart(world: World, run_id: str) -> None:
    first = replay(world, run_id, "ada")
    second = replay(world, first.run_id, "ada")
    assert (second.replays, second.comparison.verdict) == (first.run_id, Verdict.IDENTICAL)
    world.reopen()
    ada: Actor = world.actor("ada")
    assert [run.terms.run_id for run in world.portal.replaying.of(ada, first.run_id) if run.terms] == [second.run_id]
    assert world.portal.kernel.state(RUNS, second.run_id).replay_identical is True
    assert world.portal.replaying.of(world.actor("dan"), run_id) == ()


def test_one_that_is_cut_off_has_no_verdict(world: World, run_id: str) -> None:
    world.pool.holds = True
    replaying = world.portal.replaying.begin(world.actor("cleo"), run_id, prompts=PROMPT)
    world.pool.asked[-1].fail()
    with pytest.raises(ConcordatError):
        replaying.result()
    (made,) = world.portal.replaying.of(world.actor("cleo"), run_id)
    assert (made.status, made.replay_identical) == (RunStatus.FAILED, None)
