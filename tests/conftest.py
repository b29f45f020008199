"""What every test shares: property tests that judge behaviour and never speed."""

import atexit
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from model_access.ladder import Ladder, build_ladder

_ROOT = Path(__file__).parents[1]
_DEMO = "tests/portal/demo/"
_LADDER = _ROOT / "tests" / "model_access" / "ladder"

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
    """Those that train the ladder come first, so that others seldom wait for it."""
    items.sort(key=lambda item: not item.path.is_relative_to(_LADDER))


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests of one file run in one process, and all that share the demonstration, which takes long to make, in one.

    By the names of tests, since marks for groups do not reach xdist 3.8 with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _DEMO if nodeid.startswith(_DEMO) else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """For every run on several processes."""
    return _ByFile(config, log)


@atexit.register
def _leave_the_last_word_to_pytest() -> None:
    """Say nothing after pytest's summary.

    DuckDB's binding lists on stderr, at interpreter exit, every object that a kept traceback still refers to; a run
    whose tests raise on purpose keeps many.
    """
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
