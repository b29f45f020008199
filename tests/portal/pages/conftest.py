"""The small portal that the screens are tested on."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from portal.pages.context import set_portal
from tests.portal.pages.pages_world import World, build_world


@pytest.fixture(scope="session", autouse=True)
def _components() -> Iterator[None]:
    """Streamlit looks for components in every installed package once, as a server does, and not for each screen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two partner institutions, five people, four checkpoints at three stages, and the screens pointed at them."""
    built = build_world(tmp_path)
    set_portal(built.portal)
    yield built
    set_portal(None)
    built.portal.close()
