"""What an agreement allows is told of whatever grant may come, not of one that is only imagined."""

from tests.portal.services.duty_world import in_force
from tests.portal.services.world import World


def test_why_something_is_closed_names_no_grant_that_there_is_not(world: World) -> None:
    world.checkpoint("ladder-l")
    agreement = in_force(world, permitted_uses={"checkpoints": ["ladder/*"]})
    rows = world.portal.agreement_facts.allows(world.actor("ben"), agreement.id).rows
    closed = [row.denied.message for row in rows if row.denied is not None]
    assert any("any grant covers only what has reached partner access" in message for message in closed)
    assert not any("grant any grant" in message for message in closed)
