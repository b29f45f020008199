"""What answers may give away: biases, precision, generated tokens and rounded log-probabilities, for every caller."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agreements.errors import ConcordatError, Fixer, Invalid
from agreements.grants import Grant, Holder, HolderKind
from agreements.limits import Sampling
from agreements.precision import Precision
from agreements.scopes import Operation
from model_access.generation import ChoiceDelta, ChoiceSummary, Finished, Logprobs
from model_access.receipts import verify_receipt
from tests.portal.services.token_world import details, exchange
from tests.portal.services.world import PURPOSE, ROOM, World, ask, make_world

PER_RUN = 4
"""Tokens that ``ask()`` generates."""

PRECISE = Logprobs(
    tokens=("a", "b"),
    token_logprobs=(-1.23456, None),
    top_logprobs=({"a": -1.23456, "c": -2.71828}, None),
    text_offset=(0, 1),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.checkpoint("ladder-l")
    yield made
    made.portal.close()


def refused(world: World, **more: Any) -> ConcordatError:
    """Why a run of Cleo's is refused, having left nothing behind."""
    before = world.size
    with pytest.raises(ConcordatError) as refusal:
        world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(**more), purpose=PURPOSE)
    assert world.size == before
    return refusal.value


def run(world: World, **more: Any) -> str:
    """A run of Cleo's that ends."""
    begun = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(**more), purpose=PURPOSE)
    begun.result()
    return begun.run_id


def part(world: World, root: Grant, **scope: Any) -> Grant:
    """A part of a grant for Cleo."""
    assert root.scope is not None
    return world.portal.grants.delegate(
        world.actor("ben"),
        root.id,
        holder=Holder(kind=HolderKind.PERSON, id=world.people["cleo"].id),
        label="a part",
        scope=root.scope.model_copy(update=scope),
    )


def test_logits_are_biased_only_where_agreement_and_grant_say_so(world: World) -> None:
    world.grant()
    refusal = refused(world, logit_bias={5: 1.0})
    assert (refusal.code, refusal.fixer) == ("logit_bias_not_granted", Fixer.COORDINATOR)
    assert "ask for a grant that allows" in refusal.hint
    run(world)
    with pytest.raises(Invalid) as beyond:
        world.grant(logit_bias=True)
    assert "logit" in str(beyond.value)


def test_a_part_of_a_grant_has_to_be_given_the_right_to_bias_too(world: World) -> None:
    root = world.grant(limits={"logit_bias": True})
    assert root.scope is not None
    assert root.scope.logit_bias
    run(world, logit_bias={5: 1.0})
    part(world, root, logit_bias=False)
    assert refused(world, logit_bias={5: 1.0}).code == "logit_bias_not_granted"


def test_a_precision_that_is_not_granted_is_refused_with_both_names(world: World) -> None:
    root = world.grant(precisions=frozenset({Precision.INT8, Precision.BFLOAT16}))
    refusal = refused(world)
    assert (refusal.code, refusal.fixer) == ("precision_not_granted", Fixer.COORDINATOR)
    assert "served in float32" in str(refusal)
    assert "bfloat16 or int8" in str(refusal)
    assert "allow float32" in refusal.hint
    told = world.portal.explaining.explain(
        world.actor("cleo"), checkpoint="ladder-l", operations=frozenset({Operation.GENERATE}), purpose=PURPOSE
    )
    assert not told.open
    assert [one.code for one in told.refusals] == ["precision_not_granted"]
    with pytest.raises(Invalid):
        part(world, root, precisions=frozenset({Precision.FLOAT32}))


def test_generated_tokens_have_a_budget_of_their_own(world: World) -> None:
    root = world.grant(output_budget=2 * PER_RUN + 1)
    below = part(world, root, output_budget=PER_RUN)
    run(world)
    refusal = refused(world)
    assert (refusal.code, refusal.fixer) == ("outputs_exhausted", Fixer.COORDINATOR)
    assert "0 of 4" in str(refusal)
    assert (world.portal.grants.usage(root.id).outputs, world.portal.grants.usage(below.id).outputs) == (4, 4)
    # Scoring generates nothing, and the count outlives the process.
    run(world, max_tokens=0, echo=True, logprobs=0)
    world.reopen()
    usage = world.portal.grants.usage(below.id)
    assert (usage.outputs, usage.outputs_reserved) == (PER_RUN, 0)
    assert refused(world).code == "outputs_exhausted"


@pytest.mark.parametrize(("operations", "refusals"), [(["generate"], ["outputs_exhausted"]), (["score"], [])])
def test_why_says_that_used_up_outputs_still_leave_scoring(
    world: World, operations: list[str], refusals: list[str]
) -> None:
    world.grant(output_budget=PER_RUN)
    run(world)
    told = world.portal.explaining.explain(
        world.actor("cleo"), checkpoint="ladder-l", operations=operations, purpose=PURPOSE
    )
    assert [one.code for one in told.refusals] == refusals
    assert [limit.refused for limit in told.limits if limit.refused] == refusals


