"""The portal beside ``transformers serve`` on one checkpoint, in one run, to the same clients. Run it by hand:

    python -m tests.benchmarks.serving --peer PYTHON [--checkpoint FOLDER] [--rounds 2] [--asks 2] [--seconds 15]

``PYTHON`` is the interpreter of an environment that has ``transformers[serving]``; ``.venv-clients/bin/python`` is one.
Without it the peer's rows are left out. The portal is whole: tokens, grants, budgets, the sandbox, a receipt for each
run; the peer asks nobody for anything. Thirty-two clients of four institutions stream greedy completions of
mixed lengths, the same to each server, and servers take turns. Then one institution floods, and what each
gets is counted. ``docs/benchmarks.md`` has a table.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from model_access.engine.vocabulary import Vocabulary
from model_access.ladder import build_ladder
from tests.benchmarks.governed_path import free_port, running
from tests.benchmarks.serving_portal import CHECKPOINT, INSTITUTIONS

CLIENTS = 32
FLOOD, OTHERS = 96, 24
"""Requests at once of the institution that floods, and of each of the others: a worker decodes
32 at once, so that each asks for more than its share, and what it gets is up to the server."""
WORDS = (
    "return",
    "the",
    "list",
    "of",
    "names",
    "in",
    "this",
    "module",
    "if",
    "value",
    "is",
    "not",
    "raise",
    "an",
    "error",
)


@dataclass
class Server:
    """A server to ask, and what was measured of it."""

    name: str
    url: str
    model: str
    keys: dict[str, str]
    rates: list[float] = field(default_factory=list)
    """A round's tokens a second."""
    first_s: list[float] = field(default_factory=list)
    """Each answer's seconds to its first text."""
    jain: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Ask:
    """One request."""

    prompt: str
    tokens: int


def asks(seed: int, count: int) -> list[Ask]:
    """Prompts of 4 to 96 words, answers of up to 8 to 64 tokens."""
    drawn = random.Random(seed)
    return [
        Ask(" ".join(drawn.choices(WORDS, k=drawn.choice((4, 12, 32, 96)))), drawn.choice((8, 16, 32, 64)))
        for _ in range(count)
    ]


class Meter:
    """What arrived, by institution, since it was last emptied."""

    def __init__(self) -> None:
        self.pieces: Counter[str] = Counter()


async def answered(client: httpx.AsyncClient, server: Server, who: str, ask: Ask, meter: Meter) -> tuple[str, float]:
    """The text of an answer, and the seconds until its first piece."""
    body = {"model": server.model, "prompt": ask.prompt, "max_tokens": ask.tokens, "temperature": 0, "stream": True}
    begun, first, text = time.perf_counter(), 0.0, ""
    headers = {"authorization": f"Bearer {server.keys[who]}"}
    async with client.stream("POST", f"{server.url}/v1/completions", json=body, headers=headers) as response:
        if response.status_code != 200:
            raise RuntimeError(f"{server.name}: {response.status_code} {(await response.aread())[:300]!r}")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            said = json.loads(line[6:])
            if "error" in said:
                raise RuntimeError(f"{server.name}: {said['error']}")
            piece = "".join(choice["text"] or "" for choice in said["choices"])
            if piece:
                first = first or time.perf_counter() - begun
                text += piece
                meter.pieces[who] += 1
    return text, first or time.perf_counter() - begun


def connected() -> httpx.AsyncClient:
    """The one connection of one who asks.

    Many in one pool wait for the pool, which assigns them first come first served at a cost that grows with their
    square: what is measured would be the pool. A connection is left before a server may leave it.
    """
    limits = httpx.Limits(max_connections=1, keepalive_expiry=2)
    return httpx.AsyncClient(timeout=600, limits=limits, trust_env=False, verify=False)  # noqa: S501 - loopback, no TLS


async def mixed(server: Server, vocabulary: Vocabulary, count: int, *, kept: bool) -> None:
    """Every client asks so many times, one after the other; all clients at once."""
    meter = Meter()

    async def one(number: int) -> list[tuple[str, float]]:
        who = INSTITUTIONS[number % len(INSTITUTIONS)]
        async with connected() as client:
            return [await answered(client, server, who, ask, meter) for ask in asks(number, count)]

    begun = time.perf_counter()
    answers = [pair for its in await asyncio.gather(*(one(n) for n in range(CLIENTS))) for pair in its]
    took = time.perf_counter() - begun
    if kept:
        server.rates.append(sum(map(len, vocabulary.encode([text for text, _ in answers]))) / took)
        server.first_s += [first for _, first in answers]


