"""The small portal that the screens are tested on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.pages.context import set_portal
from tests.portal.pages.pages_world import World, build_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two partner institutions, five people, four checkpoints at three stages, and the screens pointed at them."""
    built = build_world(tmp_path)
    set_portal(built.portal)
    yield built
    set_portal(None)
    built.portal.close()
