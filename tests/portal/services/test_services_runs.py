"""Runs from request to receipt: what is reserved, settled, refused and proved, also under crowds and crashes."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, Limited, NotFound, Unavailable
from agreements.scopes import Operation
from model_access.conversations import Conversation, Message
from model_access.receipts import verify_receipt
from model_access.runs import RunStatus
from model_access.stages import Stage
from portal.composition import Portal
from portal.services.runs import INTERRUPTED, RunService, fresh_seed
from tests.portal.services.world import ANSWER, PURPOSE, World, ask

PER_RUN = 8
"""Tokens of ``ask()``: four words, four more."""


@pytest.fixture
def grant(world: World) -> str:
    """A grant of north's for a withheld checkpoint, with room for ten runs."""
    world.checkpoint("ladder-l")
    return world.grant(token_budget=10 * PER_RUN).id


def _used(world: World, grant: str) -> tuple[int, int]:
    view = world.portal.grants.get(world.actor("ada"), grant)
    return view.used_tokens, view.held_tokens


def test_a_run_leaves_a_receipt_that_verifies_offline(world: World, grant: str) -> None:
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    assert "".join(delta.text for delta in run.deltas()) == "".join(ANSWER)
    result = run.result()
    assert result.run.status is RunStatus.COMPLETED
    assert [choice.text for choice in result.choices] == ["".join(ANSWER)]
    assert _used(world, grant) == (PER_RUN, 0)
    data = world.portal.runs.receipt(world.actor("ben"), run.run_id)
    verified = verify_receipt(data, vkey=world.portal.log.vkey)
    said = verified.statement.predicate
    assert (said.run_id, said.grant_id, said.purpose, said.sandbox) == (
        run.run_id,
        grant,
        PURPOSE,
        world.portal.sandbox.id,
    )
    assert (said.engine.precision, said.engine.threads, said.logprobs_of) == ("float32", 1, None)
    assert said.prompts.matches(["once upon a time"])
    assert said.outputs.matches(["".join(ANSWER)])
    assert world.pool.asked[-1].holder == world.actor("cleo").person_id
    facts = world.portal.runs.facts(run.run_id, world.actor("cleo"))
    assert (facts.grant_id, facts.seed, facts.receipt_digest) == (grant, 7, result.run.receipt_digest)


def test_an_event_loop_reads_a_run_too(world: World, grant: str) -> None:
    async def read() -> tuple[str, RunStatus]:
        run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
        text = "".join([delta.text async for delta in run.adeltas()])
        return text, (await run.aresult()).run.status

    assert asyncio.run(read()) == ("".join(ANSWER), RunStatus.COMPLETED)


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, {Operation.GENERATE}),
        ({"logprobs": 2}, {Operation.GENERATE, Operation.LOGPROBS}),
        ({"echo": True}, {Operation.GENERATE}),
        ({"echo": True, "logprobs": 0}, {Operation.GENERATE, Operation.LOGPROBS, Operation.SCORE}),
        ({"max_tokens": 0, "echo": True}, {Operation.SCORE}),
        ({"max_tokens": 0, "echo": True, "logprobs": 5}, {Operation.SCORE}),
        ({"max_tokens": 0}, {Operation.GENERATE}),
    ],
)
def test_a_request_needs_each_permission_it_makes_use_of(fields: dict[str, Any], needed: set[Operation]) -> None:
    assert RunService.operations_for(ask(**fields)) == needed


@pytest.mark.parametrize(
    ("narrower", "asked", "purpose", "code"),
    [
        ({"operations": frozenset({Operation.GENERATE})}, {"logprobs": 1}, PURPOSE, "operation_not_granted"),
        ({"operations": frozenset({Operation.SCORE})}, {}, PURPOSE, "operation_not_granted"),
        ({"checkpoints": frozenset({"ladder/*"})}, {}, PURPOSE, "checkpoint_not_granted"),
        ({}, {}, None, "purpose_required"),
        ({}, {}, "marketing", "purpose_not_granted"),
    ],
)
def test_what_a_grant_does_not_open_is_refused(
    world: World, narrower: dict[str, Any], asked: dict[str, Any], purpose: str | None, code: str
) -> None:
    world.checkpoint("ladder-l")
    world.grant(**narrower)
    before = world.size
    with pytest.raises(Forbidden) as refusal:
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(**asked), purpose=purpose)
    assert refusal.value.code == code
    assert refusal.value.hint
    assert (world.size, world.pool.asked) == (before, [])


def test_a_checkpoint_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="no checkpoint 'ladder-z'"):
        world.portal.runs.begin(world.actor("ada"), "ladder-z", ask())


def test_a_request_that_does_not_fit_holds_nothing(world: World, grant: str) -> None:
    with pytest.raises(Invalid):
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(""), purpose=PURPOSE)
    assert _used(world, grant) == (0, 0)


def test_a_run_that_might_go_over_the_budget_is_refused_before_it_starts(world: World, grant: str) -> None:
    before = world.size
    with pytest.raises(Limited) as refusal:
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(max_tokens=10 * PER_RUN), purpose=PURPOSE)
    assert refusal.value.code == "budget_exhausted"
    assert (world.size, _used(world, grant)) == (before, (0, 0))