def test_what_a_run_holds_it_gives_back(world: World) -> None:
    grant = world.grant(output_budget=2 * PER_RUN)
    world.pool.holds = True
    world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    assert world.portal.grants.usage(grant.id).outputs_reserved == PER_RUN
    assert refused(world, max_tokens=PER_RUN + 1).code == "outputs_exhausted"
    world.pool.asked[-1].fail()
    world.portal.runs.close()
    usage = world.portal.grants.usage(grant.id)
    assert (usage.outputs, usage.outputs_reserved) == (0, 0)


@pytest.mark.parametrize("decimals", [None, 0, 2])
def test_log_probabilities_are_rounded_wherever_they_leave(world: World, decimals: int | None) -> None:
    world.grant(sampling=Sampling(choices=9, logprob_decimals=decimals))
    world.pool.holds = True
    begun = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(logprobs=1), purpose=PURPOSE, stream=True)
    tell = world.pool.asked[-1].tell
    tell(ChoiceDelta(index=0, text="ab", token_ids=(0, 1), logprobs=PRECISE, finish_reason="stop"))
    done = ChoiceSummary(index=0, text="ab", token_ids=(0, 1), finish_reason="stop")
    tell(Finished(prompt_tokens=4, completion_tokens=2, choices=(done,)))
    streamed = [delta.logprobs for delta in begun.deltas()]
    answered = [choice.logprobs for choice in begun.result().choices]
    assert streamed == answered
    shown = {None: (-1.23456, -2.71828), 0: (-1.0, -3.0), 2: (-1.23, -2.72)}[decimals]
    assert answered[0] is not None
    assert answered[0].token_logprobs == (shown[0], None)
    assert answered[0].top_logprobs == ({"a": shown[0], "c": shown[1]}, None)
    receipt = verify_receipt(world.portal.runs.receipt(world.actor("ben"), begun.run_id))
    assert receipt.statement.predicate.logprob_decimals == decimals
    assert ("logprob_decimals" in receipt.statement.predicate.model_dump()) == (decimals is not None)


def test_the_fewest_decimals_of_grants_and_tokens_hold(world: World) -> None:
    root = world.grant(sampling=Sampling(logprob_decimals=4))
    below = part(world, root, sampling=Sampling(logprob_decimals=3))
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=below.id, purpose=PURPOSE).token
    form = exchange(token, authorization_details=details(limits={"sampling": {"logprob_decimals": 1}}))
    narrower = world.portal.oauth.token(form, None).access_token
    found = []
    for one in (token, narrower):
        actor = world.portal.tokens.authenticate(one).actor
        allowed = world.portal.runs.ground(actor, "ladder-l", ask(logprobs=1), purpose=PURPOSE)
        found.append(allowed.logprob_decimals)
    assert found == [3, 1]
    with pytest.raises(Invalid):
        part(world, root, sampling=Sampling(logprob_decimals=5))


def written(world: World, name: str = "cleo", **more: Any) -> int:
    """How many tokens a run may write that names no number."""
    asked = ask(max_tokens=1, fits=True, **more)
    begun = world.portal.runs.begin(world.actor(name), "ladder-l", asked, purpose=PURPOSE)
    if not world.pool.holds:
        begun.result()
    most = begun.terms.parameters["max_tokens"]
    assert isinstance(most, int)
    return most


def test_without_a_number_it_is_what_grants_and_tokens_allow_per_choice(world: World) -> None:
    root = world.grant(sampling=Sampling(max_tokens=40, choices=9))
    assert written(world, "ben") == 40
    below = part(world, root, sampling=Sampling(max_tokens=30, choices=9))
    assert written(world) == 30
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=below.id, purpose=PURPOSE).token
    form = exchange(token, authorization_details=details(limits={"sampling": {"max_tokens": 5}}))
    actor = world.portal.tokens.authenticate(world.portal.oauth.token(form, None).access_token).actor
    begun = world.portal.runs.begin(actor, "ladder-l", ask(max_tokens=1, fits=True), purpose=PURPOSE)
    assert begun.terms.parameters["max_tokens"] == 5
    assert begun.terms.reserved_tokens == 4 + 5


def test_without_a_number_it_is_what_budgets_leave_and_at_least_one(world: World) -> None:
    world.grant(token_budget=24, output_budget=20)
    assert written(world, n=2) == 10
    assert written(world) == 24 - 3 * PER_RUN - PER_RUN  # two answers and a prompt, and another prompt
    assert refused(world, max_tokens=1, fits=True).code == "budget_exhausted"


def test_what_others_hold_does_not_cut_an_answer_short(world: World) -> None:
    world.grant(token_budget=100)
    world.pool.holds = True
    assert written(world) == ROOM
    refusal = refused(world, max_tokens=1, fits=True)
    assert refusal.code == "budget_exhausted"
    assert "held for runs under way" in str(refusal)


def test_an_estimate_counts_what_fits(world: World) -> None:
    world.grant(sampling=Sampling(max_tokens=40))
    asked = ask(max_tokens=1, fits=True)
    assert world.portal.runs.estimate(world.actor("cleo"), "ladder-l", asked, purpose=PURPOSE).most_tokens == 44
