"""What every test shares: property tests that judge behaviour and never speed."""

import atexit
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from model_access.ladder import Ladder, build_ladder

settings.register_profile("concordat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("concordat")


@pytest.fixture(scope="session")
def ladder() -> Ladder:
    """The demo ladder as everyone builds it: once, and kept in ``CONCORDAT_LADDER_DIR`` or the repository's cache."""
    kept = os.environ.get("CONCORDAT_LADDER_DIR")
    return build_ladder(Path(kept) if kept else Path(__file__).parents[1] / ".cache" / "ladder")


@atexit.register
def _leave_the_last_word_to_pytest() -> None:
    """Say nothing after pytest's summary.

    DuckDB's binding lists on stderr, at interpreter exit, every object that a kept traceback still refers to; a run
    whose tests raise on purpose keeps many.
    """
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
