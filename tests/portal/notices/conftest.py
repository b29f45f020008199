"""A world, and what stands outside the portal: endpoints and mail servers on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.notices.outside import Endpoint, Post
from tests.portal.services.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.portal.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A partner's server, over plain HTTP on this machine."""
    with Endpoint() as running:
        yield running


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server without TLS."""
    with Post() as running:
        yield running
