"""The server itself on loopback: the stock OpenAI client against it, its note, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from agreements.errors import Conflict, Unavailable
from model_access.client import DPoPAuth, DPoPKey
from portal.api.server import NOTE_NAME, RunningPortal, serve
from portal.composition import Portal
from portal.config import load
from tests.portal.api.api_stand import CHECKPOINT, WITHHELD, Stand

PROGRAM = """
import sys
from pathlib import Path
from portal.api.server import serve
from portal.composition import Portal
from portal.config import load

with Portal.open(load(Path(sys.argv[1]), port=int(sys.argv[2]))) as portal:
    serve(portal, on_ready=lambda: print("ready", flush=True), with_screens=False)
print("closed", flush=True)
"""


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def client(stand: Stand, address: str) -> Iterator[openai.OpenAI]:
    """The stock client, told nothing but address and token."""
    with openai.OpenAI(base_url=f"{address}/v1", api_key=stand.tokens["partner"], max_retries=0) as made:
        yield made


def test_the_stock_client_proves_possession_of_its_key(stand: Stand, address: str, tmp_path: Path) -> None:
    key = DPoPKey.create(tmp_path / "dpop.pem")
    bound = {"label": "bound", "grant_id": stand.grant_id, "purpose": "misuse-analysis"}
    body = {**bound, "key_thumbprint": key.thumbprint}
    token = stand.ask("POST", "/api/tokens", as_="member", json=body).json()["token"]
    auth = DPoPAuth(token, DPoPKey.load(tmp_path / "dpop.pem"))
    assert token not in repr(auth)
    with (
        openai.DefaultHttpxClient(auth=auth) as http,
        openai.OpenAI(base_url=f"{address}/v1", api_key="bound", http_client=http, max_retries=0) as client,
    ):
        assert CHECKPOINT in {model.id for model in client.models.list()}
        answer = client.completions.create(model=CHECKPOINT, prompt="Raise a", max_tokens=2)
        assert answer.choices[0].text
        pieces = client.completions.create(model=CHECKPOINT, prompt="Raise a", max_tokens=2, stream=True)
        assert list(pieces)
    with openai.OpenAI(base_url=f"{address}/v1", api_key=token, max_retries=0) as bare:
        with pytest.raises(openai.AuthenticationError) as refusal:
            bare.models.list()
        assert refusal.value.code == "proof_required"
    with pytest.raises(Conflict):
        DPoPKey.create(tmp_path / "dpop.pem")


def test_the_stock_client_completes(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [CHECKPOINT]
    assert client.models.retrieve(CHECKPOINT).object == "model"
    raw = client.completions.with_raw_response.create(model=CHECKPOINT, prompt="The", max_tokens=4, seed=1, logprobs=2)
    answer = raw.parse()
    assert raw.headers["x-concordat-run"] == answer.id.removeprefix("cmpl-")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.tokens is not None
    assert len(answer.choices[0].logprobs.tokens) == 4


def test_the_stock_client_streams(client: openai.OpenAI) -> None:
    whole = client.completions.create(model=CHECKPOINT, prompt="The", max_tokens=8, seed=4)
    chunks = list(
        client.completions.create(
            model=CHECKPOINT, prompt="The", max_tokens=8, seed=4, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


def test_the_stock_client_scores(client: openai.OpenAI) -> None:
    scored = client.completions.create(
        model=CHECKPOINT, prompt=[[5, 6, 7], [8, 9]], max_tokens=0, echo=True, logprobs=1
    )
    for choice, length in zip(scored.choices, (3, 2), strict=True):
        assert choice.logprobs is not None
        assert choice.logprobs.token_logprobs is not None
        assert len(choice.logprobs.token_logprobs) == length
        assert choice.logprobs.token_logprobs[0] is None


def test_the_stock_client_raises_by_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as denied:
        client.completions.create(model=WITHHELD, prompt="The")
    assert denied.value.code == "checkpoint_not_granted"
    with pytest.raises(openai.NotFoundError) as missing:
        client.completions.create(model="gpt-9", prompt="The")
    assert missing.value.param == "model"
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model=CHECKPOINT, prompt="word " * 1000, stream=True)
    assert long.value.code == "prompt_too_long"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="made-up").models.list()


def test_the_stock_client_streams_many_at_once(stand: Stand, address: str) -> None:
    async def one(client: openai.AsyncOpenAI, seed: int) -> str:
        chunks = await client.completions.create(model=CHECKPOINT, prompt="The", max_tokens=6, seed=seed, stream=True)
        return "".join([chunk.choices[0].text async for chunk in chunks])

    async def all_of(seeds: list[int]) -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=stand.tokens["partner"]) as client:
            return await asyncio.gather(*(one(client, seed) for seed in seeds))

    together = asyncio.run(all_of([1, 2, 3, 4]))
    assert together[1:3] == [text for seed in (2, 3) for text in asyncio.run(all_of([seed]))]


@pytest.fixture
def own_portal(tmp_path: Path) -> Path:
    """The folder of a portal of one's own, closed."""
    portal, _coordinator = Portal.create(
        load(tmp_path / "data"), coordinator_name="Ada Coordinator", coordinator_email="ada@lab.example"
    )
    portal.close()
    return tmp_path / "data"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(own_portal: Path, number: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, str(own_portal), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        note = RunningPortal.of(own_portal)
        assert note is not None
        assert (note.pid, note.port) == (process.pid, port)
        assert stat.S_IMODE((own_portal / NOTE_NAME).stat().st_mode) == 0o600
        headers = {"authorization": f"Bearer {note.operator_secret}"}
        me = httpx.get(f"{note.base_url}/api/me", headers=headers).json()
        assert me["actor"]["channel"] == "cli"
        process.send_signal(number)
        assert process.stdout.read() == "closed\n"
    assert process.returncode == 0
    assert RunningPortal.of(own_portal) is None
    assert not (own_portal / NOTE_NAME).exists()


def test_a_port_that_is_taken_is_said_so(own_portal: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = load(own_portal, port=other.getsockname()[1])
        with Portal.open(settings) as portal, pytest.raises(Unavailable) as refused:
            serve(portal, with_screens=False)
        assert refused.value.code == "port_in_use"
    assert not (own_portal / NOTE_NAME).exists()


def test_the_note_of_a_killed_portal_does_not_count(tmp_path: Path) -> None:
    assert RunningPortal.of(tmp_path) is None
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    note = {"pid": gone.pid, "port": 1, "base_url": "http://127.0.0.1:1", "operator_secret": "operator-x"}
    (tmp_path / NOTE_NAME).write_text(json.dumps(note))
    assert RunningPortal.of(tmp_path) is None
    (tmp_path / NOTE_NAME).write_text(json.dumps({**note, "pid": os.getpid()}))
    found = RunningPortal.of(tmp_path)
    assert found is not None
    assert "operator-x" not in repr(found)
    (tmp_path / NOTE_NAME).write_text("{")
    assert RunningPortal.of(tmp_path) is None
