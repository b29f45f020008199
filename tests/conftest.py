"""What every test shares: property tests that judge behaviour and never speed."""

import atexit
import os
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from model_access.ladder import Ladder, build_ladder

_ROOT = Path(__file__).parents[1]
_DEMO = _ROOT / "tests" / "portal" / "demo"

settings.register_profile("concordat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("concordat")


@pytest.fixture(scope="session")
def ladder() -> Ladder:
    """The demo ladder as everyone builds it: once, and kept in ``CONCORDAT_LADDER_DIR`` or the repository's cache."""
    kept = os.environ.get("CONCORDAT_LADDER_DIR")
    folder = Path(kept) if kept else _ROOT / ".cache" / "ladder"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Test processes beside each other wait for the one that builds it.
    with FileLock(folder.with_suffix(".lock")):
        return build_ladder(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, and all that share the demonstration, which takes long to make, in one."""
    for item in items:
        group = item.path.parent if item.path.is_relative_to(_DEMO) else item.path
        item.add_marker(pytest.mark.xdist_group(str(group.relative_to(_ROOT))))


@atexit.register
def _leave_the_last_word_to_pytest() -> None:
    """Say nothing after pytest's summary.

    DuckDB's binding lists on stderr, at interpreter exit, every object that a kept traceback still refers to; a run
    whose tests raise on purpose keeps many.
    """
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
