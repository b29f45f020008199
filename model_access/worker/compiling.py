"""Having the engine's functions compiled before a worker needs them.

A worker reads what was compiled beside the source and can write nothing there, so the portal has it done: by a process
without a checkpoint, once for each version of the source, of Numba and of the processor (decision 57).
"""

import hashlib
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from model_access import engine
from model_access.engine import sources

_log = logging.getLogger(__name__)

_FOLDER: Final = Path(engine.__file__).parent
_LONGEST_S: Final = 300
_CPU: Final = Path("/proc/cpuinfo")

_lock = threading.Lock()
_seen_to: set[Path] = set()


def keep_compiled() -> None:
    """Compile what is not kept for this source, Numba and processor; takes a quarter of a minute, once.

    Where nothing can be kept, each worker compiles for itself.
    """
    sought = sources(_FOLDER)
    mark = _FOLDER / "__pycache__" / f"compiled.{_fingerprint(sought)}.kept"
    with _lock:
        if mark in _seen_to or mark.exists():
            return
        _seen_to.add(mark)
        _log.info("compiling the engine's functions for this processor")
        try:
            subprocess.run(  # noqa: S603 - our own module, by this interpreter
                [sys.executable, "-c", f"import {', '.join(f'{engine.__name__}.{source.stem}' for source in sought)}"],
                check=True,
                timeout=_LONGEST_S,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                cwd=_FOLDER.parents[1],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as error:
            _log.warning("the engine's functions are not kept compiled: %s", type(error).__name__)
            return
        with suppress(OSError):  # then the next portal asks again, and finds it done
            mark.touch()


def _fingerprint(sought: list[Path]) -> str:
    told = _CPU.read_text().splitlines() if _CPU.exists() else []
    features = next((line for line in told if line.startswith("flags")), "")
    parts = (*(source.read_text() for source in sought), version("numba"), sys.version, features)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


if __name__ == "__main__":
    keep_compiled()
