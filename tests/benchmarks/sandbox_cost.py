"""What the sandbox costs a worker's answer: the same requests in and outside it, in turn, in one run. Run it by hand:

    python -m tests.benchmarks.sandbox_cost [--checkpoint FOLDER] [--tokens 200] [--rounds 7]

Every kind of isolation that this machine offers has a worker of its own, warm, as has none at all; one answers at a
time. The least time of each over the rounds counts. ``docs/benchmarks.md`` has a table.
"""

import argparse
import os
import time
from contextlib import ExitStack
from pathlib import Path

from model_access.build import Precision
from model_access.generation import GenerationRequest
from model_access.ladder import build_ladder
from model_access.manifest import build_manifest
from model_access.sandbox import UNSAFE, detect
from model_access.worker import WorkerPool

WIDTHS = (1, 16)
"""Choices that a request asks for."""


def seconds(pool: WorkerPool, request: GenerationRequest) -> float:
    """How long the whole answer takes, from outside."""
    begun = time.perf_counter()
    pool.run("asked", request, timeout_s=600)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a folder; the demo ladder's largest if not given")
    parser.add_argument("--precision", type=Precision, default=Precision.FLOAT32)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    kept = Path(os.environ.get("CONCORDAT_LADDER_DIR", ".cache/ladder"))
    folder = (given.checkpoint or build_ladder(kept).rungs[-1].folder).absolute()
    manifest = build_manifest(folder)
    print("| isolation | choices | ms a step | × without |\n|---|---:|---:|---:|")  # noqa: T201 - a script that prints
    with ExitStack() as stack:
        pools = {}
        for profile in (UNSAFE, *detect().profiles):
            pool = stack.enter_context(WorkerPool(profile, precision=given.precision))
            pool.register("asked", folder, manifest)
            pools[profile.id] = pool
        for width in WIDTHS:
            request = GenerationRequest(prompts=((1, 2, 3),), max_tokens=given.tokens, n=width, seed=1)
            least = dict.fromkeys(pools, float("inf"))
            for turn in range(given.rounds + 1):
                for name, pool in pools.items():
                    took = seconds(pool, request)
                    if turn:  # the first loads the checkpoint
                        least[name] = min(least[name], took)
            for name, took in least.items():
                ratio = took / least[UNSAFE.id]
                print(f"| {name} | {width} | {1e3 * took / given.tokens:.3f} | {ratio:.3f} |")  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main()
