"""Batches in a world: input files, and what came of them."""

import json
from typing import Any

from agreements.actors import Actor
from model_access.batches import Batch
from model_access.runs import RunStatus
from tests.portal.services.world import PURPOSE, World

MODEL = "ladder-l"
PER_LINE = 8
"""Tokens of a line: four words, four more."""


def row(number: int, **body: Any) -> dict[str, Any]:
    """A line of an input file."""
    asked = {"model": MODEL, "prompt": "once upon a time", "max_tokens": 4, "seed": number} | body
    return {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/completions", "body": asked}


def written(*rows: Any) -> bytes:
    """Rows as a file; bytes stay as they are."""
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in rows)


def submit(world: World, actor: Actor, *rows: Any, **more: Any) -> Batch:
    """Upload and submit."""
    file = world.portal.files.upload(actor, filename="in.jsonl", content=written(*rows))
    asked: dict[str, Any] = {"endpoint": "/v1/completions", "purpose": PURPOSE, **more}
    return world.portal.batches.create(actor, input_file_id=file.id, **asked)


def drained(world: World, batch: Batch) -> Batch:
    """The batch after all that could be done was done."""
    world.portal.batch_runner.drain()
    return world.portal.batches.get(world.actor("ada"), batch.id)


def rows_of(world: World, actor: Actor, file_id: str | None) -> list[dict[str, Any]]:
    """The rows of a file; none where there is no file."""
    if file_id is None:
        return []
    return [json.loads(one) for one in world.portal.files.content(actor, file_id).splitlines()]


def completed_runs(world: World) -> int:
    """How many runs are recorded as completed."""
    runs = world.portal.runs.list(world.actor("ada"), limit=500)
    return sum(run.status is RunStatus.COMPLETED for run in runs)
