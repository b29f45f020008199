"""Fixtures of the API tests."""

from collections.abc import Iterator

import pytest

from agreements.scopes import Operation
from model_access.ladder import Ladder
from tests.portal.api.api_stand import OPERATIONS, Script, ScriptedPool, Stand, made_stand, served, taking_conversations


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Stand]:
    """Shared by all tests here: each makes the objects it changes."""
    with made_stand(tmp_path_factory.mktemp("portal") / "data", ladder.rungs[0].folder) as made:
        yield made


@pytest.fixture(scope="session")
def chat_stand(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Stand]:
    """A portal whose checkpoint takes conversations, and whose grant opens embeddings too."""
    folder = taking_conversations(ladder.rungs[0].folder, tmp_path_factory.mktemp("chat") / "checkpoint")
    data = tmp_path_factory.mktemp("chat-portal") / "data"
    with made_stand(data, folder, (*OPERATIONS, Operation.EMBED)) as made:
        yield made


@pytest.fixture(scope="module")
def chat_address(chat_stand: Stand) -> Iterator[str]:
    """That portal behind a real socket."""
    with served(chat_stand) as at:
        yield at


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    """Scripts that answer in place of the engine, each for one request."""
    yield ScriptedPool.scripts
    ScriptedPool.scripts.clear()


@pytest.fixture(scope="module")
def address(stand: Stand) -> Iterator[str]:
    """The shared portal behind a real socket, served by a thread of this process."""
    with served(stand) as at:
        yield at
