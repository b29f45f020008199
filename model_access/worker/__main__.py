"""``python -m model_access.worker CHECKPOINT_DIR``: the worker process. Frames on stdin and stdout."""

import os
import sys
import warnings
from pathlib import Path


def main() -> int:
    """Keep the pipe for frames alone, then serve."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not land between two frames.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import transformers  # noqa: F401 - loaded before the lockdown, which leaves no way to read code

    from model_access.worker.serving import serve

    return serve(Path(sys.argv[1]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    sys.exit(main())
