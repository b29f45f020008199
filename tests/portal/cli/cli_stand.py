"""The command line as people use it: a portal's folder and the program."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agreements.actors import Channel, Role
from portal.cli.app import app
from portal.composition import Portal
from portal.config import load


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


Say = Callable[..., Said]


def run(*words: str | Path, data: Path | None = None, typed: str = "") -> Said:
    """Carry out one command in this process."""
    arguments = [str(word) for word in words]
    if data is not None:
        arguments += ["--data", str(data)]
    result = CliRunner().invoke(app, arguments, input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


@contextmanager
def serving(data: Path) -> Iterator[int]:
    """The portal of a folder, served by its own process; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "portal.cli", "serve", "--data", str(data), "--port", str(port), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as process:
        # Its answer comes once requests are answered; reading waits for it.
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            status = process.wait(timeout=60)
        assert status == 0


@contextmanager
def led(home: Path, institution_id: str) -> Iterator[None]:
    """Commands as a partner lead of an institution, registered for it, with an access token."""
    with Portal.open(load(home)) as portal:
        (row, *_) = portal.store.query("SELECT person_id FROM person WHERE name = 'Mara Lindqvist'")
        mara = portal.people.get(row["person_id"]).actor(Channel.CLI)
        lead = portal.people.register(
            mara,
            name="Lena Lead",
            email=f"lena@{institution_id}.example",
            memberships=[(institution_id, Role.PARTNER_LEAD)],
        )
        token = portal.tokens.issue(lead.actor(Channel.CLI), label="cli").token
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCORDAT_TOKEN", token)
        yield
