"""The place of a run in the queue: out of whose share it comes, where it stands, and who may ask."""

import pytest

from agreements.errors import Limited, NotFound
from model_access.worker import Place, Share
from portal.services.runs import QueueState
from tests.portal.services.world import PURPOSE, World, ask

FULL = Limited("queue_full", "512 requests of your institution wait for this checkpoint already; no more may.")


@pytest.fixture
def grant(world: World) -> str:
    """A grant of north's for a withheld checkpoint."""
    world.checkpoint("ladder-l")
    return world.grant(token_budget=1000).id


def test_a_run_tells_its_place_while_it_waits(world: World, grant: str) -> None:
    portal, cleo = world.portal, world.actor("cleo")
    world.pool.holds = True
    run = portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    asked = world.pool.asked[-1]
    assert asked.share == Share("north", cleo.person_id)
    asked.place = Place(position=3, waiting=7, about_s=12.0)
    told = portal.runs.place(cleo, run.run_id)
    assert (told.state, told.place) == (QueueState.WAITING, asked.place)
    asked.place = None
    assert portal.runs.place(world.actor("ada"), run.run_id).state is QueueState.RUNNING
    with pytest.raises(NotFound):
        portal.runs.place(world.actor("eve"), run.run_id)
    asked.answer()
    run.result()
    assert portal.runs.place(cleo, run.run_id).state is QueueState.OVER


def test_what_is_withdrawn_while_it_waits_is_taken_out_and_costs_nothing(world: World, grant: str) -> None:
    portal, cleo = world.portal, world.actor("cleo")
    world.pool.holds = True
    run = portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    portal.grants.revoke(world.actor("ada"), grant, reason="It is over.")
    assert portal.watch.settled(10)
    world.pool.cancelled[-1].stop(completion_tokens=0)
    run.outcome.exception()
    assert portal.runs.get(cleo, run.run_id).charged_tokens == 0


def test_a_run_that_there_is_no_room_for_in_the_queue_leaves_nothing_on_record(
    world: World, grant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal, cleo = world.portal, world.actor("cleo")
    shares: list[Share] = []

    def full(_checkpoint_id: str, share: Share) -> None:
        shares.append(share)
        raise FULL

    monkeypatch.setattr(world.pool, "require_room", full)
    before = portal.log.size_and_root()
    with pytest.raises(Limited) as refusal:
        portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    assert refusal.value.code == "queue_full"
    assert shares == [Share("north", cleo.person_id)]
    assert portal.log.size_and_root() == before
    assert portal.grants.usage(grant).requests == 0
