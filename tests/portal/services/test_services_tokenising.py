"""Tokens of a text are told to whoever may query the checkpoint, for as long as they may, and at their rate."""

from collections.abc import Callable

import pytest

from agreements.errors import ConcordatError, Forbidden, Invalid, Limited
from tests.portal.services.world import PURPOSE, World

Act = Callable[[World, str], object]


def revoke(world: World, grant: str) -> object:
    """End the grant."""
    return world.portal.grants.revoke(world.actor("ada"), grant, reason="a breach")


def suspend(world: World, grant: str) -> object:
    """Stop it for a while."""
    return world.portal.grants.suspend(world.actor("ada"), grant, reason="under review")


def halt(world: World, _grant: str) -> object:
    """Halt the checkpoint."""
    return world.portal.workers.halt(world.actor("ada"), "ladder-l", reason="a leak")


def refusals(world: World) -> set[str]:
    """With which codes both ways are refused to Cleo."""
    codes = set()
    for ask in (
        lambda: world.portal.tokenising.tokenize(world.actor("cleo"), "ladder-l", "once", purpose=PURPOSE),
        lambda: world.portal.tokenising.detokenize(world.actor("cleo"), "ladder-l", [0], purpose=PURPOSE),
    ):
        with pytest.raises(ConcordatError) as refusal:
            ask()
        assert isinstance(refusal.value, Forbidden | Limited), refusal.value
        codes.add(refusal.value.code)
    return codes


@pytest.mark.parametrize(
    ("act", "code"), [(revoke, "grant_revoked"), (suspend, "grant_suspended"), (halt, "checkpoint_halted")]
)
def test_nobody_is_told_whose_access_is_gone(world: World, act: Act, code: str) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant().id
    before = world.portal.tokenising.tokenize(world.actor("cleo"), "ladder-l", "once", purpose=PURPOSE)
    assert before == ()
    act(world, grant)
    assert refusals(world) == {code}


def test_it_counts_against_the_rate_and_takes_no_token(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant(requests_per_minute=2).id
    cleo, tokenising = world.actor("cleo"), world.portal.tokenising
    size = world.size
    tokenising.tokenize(cleo, "ladder-l", "once", purpose=PURPOSE)
    tokenising.detokenize(cleo, "ladder-l", [0], purpose=PURPOSE)
    assert refusals(world) == {"rate_limited"}
    usage = world.portal.grants.usage(grant)
    assert (usage.settled, usage.reserved, usage.requests, world.size) == (0, 0, 0, size)


def test_a_missing_purpose_is_what_is_asked_for(world: World) -> None:
    world.checkpoint("ladder-l")
    world.grant()
    with pytest.raises(Forbidden) as refusal:
        world.portal.tokenising.tokenize(world.actor("cleo"), "ladder-l", "once")
    assert refusal.value.code == "purpose_required"


@pytest.mark.parametrize("token", [-1, 320, 2**63])
def test_a_token_that_there_is_not_is_refused(world: World, token: int) -> None:
    world.checkpoint("ladder-l")
    world.grant()
    with pytest.raises(Invalid) as refusal:
        world.portal.tokenising.detokenize(world.actor("cleo"), "ladder-l", [0, token], purpose=PURPOSE)
    assert refusal.value.code == "token_out_of_vocabulary"
