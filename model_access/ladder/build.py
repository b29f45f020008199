"""Building the ladder from the portal: training happens in a process of its own, so torch never enters this one."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

import agreements
import model_access
from agreements.errors import Unavailable
from model_access.ladder.files import load_ladder
from model_access.ladder.recipe import DEMO, Recipe
from model_access.ladder.rungs import Ladder, LadderProgress


def build_ladder(
    target: Path,
    progress: Callable[[LadderProgress], None] | None = None,
    *,
    recipe: Recipe = DEMO,
) -> Ladder:
    """The ladder below ``target``: as found if it is whole and unchanged, else trained, keeping the rungs that are.

    ``progress`` hears a fraction that never falls. Two callers with one target wait for each other. Raises Unavailable
    ``ladder_build_failed`` or ``no_training_text``.
    """
    report = progress or (lambda _: None)
    target.mkdir(parents=True, exist_ok=True)
    with _alone_in(target):
        ladder = load_ladder(target, recipe)
        if ladder is None:
            _train(target, recipe, report)
            ladder = load_ladder(target, recipe)
    if ladder is None:
        raise Unavailable("ladder_build_failed", "The demo ladder was trained, but what is on disk is not whole.")
    report(LadderProgress(fraction=1.0, label="the ladder is ready", eta_s=0.0))
    return ladder


def _train(target: Path, recipe: Recipe, report: Callable[[LadderProgress], None]) -> None:
    command = [sys.executable, "-P", "-m", "model_access.ladder", str(target.resolve()), recipe.model_dump_json()]
    code = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (agreements, model_access))
    with (target / "build.log").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": code, "OMP_WAIT_POLICY": "passive"},
        )
        try:
            complaint = _follow(process, report)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    if status != 0:
        code, message = complaint or ("ladder_build_failed", f"Training the demo ladder ended with status {status}.")
        raise Unavailable(code, message, hint=f"What it said is in {target / 'build.log'}.")


def _follow(process: "subprocess.Popen[bytes]", report: Callable[[LadderProgress], None]) -> tuple[str, str] | None:
    """Pass progress on; the refusal the training process ended with, if it told one."""
    refusal = None
    for line in process.stdout or ():
        try:
            message = json.loads(line)
            if "refused" in message:
                refusal = (str(message["refused"]), str(message["message"]))
            else:
                report(LadderProgress.model_validate(message))
        except (ValueError, ValidationError, TypeError):
            continue
    return refusal


@contextmanager
def _alone_in(target: Path) -> Iterator[None]:
    """Only one build per target at a time, across processes; the lock goes with the process that held it."""
    with (target / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
