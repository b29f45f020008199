"""Valid tokens are never refused, however busy the machine is."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

from agreements.access import Allowed
from agreements.scopes import Operation
from portal.services.aggregates import CHECKPOINTS
from tests.portal.services.world import PURPOSE, World

AUTHORISATIONS = 10_000


def _spin() -> None:
    while True:
        pass


@contextmanager
def every_core_busy() -> Iterator[None]:
    """As many processes as cores, doing nothing but compute."""
    context = multiprocessing.get_context("spawn")
    busy = [context.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.join()


def test_ten_thousand_valid_authorisations_under_full_load_give_no_false_denial(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant()
    first = world.portal.tokens.issue(world.actor("ben"), label="notebook", grant_id=grant.id, purpose=PURPOSE)
    narrow = world.portal.tokens.narrow(
        world.actor("ben"), first.record.id, narrowing={"operations": ["generate"]}, delegate_id=world.people["cleo"].id
    )
    checkpoint = world.portal.kernel.state(CHECKPOINTS, "ladder-l")
    tokens, wanted = (first.token, narrow.token), frozenset({Operation.GENERATE})
    denied = []
    with every_core_busy():
        for number in range(AUTHORISATIONS):
            known = world.portal.tokens.authenticate(tokens[number % 2])
            answer = world.portal.checkpoints.access(known.actor, checkpoint, wanted, known.purpose)
            if not isinstance(answer, Allowed):
                denied.append(answer)
    assert denied == []
