"""What the governed path costs over a bare one, beside LiteLLM's proxy in the same run. Run it by hand:

    python -m tests.benchmarks.governed_path [--litellm PYTHON]

``PYTHON`` is the interpreter of an environment of its own that has ``litellm[proxy]``; without it LiteLLM's rows are
left out. No row runs a model: behind every server a null backend answers four words at once. Whatever is compared
takes turns, so that a machine that slows down slows all of them. ``docs/benchmarks.md`` has a table.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROUNDS, ALONE, TOGETHER, CLIENTS = 7, 100, 640, 32
_KEY = "sk-benchmark"
_MASTER = "sk-benchmark-master-key-that-nobody-else-has"
WHOLE = "Concordat, whole: started and completed in the log, durably, with a signed receipt"
PEER = "LiteLLM's proxy, before that backend"
_HERE = "tests.benchmarks.governed_servers"


@dataclass
class Target:
    """A server to ask, and what was measured of it."""

    name: str
    url: str
    model: str
    token: str
    bare: str | None = None
    """The target without governance that it is held against."""
    alone_ms: list[float] = field(default_factory=list)
    """A round's median time of an answer, one client asking."""
    a_second: list[float] = field(default_factory=list)
    """A round's answers a second, ``CLIENTS`` asking."""

    def request(self) -> bytes:
        """The request as it goes over the wire, over a connection that stays open."""
        body = json.dumps({"model": self.model, "prompt": "once upon a time", "max_tokens": 4, "seed": 7}).encode()
        at = urlsplit(self.url)
        head = (
            f"POST {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def ask(target: Target, times: int) -> list[float]:
    """The seconds that each of so many answers took, one after the other over one connection."""
    at = urlsplit(target.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    asked, took = target.request(), []
    try:
        for _ in range(times):
            begun = time.perf_counter()
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next(int(one.partition(b":")[2]) for one in fields if one.startswith(b"content-length"))
            answer = await reader.readexactly(length)
            took.append(time.perf_counter() - begun)
            if b" 200 " not in fields[0] + b" ":
                raise AssertionError(f"{target.name} answered {fields[0].decode()}: {answer[:300].decode()}")
    finally:
        writer.close()
    return took


async def together(target: Target) -> float:
    """Answers a second with every client asking at once."""
    begun = time.perf_counter()
    await asyncio.gather(*(ask(target, TOGETHER // CLIENTS) for _ in range(CLIENTS)))
    return TOGETHER // CLIENTS * CLIENTS / (time.perf_counter() - begun)


async def measure(targets: Sequence[Target]) -> None:
    """Take turns: every target in every round, the first round for warmth alone."""
    for number in range(ROUNDS + 1):
        for target in targets:
            alone = statistics.median(await ask(target, ALONE)) * 1e3
            rate = await together(target)
            print(f"round {number}: {target.name}: {alone:.2f} ms, {rate:,.0f} a second", file=sys.stderr)  # noqa: T201 - a script that prints
            if number:
                target.alone_ms.append(alone)
                target.a_second.append(rate)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], port: int, folder: Path, **environment: str) -> Iterator[None]:
    """The server runs for as long as the block does, and listens before it begins."""
    log = folder / f"{port}.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment}) as server,
    ):
        try:
            deadline = time.monotonic() + 180
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"{command} does not listen:\n{log.read_text()[-3000:]}") from None
                    time.sleep(0.2)
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def litellm_config(folder: Path, backend: str) -> Path:
    """A proxy with one model over HTTP and one that answers by itself, and keys looked up in a dictionary."""
    (folder / "key_auth.py").write_text(
        "from litellm.proxy._types import UserAPIKeyAuth\n\n"
        f"KEYS = {{{_KEY!r}: ['over-http', 'by-itself']}}\n\n\n"
        "async def user_api_key_auth(request, api_key):\n"
        "    return UserAPIKeyAuth(api_key=api_key, models=KEYS[api_key])\n",
        encoding="utf-8",
    )
    shared = {"api_base": backend, "api_key": "none"}
    models = [
        {"model_name": "over-http", "litellm_params": {"model": "text-completion-openai/null", **shared}},
        {
            "model_name": "by-itself",
            "litellm_params": {
                "model": "text-completion-openai/null",
                "mock_response": "one two three four",
                **shared,
            },
        },
    ]
    config = {
        "model_list": models,
        "general_settings": {"master_key": _MASTER, "custom_auth": "key_auth.user_api_key_auth"},
        "litellm_settings": {"telemetry": False},
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # YAML takes JSON
    return path


def servers(stack: ExitStack, folder: Path, litellm: str | None) -> list[Target]:
    """Start everything that is to be compared."""
    portal, bare, null = free_port(), free_port(), free_port()
    token_file = folder / "token"
    here = [sys.executable, "-m", _HERE]
    stack.enter_context(running([*here, "null", str(null)], null, folder))
    stack.enter_context(running([*here, "bare", str(bare)], bare, folder))
    stack.enter_context(running([*here, "portal", str(portal), str(folder), str(token_file)], portal, folder))
    token = token_file.read_text(encoding="utf-8")
    plain = "the bare route: same framework, same engine, nothing asked"
    found = [
        Target(plain, f"http://127.0.0.1:{bare}/v1/completions", "ladder-l", _KEY),
        Target(
            "Concordat, authorising and metering alone",
            f"http://127.0.0.1:{portal}/authorised/completions",
            "ladder-l",
            token,
            bare=plain,
        ),
        Target(WHOLE, f"http://127.0.0.1:{portal}/v1/completions", "ladder-l", token, bare=plain),
    ]
    if litellm is not None:
        proxy, backend = free_port(), f"http://127.0.0.1:{null}/v1"
        config = litellm_config(folder, backend)
        command = [str(Path(litellm).with_name("litellm")), "--config", str(config), "--host", "127.0.0.1"]
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONPATH": str(folder)}
        stack.enter_context(running([*command, "--port", str(proxy)], proxy, folder, **quiet))
        url, direct = f"http://127.0.0.1:{proxy}/v1/completions", "the null backend over HTTP, asked directly"
        found += [
            Target(direct, f"{backend}/completions", "null", _KEY),
            Target(PEER, url, "over-http", _KEY, bare=direct),
            Target("LiteLLM's proxy, answering by itself", url, "by-itself", _KEY, bare=plain),
        ]
    return found


def table(targets: Sequence[Target]) -> str:
    """The measurements: medians of the rounds, added time against each target's bare one, round by round."""
    by_name = {target.name: target for target in targets}
    lines = ["| | ms, one client | added, ms | answers/s, 32 clients | of LiteLLM's |", "|---|---:|---:|---:|---:|"]
    for target in targets:
        added = ""
        if target.bare is not None:
            pairs = zip(target.alone_ms, by_name[target.bare].alone_ms, strict=True)
            added = f"{statistics.median(mine - its for mine, its in pairs):.2f}"
        ratio = ""
        if PEER in by_name:
            pairs = zip(target.a_second, by_name[PEER].a_second, strict=True)
            ratio = f"{statistics.median(its / peers for its, peers in pairs):.2f}"
        lines.append(
            f"| {target.name} | {statistics.median(target.alone_ms):.2f} | {added} "
            f"| {statistics.median(target.a_second):,.0f} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--litellm", metavar="PYTHON", help="an interpreter that has litellm[proxy]")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        targets = servers(stack, Path(folder), given.litellm)
        asyncio.run(measure(targets))
    print(table(targets))  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main()
