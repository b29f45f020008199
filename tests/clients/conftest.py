"""The portal as clients find it: behind a socket; and the interpreter that has them, an environment of its own."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from agreements.scopes import Operation
from model_access.ladder import Ladder
from tests.portal.api.api_stand import OPERATIONS, Stand, made_stand, served, taking_conversations

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"

Clients = Callable[..., str]
"""Runs the clients' interpreter with these arguments, and is what it printed."""


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Stand]:
    """A portal with one partner and the smallest checkpoint, which takes conversations."""
    folder = taking_conversations(ladder.rungs[0].folder, tmp_path_factory.mktemp("checkpoint") / "folder")
    with made_stand(tmp_path_factory.mktemp("clients") / "data", folder, (*OPERATIONS, Operation.EMBED)) as made:
        yield made


@pytest.fixture(scope="session")
def address(stand: Stand) -> Iterator[str]:
    """Where it is served."""
    with served(stand) as at:
        yield at


@pytest.fixture
def clients(stand: Stand, address: str, tmp_path: Path) -> Clients:
    """The partner's machine: clients that know an address and a token, and no network but this machine."""
    python = Path(os.environ.get("CONCORDAT_CLIENTS_PYTHON") or ROOT / ".venv-clients" / "bin" / "python")
    if not python.exists():
        pytest.skip("The clients are not installed: make test puts them into .venv-clients.")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_EVALUATE_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "LANGSMITH_TRACING": "false",
        "TIKTOKEN_CACHE_DIR": str(tmp_path / "tiktoken"),
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": LOOPBACK,
        "OPENAI_BASE_URL": f"{address}/v1",
        "OPENAI_API_BASE": f"{address}/v1",
        "OPENAI_API_KEY": stand.tokens["partner"],
    }

    def run(*arguments: str | Path) -> str:
        command: Sequence[str | Path] = [python, *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout

    return run
