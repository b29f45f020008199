"""A demonstration as ``concordat demo`` makes it: the real ladder, the real sandbox, the whole history."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agreements.actors import Actor, Channel
from model_access.ladder import Ladder
from portal import config
from portal.composition import Portal
from portal.demo.cast import SIGN_IN
from portal.demo.making import make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Path:
    """The folder of a demonstration whose history has been told."""
    data = tmp_path_factory.mktemp("demo") / "data"
    make(data, ladder, lambda fraction, label: None)
    return data


@pytest.fixture(scope="session")
def opened(made: Path) -> Iterator[Portal]:
    """It, opened as the server does, under the real clock."""
    with Portal.open(config.load(made)) as portal:
        yield portal


@pytest.fixture(scope="session")
def coordinator(opened: Portal) -> Actor:
    """The first coordinator."""
    reader = opened.people.get(opened.people.coordinator_ids()[0]).actor(Channel.SCREEN)
    people = {person.email: person for person in opened.people.list(reader)}
    return people[SIGN_IN["coordinator"]].actor(Channel.SCREEN)
