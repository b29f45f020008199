"""``python -m model_access.ladder TARGET RECIPE_JSON``: train, and report progress as JSON lines on stdout."""

import json
import os
import sys
import warnings
from pathlib import Path

from agreements.errors import ConcordatError
from model_access.ladder.recipe import Recipe
from model_access.ladder.rungs import LadderProgress

_REPORT_EVERY_FRACTION = 0.002


def main(arguments: list[str]) -> int:
    """Build; 0 when the ladder is whole."""
    target, recipe = Path(arguments[0]), Recipe.model_validate_json(arguments[1])
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Matrices this small gain little from a second thread, and lose threefold when anything else wants the other core.
    os.environ["OMP_NUM_THREADS"] = "1"
    last = -1.0

    def report(progress: LadderProgress) -> None:
        nonlocal last
        if progress.fraction - last >= _REPORT_EVERY_FRACTION:
            last = progress.fraction
            print(progress.model_dump_json(), flush=True)  # noqa: T201 - stdout is the report

    report(LadderProgress(fraction=0.0, label="loading torch"))
    from model_access.ladder.building import build

    try:
        build(target, recipe, report)
    except ConcordatError as error:
        print(json.dumps({"refused": error.code, "message": error.message}), flush=True)  # noqa: T201 - stdout is the report
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
