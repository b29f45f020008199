"""Commands beside a running portal reach it over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.portal.cli.cli_stand import run, serving


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A portal served by its own process."""
    data = tmp_path / "data"
    run("init", "--lab", "Meridian Lab", "--coordinator", "Mara Lindqvist", "--email", "m@lab.example", data=data)
    with serving(data):
        yield data
    assert not (data / "portal.json").exists()


def test_the_running_portal_answers(running: Path) -> None:
    assert run("institution", "list", "--json", data=running).answer["items"][0]["name"] == "Meridian Lab"
    assert run("log", "verify", data=running).status == 0
    refused = run("grant", "show", "grt_none", data=running)
    assert "(grant_not_found)" in refused.err


def test_a_second_one_is_refused(running: Path) -> None:
    assert "(portal_running)" in run("serve", data=running).err


def test_it_is_backed_up_while_it_runs(running: Path, tmp_path: Path) -> None:
    assert run("backup", tmp_path / "b.tar", data=running).status == 0
    assert run("restore", tmp_path / "b.tar", data=tmp_path / "copy").status == 0
    assert run("log", "verify", data=tmp_path / "copy").status == 0


def test_the_operators_secret_is_needed(running: Path) -> None:
    note = json.loads((running / "portal.json").read_text())
    assert (running / "portal.json").stat().st_mode & 0o077 == 0
    (running / "portal.json").write_text(json.dumps({**note, "operator_secret": "operator-guess"}))
    refused = run("person", "list", data=running)
    assert refused.status == 1
    assert "(invalid_token)" in refused.err


def test_no_coordinators_token_makes_a_backup(running: Path, tmp_path: Path) -> None:
    note = json.loads((running / "portal.json").read_text())
    token = run("token", "issue", "--label", "curious", data=running).out.strip()
    with httpx.Client(headers={"authorization": f"Bearer {token}"}, trust_env=False) as client:
        refused = client.post(
            f"http://127.0.0.1:{note['port']}/api/operator/backup", json={"file": str(tmp_path / "b.tar")}
        )
    assert (refused.status_code, refused.json()["code"]) == (403, "operator_only")
    assert not (tmp_path / "b.tar").exists()
