"""Whatever is done to a batch or to a file of one, others are refused as if there were none."""

from collections.abc import Callable

import pytest

from agreements.actors import Actor
from agreements.errors import Forbidden, NotFound
from model_access.batches import Batch
from tests.portal.services.batch_world import MODEL, PER_LINE, drained, row, submit
from tests.portal.services.world import World

Act = Callable[[World, Actor, Batch], object]

ACTS: dict[str, Act] = {
    "batches.get": lambda w, a, b: w.portal.batches.get(a, b.id),
    "batches.view": lambda w, a, b: w.portal.batches.view(a, b.id),
    "batches.lines": lambda w, a, b: w.portal.batches.lines(a, b.id),
    "batches.results": lambda w, a, b: w.portal.batches.results(a, b.id),
    "batches.table": lambda w, a, b: w.portal.batches.table(a, b.id),
    "batches.cancel": lambda w, a, b: w.portal.batches.cancel(a, b.id),
    "batches.retry_failed": lambda w, a, b: w.portal.batches.retry_failed(a, b.id),
    "batches.check_retry": lambda w, a, b: w.portal.batches.check_retry(a, b.id),
    "batches.check": lambda w, a, b: w.portal.batches.check(a, b.input_file_id),
    "batches.create": lambda w, a, b: w.portal.batches.create(
        a, input_file_id=b.input_file_id, endpoint="/v1/completions"
    ),
    "files.get": lambda w, a, b: w.portal.files.get(a, b.input_file_id),
    "files.content": lambda w, a, b: w.portal.files.content(a, b.input_file_id),
    "files.delete": lambda w, a, b: w.portal.files.delete(a, b.input_file_id),
}


@pytest.mark.parametrize("act", ACTS)
def test_another_institution_finds_none_of_it(world: World, act: str) -> None:
    world.checkpoint(MODEL)
    world.grant(token_budget=20 * PER_LINE)
    batch = drained(world, submit(world, world.actor("cleo"), row(1)))
    before = world.size
    for stranger in ("eve", "dan"):
        with pytest.raises((NotFound, Forbidden)):
            ACTS[act](world, world.actor(stranger), batch)
    assert world.size == before


@pytest.mark.parametrize(
    "act",
    [
        *("batches.results", "batches.table", "batches.check", "batches.check_retry"),
        *("files.get", "files.content", "files.delete"),
    ],
)
def test_what_is_in_it_is_its_makers_alone(world: World, act: str) -> None:
    world.checkpoint(MODEL)
    world.grant(token_budget=20 * PER_LINE)
    batch = drained(world, submit(world, world.actor("cleo"), row(1)))
    for other in ("ben", "ada"):
        with pytest.raises((NotFound, Forbidden)):
            ACTS[act](world, world.actor(other), batch)
