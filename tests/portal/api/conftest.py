"""Fixtures of the API tests."""

from collections.abc import Iterator

import pytest

from model_access.ladder import Ladder
from portal.composition import Portal
from portal.config import load
from tests.portal.api.api_stand import Script, ScriptedPool, Stand, peopled


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Stand]:
    """Shared by all tests here: each makes the objects it changes."""
    settings = load(tmp_path_factory.mktemp("portal") / "data", lab_name="Meridian Lab", demo=True)
    portal, coordinator = Portal.create(
        settings,
        coordinator_name="Ada Coordinator",
        coordinator_email="ada@lab.example",
        pool_factory=lambda profile, chosen: ScriptedPool(profile, memory_budget_bytes=chosen.worker_memory_bytes),
    )
    with portal:
        yield peopled(portal, coordinator, ladder.rungs[0].folder)


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    """Scripts that answer in place of the engine, each for one request."""
    yield ScriptedPool.scripts
    ScriptedPool.scripts.clear()
