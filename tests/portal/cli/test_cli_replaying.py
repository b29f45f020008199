"""``concordat run replay`` over a running portal and its real engine: exit status 0 identical, 1 parts, 2 refused."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_access.build import Precision
from model_access.ladder import Ladder
from portal.config import load
from tests.portal.cli.cli_stand import run, serving

PROMPT = "Once upon a time, in a town by the sea,"


@dataclass(frozen=True)
class Made:
    """A run of a served portal, and what was asked and answered."""

    data: Path
    run_id: str
    answer: dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Made:
    """A portal with the smallest checkpoint, that has answered once."""
    data = tmp_path_factory.mktemp("replayed") / "data"
    run("init", "--lab", "Meridian Lab", "--coordinator", "Mara Lindqvist", "--email", "m@lab.example", data=data)
    added = run("checkpoint", "add", ladder.rungs[0].folder, "--id", "xs", "--family", "ladder", data=data)
    assert added.status == 0, added.err
    with serving(data) as port, httpx.Client(trust_env=False, timeout=120) as client:
        token = run("token", "issue", "--label", "tests", data=data).out.strip()
        body = {"model": "xs", "prompt": PROMPT, "max_tokens": 16, "n": 2}
        answer = client.post(
            f"http://127.0.0.1:{port}/v1/completions", json=body, headers={"authorization": f"Bearer {token}"}
        )
    assert answer.is_success, answer.text
    return Made(data, answer.headers["x-concordat-run"], answer.json())


def test_a_running_portal_replays_identically(made: Made, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"model": "xs", "prompt": [PROMPT], "n": 2}))
    (tmp_path / "answer.json").write_text(json.dumps(made.answer))
    with serving(made.data):
        said = run("run", "replay", made.run_id, "--prompt", PROMPT, data=made.data)
        assert (said.status, said.out.split(":")[0]) == (0, "Identical"), said.err
        told = run(
            *("run", "replay", made.run_id, "--prompts", request, "--output", tmp_path / "answer.json", "--json"),
            data=made.data,
        )
        assert told.status == 0, told.out
        assert told.answer["comparison"]["verdict"] == "identical"
        listed = run("run", "list", "--replays", made.run_id, "--json", data=made.data).answer["items"]
        assert [one["replay_identical"] for one in listed] == [True, True]
        receipt = tmp_path / "receipt.json"
        run("run", "receipt", told.answer["run_id"], "-o", receipt, data=made.data)
    assert made.run_id in run("verify", receipt).out


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("--prompt", "Once upon a time"), "not_the_prompt"),
        (("--prompt", PROMPT, "--output", "{wrong}"), "not_the_output"),
        (("--prompt", PROMPT, "--receipt", "{wrong}"), "bad_json"),
        (("--prompt", PROMPT, "--prompts", "{wrong}"), "one_prompt_needed"),
        ((), "prompt_needed"),
        (("--prompts", "{missing}"), "no_such_file"),
        (("--prompts", "{broken}"), "bad_json"),
        (("--prompts", "{binary}"), "not_utf8"),
    ],
)
def test_refusals_have_a_status_of_their_own(made: Made, tmp_path: Path, asked: tuple[str, ...], code: str) -> None:
    files = {"wrong": b"Something else", "broken.json": b"[", "binary": b"\xff\xfe"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = {name.removesuffix(".json"): tmp_path / name for name in (*files, "missing")}
    said = run("run", "replay", made.run_id, *(word.format(**paths) for word in asked), data=made.data)
    assert said.status == 2
    assert code in said.err


def test_what_is_kept_of_a_run_is_said(made: Made) -> None:
    said = run("run", "kept", made.run_id, data=made.data)
    assert (said.status, "Not kept: nothing is kept of the lab's own runs." in said.out) == (0, True), said.err
    for asked in (("texts",), ("destroy-texts", "--yes")):
        refused = run("run", *asked, made.run_id, data=made.data)
        assert (refused.status, "nothing_kept" in refused.err) == (1, True), refused.err
    destroying = ("run", "destroy-texts", made.run_id)
    assert "a replay would need the prompt" in run(*destroying, "--preview", data=made.data).out
    for typed, more in (("", ()), ("n\n", ()), ("", ("--json",))):
        said = run(*destroying, *more, data=made.data, typed=typed)
        assert (said.status, "not_confirmed" in said.out + said.err) == (1, True), said.err


def test_a_refusal_is_json_where_json_is_asked_for(made: Made) -> None:
    said = run("run", "replay", made.run_id, "--json", data=made.data)
    assert (said.status, said.answer["error"]["code"]) == (2, "prompt_needed")


def test_another_precision_is_said_and_parts(made: Made, tmp_path: Path) -> None:
    """With other arithmetic: identical or not, what changed is named with what it means."""
    (made.data / "concordat.toml").write_text(f'worker_precision = "{Precision.INT8.value}"\n')
    try:
        assert load(made.data).worker_precision is Precision.INT8
        (tmp_path / "answer.json").write_text(json.dumps(made.answer))
        asked = ("run", "replay", made.run_id, "--prompt", PROMPT, "--output", tmp_path / "answer.json")
        said = run(*asked, data=made.data)
        assert said.status in (0, 1), said.err
        assert "precision: float32 then, int8 now." in said.out
        told = run(*asked, "--json", data=made.data)
        assert told.status == said.status
        assert (told.answer["comparison"]["where"] is None) is (told.status == 0)
    finally:
        (made.data / "concordat.toml").unlink()
