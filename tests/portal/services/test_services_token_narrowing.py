"""Tokens narrowed in sampling, budgets, hours and to members of a family: refused at issue, held to at every use."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agreements.actors import Actor
from agreements.errors import ConcordatError, Fixer, Invalid
from agreements.limits import Hours, Period, PeriodBudget, Sampling, Weekday
from agreements.precision import Precision
from model_access.stages import Stage
from portal.services.tokens import IssuedToken
from tests.portal.services.token_world import details, exchange
from tests.portal.services.world import PURPOSE, World, ask, make_world

WORKDAYS = {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "opens": "08:00", "closes": "18:00", "zone": "UTC"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.checkpoint("ladder-l")
    yield made
    made.portal.close()


def own(world: World, **narrower: Any) -> IssuedToken:
    """A token of the lead's, for a grant of its own."""
    return world.portal.tokens.issue(
        world.actor("ben"), label="notebook", grant_id=world.grant(**narrower).id, purpose=PURPOSE
    )


def narrowed(world: World, token: str, **limits: Any) -> str:
    """A token made from it at the token endpoint."""
    form = exchange(token, authorization_details=details(limits=limits))
    return world.portal.oauth.token(form, None).access_token


def who(world: World, token: str) -> Actor:
    """Whom it speaks for."""
    return world.portal.tokens.authenticate(token).actor


def begin(world: World, token: str, **more: Any) -> None:
    """A run that ends."""
    world.portal.runs.begin(who(world, token), "ladder-l", ask(**more), purpose=PURPOSE).result()


def refused(world: World, token: str, **more: Any) -> ConcordatError:
    """Why a run is refused, having left nothing behind."""
    before = world.size
    with pytest.raises(ConcordatError) as refusal:
        begin(world, token, **more)
    assert world.size == before
    return refusal.value


@pytest.mark.parametrize(
    ("limits", "dimension"),
    [
        ({"sampling": {"max_tokens": 9}}, "sampling.max_tokens"),
        ({"sampling": {"max_tokens": 8, "choices": 3}}, "sampling.choices"),
        ({"sampling": {"top_logprobs": 4}}, "sampling.top_logprobs"),
        ({"sampling": {"max_temperature": 1.5}}, "sampling.max_temperature"),
        ({"request_budget": 11}, "request_budget"),
        ({"concurrency": 3}, "concurrency"),
        ({"periods": [{"period": "day", "tokens": 101}]}, "periods.day.tokens"),
        ({"periods": [{"period": "week", "requests": 8}]}, "periods.week.requests"),
        ({"hours": {**WORKDAYS, "opens": "07:59"}}, "hours"),
        ({"hours": {**WORKDAYS, "zone": "Europe/Zurich"}}, "hours"),
        ({"logit_bias": True}, "logit_bias"),
        ({"precisions": ["float32", "int8"]}, "precisions"),
    ],
)
def test_a_token_beyond_its_grant_is_refused_naming_the_dimension(
    world: World, limits: dict[str, Any], dimension: str
) -> None:
    token = own(
        world,
        sampling=Sampling(max_tokens=8, choices=2, top_logprobs=3, max_temperature=1.0),
        request_budget=10,
        concurrency=2,
        periods=(PeriodBudget(period=Period.DAY, tokens=100), PeriodBudget(period=Period.WEEK, requests=7)),
        hours=Hours.model_validate(WORKDAYS),
        precisions=frozenset({Precision.FLOAT32, Precision.BFLOAT16}),
    ).token
    with pytest.raises(Invalid) as refusal:
        narrowed(world, token, **limits)
    assert (refusal.value.code, refusal.value.param) == ("beyond_token", dimension)


def test_sampling_is_held_to_the_token_and_says_whose_limit_it_was(world: World) -> None:
    first = narrowed(world, own(world).token, sampling={"max_tokens": 4, "max_temperature": 0.5})
    below = narrowed(world, first, sampling={"choices": 1})
    begin(world, below, temperature=0.5)
    hot = refused(world, below, temperature=0.6)
    assert (hot.code, "a token above this one" in hot.message) == ("sampling_not_granted", True)
    twice = refused(world, below, n=2, temperature=0.5)
    assert (twice.code, "the access token" in twice.message) == ("sampling_not_granted", True)
    assert refused(world, first, max_tokens=5, temperature=0).code == "sampling_not_granted"


def test_a_token_without_the_right_to_bias_biases_nothing_and_nor_does_what_is_made_from_it(world: World) -> None:
    first = own(world, limits={"logit_bias": True}).token
    begin(world, first, logit_bias={5: 1.0})
    without = narrowed(world, first, logit_bias=False)
    for token in (without, narrowed(world, without)):
        begin(world, token)
        refusal = refused(world, token, logit_bias={5: 1.0})
        assert (refusal.code, refusal.fixer) == ("token_narrowed", Fixer.CALLER)
        assert "does not include biasing logits" in refusal.message
    with pytest.raises(Invalid) as wider:
        narrowed(world, without, logit_bias=True)
    assert wider.value.param == "logit_bias"
    # What it was made from goes on as before.
    begin(world, narrowed(world, first, logit_bias=True), logit_bias={5: 1.0})