def test_the_rate_of_a_grant_holds_for_all_its_members_together(world: World) -> None:
    world.checkpoint("ladder-l")
    world.grant(requests_per_minute=2)
    for name in ("ben", "cleo"):
        world.portal.runs.begin(world.actor(name), "ladder-l", ask(), purpose=PURPOSE).result()
    with pytest.raises(Limited) as refusal:
        world.portal.runs.begin(world.actor("nina"), "ladder-l", ask(), purpose=PURPOSE)
    assert refusal.value.code == "rate_limited"
    assert refusal.value.retry_after_s is not None
    assert 0 < refusal.value.retry_after_s <= 60


def test_public_use_is_metered_by_person(world: World) -> None:
    world.checkpoint("ladder-s", to=Stage.PUBLIC)
    settings = world.settings
    most = settings.public_token_budget
    with pytest.raises(Limited):
        world.portal.runs.begin(world.actor("eve"), "ladder-s", ask(max_tokens=most))
    eve = world.portal.runs.begin(world.actor("eve"), "ladder-s", ask(max_tokens=most - 4)).result()
    assert eve.run.terms is not None
    assert (eve.run.terms.basis, eve.run.terms.purpose) == ("public", "public-use")
    assert world.portal.runs.begin(world.actor("olga"), "ladder-s", ask()).result().run.status is RunStatus.COMPLETED
    assert world.portal.runs.estimate(world.actor("eve"), "ladder-s", ask()).budget_left == most - PER_RUN


def test_an_estimate_costs_nothing_and_says_what_is_left(world: World, grant: str) -> None:
    before = world.size
    estimate = world.portal.runs.estimate(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    assert (estimate.prompt_tokens, estimate.most_tokens, estimate.budget_left) == (4, PER_RUN, 10 * PER_RUN)
    assert world.portal.runs.estimate(world.actor("ada"), "ladder-l", ask()).budget_left is None
    assert (world.size, _used(world, grant)) == (before, (0, 0))


def test_a_conversation_is_laid_out_for_nobody_whose_budget_is_used_up(
    world: World, grant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleo, runs = world.actor("cleo"), world.portal.runs
    talk = Conversation(messages=(Message(role="user", content="once upon a time"),))
    asked = ask().model_copy(update={"prompts": (talk,)})
    for _ in range(10):
        runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE).result()
    laid_out: list[object] = []
    monkeypatch.setattr(world.pool, "in_tokens", lambda *asked: laid_out.append(asked))
    for act in (runs.begin, runs.estimate):
        with pytest.raises(Limited) as refusal:
            act(cleo, "ladder-l", asked, purpose=PURPOSE)
        assert refusal.value.code == "budget_exhausted"
    assert laid_out == []


def test_a_crowd_never_gets_more_than_the_budget(world: World, grant: str) -> None:
    world.pool.holds = True
    cleo, start = world.actor("cleo"), threading.Barrier(64)

    def one(_: int) -> bool:
        start.wait()
        try:
            world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
        except Limited:
            return False
        return True

    with ThreadPoolExecutor(64) as crowd:
        begun = list(crowd.map(one, range(64)))
    assert sum(begun) == 10
    assert _used(world, grant) == (0, 10 * PER_RUN)
    assert len(world.pool.asked) == 10


def test_what_a_run_no_longer_holds_the_next_may_take_at_once(world: World) -> None:
    world.checkpoint("ladder-l")
    world.grant(token_budget=3 * PER_RUN, requests_per_minute=100)
    for _ in range(3):
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE).result()
    with pytest.raises(Limited):
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)


@pytest.mark.parametrize(("generated", "charged"), [(0, 0), (3, 7)])
def test_a_run_that_fails_is_charged_for_what_it_used(world: World, grant: str, generated: int, charged: int) -> None:
    world.pool.holds = True
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    world.pool.asked[0].fail(completion_tokens=generated)
    with pytest.raises(Unavailable, match="worker ended"):
        run.result()
    recorded = world.portal.runs.get(world.actor("cleo"), run.run_id)
    assert (recorded.status, recorded.failure_code, recorded.charged_tokens) == (
        RunStatus.FAILED,
        "worker_died",
        charged,
    )
    assert _used(world, grant) == (charged, 0)
    with pytest.raises(Conflict) as refusal:
        world.portal.runs.receipt(world.actor("cleo"), run.run_id)
    assert refusal.value.code == "no_receipt"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Unavailable("no_memory_for_worker", "Not now."), "no_memory_for_worker"),
        (OSError("fork failed"), "worker_not_started"),
    ],
)
def test_a_pool_that_refuses_leaves_no_run_open_and_holds_nothing(
    world: World, grant: str, refusal: Exception, code: str
) -> None:
    world.pool.refusal = refusal
    with pytest.raises(Unavailable) as raised:
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    assert raised.value.code == code
    (run,) = world.portal.runs.list(world.actor("cleo"))
    assert (run.status, run.failure_code) == (RunStatus.FAILED, code)
    assert _used(world, grant) == (0, 0)


