"""The inference engine. It runs inside the sandboxed worker, the only process that imports torch to serve."""

import os
from pathlib import Path

# Read when MKL is first used. torch's attention gives every thread a buffer that begins at another place of a cache
# line, and left to itself MKL sums by where numbers lie: a row's last bits would hang on which thread computes it.
os.environ["MKL_CBWR"] = "AUTO,STRICT"


def sources(folder: Path) -> list[Path]:
    """The files there whose functions Numba compiles."""
    return sorted(folder.glob("*_kernels.py"))