def test_a_token_for_other_precisions_is_refused_with_both_named(world: World) -> None:
    first = own(world).token
    begin(world, narrowed(world, first, precisions=["float32", "int8"]))
    refusal = refused(world, narrowed(world, first, precisions=["int8", "bfloat16"]))
    assert refusal.code == "token_narrowed"
    assert "computed in float32, only in bfloat16 or int8" in refusal.message


def test_a_budget_of_requests_holds_for_all_that_was_made_from_the_token_and_survives_a_restart(world: World) -> None:
    first = narrowed(world, own(world).token, request_budget=2)
    below = [narrowed(world, first) for _ in range(2)]
    for token in below:
        begin(world, token)
    assert refused(world, below[0]).code == "requests_exhausted"
    world.reopen(crash=True)
    assert refused(world, first).code == "requests_exhausted"


def test_the_budget_of_a_day_begins_anew_on_the_next(world: World) -> None:
    token = narrowed(world, own(world).token, periods=[{"period": "day", "requests": 1}])
    begin(world, token)
    again = refused(world, token)
    assert again.code == "requests_exhausted"
    assert "the day's budget of the access token" in again.message
    world.reopen()
    assert refused(world, token).code == "requests_exhausted"
    world.clock.advance(hours=15)
    begin(world, token)


def test_runs_at_once_are_counted_for_the_token_and_above_it(world: World) -> None:
    world.pool.holds = True
    first = narrowed(world, own(world).token, concurrency=2)
    below = narrowed(world, first, concurrency=1)
    active = [world.portal.runs.begin(who(world, below), "ladder-l", ask(), purpose=PURPOSE)]
    assert refused(world, below).code == "too_many_at_once"
    active.append(world.portal.runs.begin(who(world, first), "ladder-l", ask(), purpose=PURPOSE))
    assert refused(world, first).code == "too_many_at_once"
    for asked in world.pool.asked:
        asked.answer()
    for run in active:
        run.result()
    world.pool.holds = False
    begin(world, below)


def test_a_token_takes_no_requests_outside_its_hours(world: World) -> None:
    today = Weekday.MONDAY.value
    token = narrowed(world, own(world).token, hours={"weekdays": [today], "opens": "08:00", "closes": "10:00"})
    begin(world, token)
    world.clock.advance(hours=1)
    late = refused(world, token)
    assert (late.code, late.message) == ("outside_hours", "The access token takes requests Mon 08:00–10:00 UTC.")
    assert "2026-11-30 08:00" in late.hint


def test_a_token_for_a_family_is_narrowed_to_one_of_its_members(world: World) -> None:
    for name in ("ladder-s", "ladder-m"):
        world.checkpoint(name, to=Stage.PARTNER_ACCESS)
    token = own(world, checkpoints=frozenset({"ladder/*"})).token

    def made(*checkpoints: str) -> Actor:
        form = exchange(token, authorization_details=details(checkpoints=list(checkpoints)))
        return who(world, world.portal.oauth.token(form, None).access_token)

    member = made("ladder-s")
    world.portal.runs.begin(member, "ladder-s", ask(), purpose=PURPOSE).result()
    with pytest.raises(ConcordatError) as other:
        world.portal.runs.begin(member, "ladder-m", ask(), purpose=PURPOSE)
    assert other.value.code == "token_narrowed"
    # Naming a member opens no more than the family does: it is withheld still.
    with pytest.raises(ConcordatError) as withheld:
        world.portal.runs.begin(made("ladder-l"), "ladder-l", ask(), purpose=PURPOSE)
    assert withheld.value.code == "checkpoint_not_granted"
    with pytest.raises(Invalid) as unknown:
        made("ladder-s", "nobody-knows-it")
    assert (unknown.value.code, unknown.value.param) == ("beyond_token", "checkpoints")


def test_rotating_a_token_gives_nothing_of_its_budget_anew(world: World) -> None:
    first = own(world)
    child = world.portal.tokens.narrow(world.actor("ben"), first.record.id, narrowing={"request_budget": 1})
    begin(world, child.token)
    again = world.portal.tokens.rotate(world.actor("ben"), child.record.id)
    assert again.record.continues == child.record.id
    assert refused(world, again.token).code == "requests_exhausted"
    third = world.portal.tokens.rotate(world.actor("ben"), again.record.id)
    assert third.record.continues == child.record.id
    world.reopen()
    assert refused(world, third.token).code == "requests_exhausted"


def test_what_keeps_a_token_fresh_carries_its_finer_limits(world: World) -> None:
    limits = {"sampling": {"max_tokens": 4}, "request_budget": 1}
    issued = world.portal.refresh.issue(
        world.actor("ben"), label="script", grant_id=world.grant().id, purpose=PURPOSE, narrowing=limits
    )
    begin(world, issued.token)
    world.clock.now += timedelta(hours=1)
    fresh = world.portal.refresh.refresh(issued.refresh_token or "", client_id=None, key_thumbprint=None)
    assert fresh.record.narrowing == issued.record.narrowing
    assert refused(world, fresh.token).code == "requests_exhausted"
