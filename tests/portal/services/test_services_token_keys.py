"""The keys that sign tokens, and when a token was last used."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agreements.errors import Conflict, Forbidden
from tests.portal.services.test_services_oauth import code, person_token, who
from tests.portal.services.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.checkpoint("ladder-l")
    yield made
    made.portal.close()


def test_signing_keys_rotate_and_a_compromised_one_is_refused_at_once(world: World) -> None:
    first = person_token(world, world.grant())
    keys = world.portal.token_keys.rotate(world.actor("ada"))
    assert [(key.signs, key.verifies) for key in keys] == [(True, True), (False, True)]
    second = person_token(world, world.grant())
    assert who(world, first).person_id == who(world, second).person_id
    jwks: Any = world.portal.tokens.jwks()
    assert len(jwks["keys"]) == 2
    world.portal.token_keys.rotate(world.actor("ada"), compromised="found in a public repository")
    assert code(lambda: who(world, second)) == "invalid_token"
    assert who(world, first).person_id == world.people["ben"].id
    world.portal.token_keys.withdraw(world.actor("ada"), keys[1].kid, reason="found there too")
    assert code(lambda: who(world, first)) == "invalid_token"
    with pytest.raises(Conflict):
        world.portal.token_keys.withdraw(world.actor("ada"), keys[1].kid, reason="found there too")
    third = person_token(world, world.grant())
    world.reopen()
    assert who(world, third).person_id == world.people["ben"].id
    assert len(list(world.settings.keys_dir.glob("token*.pem"))) == 1


def test_an_old_key_is_retired_when_its_last_token_has_ended(world: World) -> None:
    world.portal.token_keys.rotate(world.actor("ada"))
    world.clock.now += timedelta(hours=24)
    jwks: Any = world.portal.tokens.jwks()
    assert len(jwks["keys"]) == 1


@pytest.mark.parametrize("name", ["ben", "cleo", "rae"])
def test_only_coordinators_touch_signing_keys(world: World, name: str) -> None:
    files = sorted(world.settings.keys_dir.iterdir())
    calls: tuple[Callable[[], object], ...] = (
        lambda: world.portal.token_keys.rotate(world.actor(name)),
        lambda: world.portal.token_keys.list(world.actor(name)),
        lambda: world.portal.token_keys.withdraw(world.actor(name), "concordat-x", reason="because"),
    )
    for call in calls:
        with pytest.raises(Forbidden):
            call()
    assert sorted(world.settings.keys_dir.iterdir()) == files


def test_last_use_is_known_to_the_minute_without_a_leaf_and_survives_a_restart(world: World) -> None:
    issued = world.portal.tokens.issue(world.actor("ben"), label="notebook", grant_id=world.grant().id)
    before = world.size
    for _ in range(50):
        who(world, issued.token)
    assert world.size == before
    world.reopen()
    (listed,) = [one for one in world.portal.tokens.list(world.actor("ben")) if one.id == issued.record.id]
    assert listed.last_used_at == world.clock().replace(second=0, microsecond=0)
