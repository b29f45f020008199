"""What is not there and what one may not see are refused in the same words, with the same next step."""

from collections.abc import Callable

import pytest

from agreements.actors import Actor
from agreements.errors import NotFound
from portal.composition import Portal
from tests.portal.services.batch_world import MODEL, drained, row, submit
from tests.portal.services.world import PURPOSE, World, ask

Read = Callable[[Portal, Actor, str], object]

READS: dict[str, Read] = {
    "grant": lambda portal, actor, one: portal.grants.get(actor, one),
    "agreement": lambda portal, actor, one: portal.agreements.get(actor, one),
    "run": lambda portal, actor, one: portal.runs.get(actor, one),
    "receipt": lambda portal, actor, one: portal.runs.receipt(actor, one),
    "token": lambda portal, actor, one: portal.tokens.opens(actor, one),
    "standing": lambda portal, actor, one: portal.token_standings.get(actor, one),
    "batch": lambda portal, actor, one: portal.batches.get(actor, one),
    "file": lambda portal, actor, one: portal.files.get(actor, one),
    "person": lambda portal, actor, one: portal.people.visible(actor, one),
}


def test_nothing_tells_what_is_hidden_from_what_is_not_there(world: World) -> None:
    world.checkpoint(MODEL)
    grant, cleo, eve = world.grant(), world.actor("cleo"), world.actor("eve")
    run = world.portal.runs.begin(cleo, MODEL, ask(), purpose=PURPOSE).result().run.terms
    assert run is not None
    batch = drained(world, submit(world, cleo, row(1)))
    token = world.portal.tokens.issue(cleo, label="notebook", grant_id=grant.id, purpose=PURPOSE).record.id
    hidden = {
        "grant": grant.id,
        "agreement": grant.agreement_id,
        "run": run.run_id,
        "receipt": run.run_id,
        "token": token,
        "standing": token,
        "batch": batch.id,
        "file": batch.input_file_id,
        "person": cleo.person_id,
    }
    for kind, read in READS.items():
        told = [refused(read, world.portal, eve, one) for one in (hidden[kind], hidden[kind][:-4] + "zzzz")]
        assert told[0] == told[1], kind
        assert told[0][2], kind


def refused(read: Read, portal: Portal, actor: Actor, one: str) -> tuple[str, str, str, str]:
    """Why it is refused, without the id."""
    with pytest.raises(NotFound) as refusal:
        read(portal, actor, one)
    why = refusal.value
    return why.code, why.message.replace(one, ""), why.hint, why.fixer
