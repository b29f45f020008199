"""Power cuts: SIGKILL at any moment loses nothing that was acknowledged, and the log verifies."""

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from agreements.log_head import NoteSigner
from model_access.ladder import Ladder
from portal.composition import AGGREGATES, Portal
from portal.config import load
from portal.keyring import Keyring
from portal.store.verify import verify_store
from tests.journeys.conftest import PARTNER, Cast, Server, free_port, make_portal

KILLS = 20
WRITERS = 4


@dataclass
class Acknowledged:
    """What the portal said it had recorded."""

    findings: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


def write_until_dead(server: Server, token: str, number: int, acknowledged: Acknowledged, round_number: int) -> None:
    """File findings and issue tokens until the connection breaks."""
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        for count in range(10_000):
            finding = {
                "institution_id": PARTNER,
                "title": f"Storm {round_number}-{number}-{count}",
                "summary": "Filed while the power was failing.",
                "kind": "null_result",
                "checkpoint_ids": ["ladder-xs"],
            }
            try:
                if count % 3 == 0:
                    answer = client.post("/api/tokens", json={"label": f"storm {count}"})
                    answer.raise_for_status()
                    acknowledged.tokens.append(answer.json()["record"]["id"])
                else:
                    answer = client.post("/api/findings", json=finding)
                    answer.raise_for_status()
                    acknowledged.findings.append(answer.json()["finding_id"])
            except httpx.TransportError:
                return


@pytest.mark.storm
@pytest.mark.timeout(900)
def test_kill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path, ladder: Ladder) -> None:
    server = Server(data=tmp_path / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder, checkpoints=4)
    acknowledged = Acknowledged()
    moments = random.Random(2019)
    for round_number in range(KILLS):
        server.start()
        writers = [
            threading.Thread(
                target=write_until_dead, args=(server, cast.tokens["lead"], number, acknowledged, round_number)
            )
            for number in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        _wait_for_some(acknowledged, moments)
        server.kill()
        for writer in writers:
            writer.join()
    server.start()
    server.stop()
    _check(server, cast, acknowledged)


def _wait_for_some(acknowledged: Acknowledged, moments: random.Random) -> None:
    """Let the storm get going, then a moment more that differs each time."""
    before = len(acknowledged.findings)
    target = before + moments.randrange(1, 12)
    pause = threading.Event()
    while len(acknowledged.findings) < target:
        pause.wait(0.01)
    pause.wait(moments.random() * 0.05)


def _check(server: Server, cast: Cast, acknowledged: Acknowledged) -> None:
    settings = load(server.data, port=server.port)
    signer = NoteSigner(settings.issuer, Keyring(settings.keys_dir).own("log"))
    report = verify_store(settings.database_path, signer.vkey, aggregates=AGGREGATES)
    assert report.fault is None
    with Portal.open(settings) as portal:
        lead = cast.actor(cast.lead)
        for finding_id in acknowledged.findings:
            assert portal.findings.get(lead, finding_id).finding_id == finding_id
        kept = {token.id for token in portal.tokens.list(lead)}
        assert set(acknowledged.tokens) <= kept
        assert len(acknowledged.findings) == len(set(acknowledged.findings))
        assert len(acknowledged.findings) > KILLS
