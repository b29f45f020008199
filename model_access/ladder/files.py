"""The ladder on disk: one folder and one record per rung, and ``ladder.json`` once all are there.

No torch here: the portal reads a finished ladder without it.
"""

from pathlib import Path

from pydantic import ValidationError

from agreements.deciders import Value
from agreements.errors import ConcordatError
from model_access.ladder.recipe import DEMO, Recipe
from model_access.ladder.rungs import Ladder, Rung
from model_access.manifest import Manifest, build_manifest


class _RungRecord(Value):
    recipe_digest: str
    rung: Rung


class _LadderRecord(Value):
    recipe_digest: str
    ladder: Ladder


def load_ladder(target: Path, recipe: Recipe = DEMO) -> Ladder | None:
    """The finished ladder below ``target``, each file digested again; ``None`` if it is absent, partial or changed."""
    try:
        record = _LadderRecord.model_validate_json((target / "ladder.json").read_bytes())
    except (OSError, ValidationError):
        return None
    if record.recipe_digest != recipe.digest:
        return None
    rungs = tuple(_sound(target, rung) for rung in record.ladder.rungs)
    whole = tuple(rung for rung in rungs if rung is not None)
    return Ladder(rungs=whole) if len(whole) == len(recipe.rungs) else None


def finished_rung(target: Path, rung_id: str, recipe: Recipe) -> Rung | None:
    """The rung an earlier, interrupted build left whole, if it did."""
    try:
        record = _RungRecord.model_validate_json((target / f"{rung_id}.json").read_bytes())
    except (OSError, ValidationError):
        return None
    return _sound(target, record.rung) if record.recipe_digest == recipe.digest else None


def write_rung(target: Path, rung: Rung, recipe: Recipe) -> None:
    """Record that a rung is whole."""
    _replace(target / f"{rung.id}.json", _RungRecord(recipe_digest=recipe.digest, rung=rung))


def write_ladder(target: Path, recipe: Recipe, rungs: tuple[Rung, ...]) -> Ladder:
    """Record that the ladder is whole."""
    ladder = Ladder(rungs=rungs)
    _replace(target / "ladder.json", _LadderRecord(recipe_digest=recipe.digest, ladder=ladder))
    return ladder


def rung_manifest(rung: Rung) -> Manifest:
    """The manifest of a rung's folder."""
    return build_manifest(rung.folder)


def _sound(target: Path, rung: Rung) -> Rung | None:
    """The rung with its folder where it is now, unless a file was lost or changed."""
    here = rung.model_copy(update={"folder": (target / rung.id).resolve()})
    try:
        return here if build_manifest(here.folder).digest == rung.manifest_digest else None
    except (ConcordatError, OSError):
        return None


def _replace(path: Path, record: Value) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
