"""Killed again and again while it writes, the store loses nothing it acknowledged and opens by itself."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.store import verify_store
from tests.portal.store.store_boxes import BOXES, SIGNER, open_store

KILLS = 26
HERE = Path(__file__).parent


def killed_after(path: Path, run: str, acknowledged: int) -> list[str]:
    """Let the writer run until so many commits were acknowledged, kill it, and return all it ever acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, str(HERE / "storm_writer.py"), str(path), run],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        boxes = [writer.stdout.readline() for _ in range(acknowledged)]
        writer.send_signal(signal.SIGKILL)
        boxes.extend(writer.stdout)
    return [box.strip() for box in boxes if box.endswith("\n")]


@pytest.mark.storm
def test_nothing_acknowledged_is_ever_lost(path: Path) -> None:
    chance = random.Random(20260301)
    acknowledged: set[str] = set()
    heads: list[str] = []
    for kill in range(KILLS):
        acknowledged.update(killed_after(path, f"r{kill}", chance.randrange(60)))
        if kill % 2:
            continue  # the next writer finds the file as the kill left it
        with open_store(path) as store:
            heads.append(store.log.head())
            present = {row["box_id"] for row in store.query("SELECT box_id FROM test_box")}
            assert acknowledged <= present
            assert store.log.size == 2 * len(present)
            replayed = [store.committed_under("per_ada", box) for box in sorted(acknowledged)[-5:]]
            assert all(committed is not None and len(committed.positions) == 2 for committed in replayed)
            assert verify_store(store, SIGNER.vkey, known_heads=heads).ok
    # The last kill was not recovered from yet: a read-only look at the file replays what it left behind as well.
    assert verify_store(path, SIGNER.vkey, aggregates=[BOXES], known_heads=heads).ok
    with open_store(path) as store:
        assert acknowledged <= {row["box_id"] for row in store.query("SELECT box_id FROM test_box")}
    assert len(acknowledged) > KILLS
