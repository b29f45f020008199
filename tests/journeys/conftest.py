"""A portal as people run it: its own process, real checkpoints in the real sandbox, a fresh data folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from agreements.actors import LAB, Actor, Channel, Role
from agreements.institutions import Constituency
from agreements.people import Person
from model_access.ladder import Ladder
from portal.composition import Portal, utc_now
from portal.config import load
from portal.services.kernel import Clock

PARTNER = "north-university"
START_TIMEOUT_S = 120


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """The portal's process and how to reach it."""

    data: Path
    port: int
    program: tuple[str, ...] = ("portal.cli", "serve")
    """The module that serves, with what it is told first."""
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.data.parent / "server.log"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; prints what it said if it dies."""
        command = [sys.executable, "-m", *self.program, "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the portal did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)  # polling a process that is starting; nothing is asserted about how long it takes

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)


@dataclass(frozen=True)
class Cast:
    """Who takes part, with a one-time sign-in link and an access token each."""

    coordinator: Person
    lead: Person
    researcher: Person
    links: dict[str, str]
    tokens: dict[str, str]

    def actor(self, person: Person) -> Actor:
        """The person as an actor."""
        return person.actor(Channel.API)


def make_portal(data: Path, port: int, ladder: Ladder, *, checkpoints: int = 4, clock: Clock = utc_now) -> Cast:
    """A portal with its ladder, one partner that has a key but no agreement, and three people."""
    settings = load(data, port=port, lab_name="Meridian Lab")
    portal, coordinator = Portal.create(
        settings, coordinator_name="Ada Coordinator", coordinator_email="ada@lab.example", clock=clock
    )
    with portal:
        ada = coordinator.actor(Channel.CLI)
        for rung in ladder.rungs[-checkpoints:]:
            portal.checkpoints.add(ada, rung.folder, checkpoint_id=rung.id, family="ladder")
        portal.institutions.register(
            ada,
            institution_id=PARTNER,
            name="North University",
            constituency=Constituency.ACADEMIA,
            contact_email="office@north.example",
        )
        lead = portal.people.register(
            ada, name="Ben Lead", email="ben@north.example", memberships=[(PARTNER, Role.PARTNER_LEAD)]
        )
        researcher = portal.people.register(
            ada, name="Cleo Researcher", email="cleo@lab.example", memberships=[(LAB, Role.RESEARCHER)]
        )
        portal.institutions.create_key(lead.actor(Channel.CLI), PARTNER)
        people = {"coordinator": coordinator, "lead": lead, "researcher": researcher}
        return Cast(
            **people,
            links={name: portal.sign_in.issue_link(ada, person.id) for name, person in people.items()},
            tokens={
                name: portal.tokens.issue(person.actor(Channel.CLI), label="journey").token
                for name, person in people.items()
            },
        )


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server for the length of a block."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def stage(tmp_path: Path, ladder: Ladder) -> Iterator[tuple[Server, Cast]]:
    """A running portal and its cast."""
    server = Server(data=tmp_path / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder)
    with running(server):
        yield server, cast