async def flooded(server: Server, seconds: float) -> None:
    """One institution asks as much as it can; what came to each is counted after a while to settle."""
    meter = Meter()

    async def on_and_on(who: str, number: int) -> None:
        async with connected() as client:
            for ask in asks(1000 + number, 500):
                await answered(client, server, who, ask, meter)

    flooding, *others = INSTITUTIONS
    asking = [flooding] * FLOOD + [who for who in others for _ in range(OTHERS)]
    tasks = [asyncio.create_task(on_and_on(who, number)) for number, who in enumerate(asking)]
    await asyncio.sleep(seconds / 2)
    meter.pieces.clear()
    await asyncio.sleep(seconds)
    got = [meter.pieces[who] for who in INSTITUTIONS]
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, RuntimeError | httpx.HTTPError):
            raise error
    note(f"{server.name}, flooded: {dict(zip(INSTITUTIONS, got, strict=True))}")
    if any(got):
        server.jain.append(sum(got) ** 2 / (len(got) * sum(one * one for one in got)))


def note(said: str) -> None:
    """Progress, beside the table."""
    print(said, file=sys.stderr, flush=True)  # noqa: T201 - a script that prints


async def measure(servers: Sequence[Server], checkpoint: Path, rounds: int, count: int, seconds: float) -> None:
    """Take turns: a short round for warmth, then so many, then the flood."""
    vocabulary = Vocabulary(checkpoint)
    for number in range(rounds + 1):
        for server in servers:
            await mixed(server, vocabulary, count if number else 1, kept=bool(number))
            if number:
                note(f"round {number}: {server.name}: {server.rates[-1]:,.0f} tokens a second")
    for server in servers:
        await flooded(server, seconds)


def started(stack: ExitStack, folder: Path, checkpoint: Path, peer: str | None) -> list[Server]:
    """Start what is to be compared."""
    port, tokens = free_port(), folder / "tokens.json"
    here = [sys.executable, "-m", "tests.benchmarks.serving_portal", str(port), str(folder), str(checkpoint)]
    stack.enter_context(running([*here, str(tokens)], port, folder))
    servers = [
        Server("the portal", f"http://127.0.0.1:{port}", CHECKPOINT, json.loads(tokens.read_text(encoding="utf-8")))
    ]
    if peer is not None:
        keys = dict.fromkeys(INSTITUTIONS, "none")
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
        for name, more in (
            ("transformers serve, continuous batching", ["--continuous-batching"]),
            # Last: it goes on with what its clients have given up, and would slow the others.
            ("transformers serve", []),
        ):
            at = free_port()
            command = [peer, "-c", "from transformers.cli.transformers import main; main()", "serve", str(checkpoint)]
            options = ["--device", "cpu", "--dtype", "float32", "--port", str(at), "--host", "127.0.0.1", *more]
            stack.enter_context(running([*command, *options], at, folder, **quiet))
            servers.append(Server(name, f"http://127.0.0.1:{at}", str(checkpoint), keys))
    return servers


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def table(servers: Sequence[Server]) -> str:
    """The measurements, each server's rate against the first's, round by round."""
    lines = [
        "| | tokens/s | the portal's rate to it | first text p50, s | p95, s | Jain, one floods |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for server in servers:
        ratio = statistics.median(a / b for a, b in zip(servers[0].rates, server.rates, strict=True))
        jain = f"{statistics.median(server.jain):.3f}" if server.jain else "nothing came"
        lines.append(
            f"| {server.name} | {statistics.median(server.rates):,.0f} | {ratio:.2f} "
            f"| {percentile(server.first_s, 0.5):.2f} | {percentile(server.first_s, 0.95):.2f} "
            f"| {jain} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--peer", metavar="PYTHON", help="an interpreter that has transformers[serving]")
    arguments.add_argument("--checkpoint", type=Path, help="a folder; the demo ladder's largest if not given")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--asks", type=int, default=2, help="requests a client, one after the other, a round")
    arguments.add_argument("--seconds", type=float, default=15.0, help="how long the flood is counted")
    given = arguments.parse_args()
    kept = Path(os.environ.get("CONCORDAT_LADDER_DIR", ".cache/ladder"))
    checkpoint = given.checkpoint or build_ladder(kept).rungs[-1].folder
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = started(stack, Path(folder), checkpoint.absolute(), given.peer)
        asyncio.run(measure(servers, checkpoint, given.rounds, given.asks, given.seconds))
    print(table(servers))  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main()
