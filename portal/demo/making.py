"""Making a demonstration: the ladder, a new portal, and its history, put in place whole or not at all."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agreements.errors import Conflict
from model_access.ladder import Ladder, LadderProgress, build_ladder
from portal import config
from portal.composition import Portal
from portal.demo.cast import COORDINATOR, LAB_NAME
from portal.demo.clock import StoryClock
from portal.demo.history import BEGAN_DAYS_AGO, tell
from portal.demo.world import World

LADDER_VARIABLE: Final = "CONCORDAT_LADDER_DIR"
WORKER_MEMORY_BYTES: Final = 6 * 2**30
"""Room for all four sizes at once; what they really take is far less."""

Report = Callable[[float, str], None]
"""Hears the fraction done, 0 to 1, and what is being done."""


def ladder_folder() -> Path:
    """Where trained ladders are kept between demonstrations: the variable's folder, else the account's cache."""
    named = os.environ.get(LADDER_VARIABLE)
    if named:
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache").absolute() / "concordat" / "ladder"


def ensure_ladder(report: Report) -> Ladder:
    """The four checkpoints, trained if they are not there yet."""

    def told(progress: LadderProgress) -> None:
        left = f", about {progress.eta_s:.0f} s left" if progress.eta_s else ""
        report(progress.fraction, f"{progress.label}{left}")

    return build_ladder(ladder_folder(), told)


def is_made(data_dir: Path) -> bool:
    """Whether a demonstration lies there. Raises Conflict ``not_a_demo_folder`` if something else does."""
    if not data_dir.exists() or (data_dir.is_dir() and not any(data_dir.iterdir())):
        return False
    if data_dir.is_dir() and (data_dir / config.FILE_NAME).exists() and config.load(data_dir).demo:
        return config.load(data_dir).database_path.exists()
    raise Conflict(
        "not_a_demo_folder",
        f"{data_dir} holds something other than a demonstration; it is left alone.",
        hint="Name another folder with --data.",
    )


def discard(data_dir: Path) -> None:
    """Remove a demonstration, and nothing else. Raises Conflict ``not_a_demo_folder``."""
    if is_made(data_dir):
        shutil.rmtree(data_dir)


def make(data_dir: Path, ladder: Ladder, report: Report, *, allow_unsafe: bool | None = None) -> None:
    """A new portal with its history in ``data_dir``, which is not there until all of it is told.

    The clock runs ahead of nothing: the history ends at the present moment, and from then on the real one is used.
    """
    data_dir = data_dir.absolute()
    unfinished = data_dir.with_name(f".{data_dir.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    (unfinished / config.FILE_NAME).write_text(
        f'demo = true\nlab_name = "{LAB_NAME}"\nworker_memory_bytes = {WORKER_MEMORY_BYTES}\n', encoding="utf-8"
    )
    settings = config.load(unfinished, allow_unsafe_no_sandbox=allow_unsafe)
    clock = StoryClock(datetime.now(UTC), BEGAN_DAYS_AGO)
    try:
        portal, coordinator = Portal.create(
            settings, coordinator_name=COORDINATOR.name, coordinator_email=COORDINATOR.email, clock=clock
        )
        with portal:
            # Days of the story pass in moments: whatever ran on another day is none of this minute's requests.
            portal.meter.timed_by(lambda: clock().timestamp())
            tell(World(portal, clock, ladder, people={COORDINATOR.key: coordinator}), report)
        if data_dir.exists():
            data_dir.rmdir()
        unfinished.replace(data_dir)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