def test_cancelling_reaches_the_worker(world: World, grant: str) -> None:
    world.pool.holds = True
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    run.cancel()
    assert world.pool.cancelled == world.pool.asked


@pytest.mark.parametrize(("stream", "charged"), [(True, PER_RUN), (False, 0)])
def test_runs_that_a_crash_cut_off_are_settled_when_the_portal_opens(
    world: World, grant: str, stream: bool, charged: int
) -> None:
    world.pool.holds = True
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE, stream=stream)
    world.reopen(crash=True)
    recorded = world.portal.runs.get(world.actor("cleo"), run.run_id)
    assert (recorded.status, recorded.failure_code, recorded.charged_tokens) == (
        RunStatus.FAILED,
        INTERRUPTED,
        charged,
    )
    assert _used(world, grant) == (charged, 0), "the meter counts what settling charged"
    world.reopen()
    assert _used(world, grant) == (charged, 0)


def test_what_was_used_is_known_after_a_restart(world: World, grant: str) -> None:
    world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE).result()
    world.reopen()
    assert _used(world, grant) == (PER_RUN, 0)


def test_a_store_that_fails_while_settling_is_said_to_whoever_waits(world: World, grant: str) -> None:
    world.pool.holds = True
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    world.portal.store.close()
    world.pool.asked[0].answer()
    with pytest.raises(Unavailable):
        run.result()
    world.portal = Portal.open(world.settings, clock=world.clock, pool_factory=lambda *_: world.pool)
    assert world.portal.runs.get(world.actor("cleo"), run.run_id).failure_code == INTERRUPTED


@pytest.mark.parametrize("how", ["revoked", "terminated", "expired", "term over"])
def test_access_that_ended_is_ended_for_the_next_request(world: World, grant: str, how: str) -> None:
    cleo, ada = world.actor("cleo"), world.actor("ada")
    world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE).result()
    view = world.portal.grants.get(ada, grant)
    if how == "revoked":
        world.portal.grants.revoke(ada, grant, reason="a breach")
    elif how == "terminated":
        world.portal.agreements.terminate(ada, view.grant.agreement_id, reason="a breach")
    else:
        assert view.grant.scope is not None
        world.clock.now = view.grant.scope.expires_at + (timedelta() if how == "expired" else timedelta(days=1))
    before = world.size
    with pytest.raises(Forbidden) as refusal:
        world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    assert refusal.value.code in {"grant_revoked", "agreement_not_in_force", "grant_expired"}
    assert world.size == before
    assert not world.portal.grants.get(ada, grant).active


def test_a_retired_checkpoint_answers_nobody(world: World) -> None:
    world.checkpoint("ladder-s", to=Stage.RETIRED)
    for name in ("ada", "cleo"):
        with pytest.raises(Forbidden) as refusal:
            world.portal.runs.begin(world.actor(name), "ladder-s", ask())
        assert refusal.value.code == "checkpoint_retired"


def test_revoking_while_a_crowd_begins_lets_nobody_in_afterwards(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant().id
    cleo, ada = world.actor("cleo"), world.actor("ada")
    late: list[str] = []
    revoked = threading.Event()

    def begin(_: int) -> None:
        knew = revoked.is_set()
        try:
            world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE).result()
        except Forbidden:
            return
        if knew:
            late.append("a run began after the revocation had been answered")

    with ThreadPoolExecutor(8) as crowd:
        runs = [crowd.submit(begin, number) for number in range(40)]
        world.portal.grants.revoke(ada, grant, reason="a breach")
        revoked.set()
        runs += [crowd.submit(begin, number) for number in range(8)]
        for run in runs:
            run.result()
    assert late == []


def test_files_that_are_gone_close_one_checkpoint_and_not_the_portal(world: World, grant: str) -> None:
    world.pool._known.clear()
    world.reopen()
    with pytest.raises(Unavailable) as refusal:
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    assert refusal.value.code == "checkpoint_not_served"
    assert _used(world, grant) == (0, 0)


def test_a_fresh_seed_is_one_that_a_request_may_have() -> None:
    assert all(ask(seed=fresh_seed()).seed < 2**53 for _ in range(50))


def test_only_refusals_leave_begin(world: World, grant: str) -> None:
    for checkpoint_id in ("", "ladder-l\x00", "🦆", "../ladder-l", "\ud800"):
        with pytest.raises(ConcordatError):
            world.portal.runs.begin(world.actor("cleo"), checkpoint_id, ask(), purpose=PURPOSE)


def test_a_bias_with_probabilities_is_scoring_by_another_name() -> None:
    """A bias can force any token, and its probability would be reported."""
    needed = RunService.operations_for
    assert needed(ask(logit_bias={5: 100.0}, logprobs=0)) == {Operation.GENERATE, Operation.LOGPROBS, Operation.SCORE}
    assert needed(ask(logit_bias={5: 100.0})) == {Operation.GENERATE}


def test_every_candidate_is_held_against_the_budget(world: World, grant: str) -> None:
    world.pool.holds = True
    world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(best_of=3), purpose=PURPOSE)
    assert _used(world, grant) == (0, 4 + 3 * 4)
