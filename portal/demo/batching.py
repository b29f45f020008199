"""Batches of this week: one that is whole, one that was cancelled half-way, one that a suspension stopped."""

import time
from typing import Final

from agreements.errors import Unavailable
from model_access.batches import Batch
from portal.demo.cast import NORTHGATE, OPENWATCH
from portal.demo.world import OPENINGS, SECURITY_OPENINGS, SEED, World
from portal.services.batch_prompts import Settings

_PROMPTS: Final = (*OPENINGS, *SECURITY_OPENINGS, "Deprecated since version")
_PATIENCE_S: Final = 120.0
_POLL_S: Final = 0.01


def partners_run_batches(world: World) -> None:
    """Priya runs one to its end and cancels another; Samir's stops when his grant is suspended for an hour."""
    runner = world.portal.batch_runner
    world.on(0.5)
    _submitted(world, "priya", NORTHGATE, "misuse-analysis", 2, "openings, third size", tokens=16)
    runner.drain()
    world.on(0.44)
    cancelled = _submitted(world, "priya", NORTHGATE, "misuse-analysis", 3, "openings, largest size", tokens=12)
    _answered(world, cancelled, 3)
    world.portal.batches.cancel(world.as_("priya"), cancelled.id)
    runner.drain()
    world.on(0.4)
    stopped = _submitted(world, "samir", OPENWATCH, "detection-research", 1, "detector, second size", tokens=16)
    _answered(world, stopped, 5)
    grant_id = world.grants[OPENWATCH].id
    world.portal.grants.suspend(
        world.as_("mara"), grant_id, reason="Requests from an address we do not know; we are asking Open Watch."
    )
    runner.drain()
    world.on(0.36)
    world.portal.grants.lift(world.as_("mara"), grant_id, reason="The address is a colleague's at a conference.")
    runner.let_go()


def _submitted(world: World, key: str, grant: str, purpose: str, size: int, name: str, *, tokens: int) -> Batch:
    """A table of prompts, handed in and submitted as the screen does it."""
    actor, batches = world.as_(key), world.portal.batches
    table = "\n".join(["prompt,seed", *(f'"{prompt}",{SEED + number}' for number, prompt in enumerate(_PROMPTS))])
    settings = Settings(model=world.sizes[size], max_tokens=tokens, temperature=0.8)
    file = batches.upload(actor, filename=f"{name}.csv", content=table.encode(), shape="table", settings=settings)
    return batches.create(
        world.as_(key, under=grant).model_copy(update={"channel": actor.channel}),
        input_file_id=file.id,
        endpoint="/v1/completions",
        purpose=purpose,
        metadata={"study": name},
    )


def _answered(world: World, batch: Batch, lines: int) -> None:
    """Wait until so many lines have their answer and none is under way. Raises Unavailable if that never comes."""
    runner, batches, reader = world.portal.batch_runner, world.portal.batches, world.as_("mara")
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        now = batches.get(reader, batch.id)
        if all(now.is_settled(line) for line in runner.under_way(batch.id)):
            if now.completed >= lines:
                return
            runner.step()
        time.sleep(_POLL_S)
    raise Unavailable("story_stuck", f"Batch {batch.id} did not come as far as it had to.")
