"""``concordat batch`` beside a running portal with a real checkpoint."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_access.ladder import Ladder
from tests.portal.cli.cli_stand import Say, run, serving


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Path]:
    """A served portal with the smallest checkpoint."""
    data = tmp_path_factory.mktemp("batches") / "data"
    run("init", "--lab", "Meridian Lab", "--coordinator", "Mara Lindqvist", "--email", "m@lab.example", data=data)
    added = run("checkpoint", "add", ladder.rungs[0].folder, "--id", "xs", "--family", "ladder", data=data)
    assert added.status == 0, added.err
    with serving(data):
        yield data


def written(path: Path, *prompts: str, **more: object) -> Path:
    """An input file."""
    path.write_text(
        "".join(
            json.dumps(
                {
                    "custom_id": f"p{number}",
                    "method": "POST",
                    "url": "/v1/completions",
                    "body": {"model": "xs", "prompt": prompt, "max_tokens": 3, **more},
                }
            )
            + "\n"
            for number, prompt in enumerate(prompts)
        )
    )
    return path


def test_a_batch_from_file_to_table(data: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "in.jsonl", "Raise a", "Return the")
    checked = run("batch", "check", file, "--json", data=data)
    assert (checked.status, checked.answer["lines"], checked.answer["budget_left"]) == (0, 2, None)
    said = run("batch", "submit", file, "--wait", "--json", data=data)
    assert (said.status, said.answer["status"], said.answer["completed"]) == (0, "completed", 2), said.err
    batch_id = said.answer["id"]
    assert run("batch", "wait", batch_id, data=data).status == 0
    assert batch_id in run("batch", "list", data=data).out
    assert "digest of the answers" in run("batch", "show", batch_id, data=data).out
    assert run("batch", "download", batch_id, "-o", tmp_path / "out.jsonl", data=data).status == 0
    assert [json.loads(line)["custom_id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["p0", "p1"]
    assert run("batch", "download", batch_id, "-o", tmp_path / "out.csv", data=data).status == 0
    assert (tmp_path / "out.csv").read_text().startswith("custom_id,choice,text,finish_reason")
    assert "(nothing_failed)" in run("batch", "retry", "--check", batch_id, data=data).err
    none = run("batch", "download", batch_id, "--errors", "-o", tmp_path / "none.jsonl", data=data)
    assert (none.status, "(no_results)" in none.err) == (1, True)
    assert "(nothing_failed)" in run("batch", "retry", batch_id, data=data).err
    assert "(batch_over)" in run("batch", "cancel", batch_id, data=data).err


def test_prompts_are_put_to_the_checkpoint_that_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "asked.csv").write_text("prompt,max_tokens\nRaise a,2\nReturn the,3\n")
    checked = run("batch", "check", tmp_path / "asked.csv", "--model", "xs", "--json", data=data)
    assert (checked.status, checked.answer["lines"], checked.answer["model"]) == (0, 2, "xs")
    assert "(no_model)" in run("batch", "check", tmp_path / "asked.csv", data=data).err
    requests = written(tmp_path / "in.jsonl", "Raise a")
    assert "(settings_in_the_file)" in run("batch", "submit", requests, "--model", "xs", data=data).err


def test_a_file_with_problems_is_told_and_not_submitted(data: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "in.jsonl", "Raise a", "", temperature=9)
    before = len(run("batch", "list", "--json", data=data).answer["items"])
    for words in (("batch", "check", file), ("batch", "submit", file, "--wait")):
        said = run(*words, data=data)
        assert said.status == 1
        assert "body.temperature" in said.out
    assert len(run("batch", "list", "--json", data=data).answer["items"]) == before


def test_without_a_running_portal_waiting_is_refused(say: Say, tmp_path: Path) -> None:
    assert "(batch_not_found)" in say("batch", "show", "batch_none").err
    assert "(batch_not_found)" in say("batch", "wait", "batch_none").err
    said = say("batch", "submit", written(tmp_path / "in.jsonl", "Raise a"))
    assert (said.status, "checkpoint_not_found" in said.out) == (1, True)


def test_the_tokenizer_of_what_a_batch_asks_comes_as_a_folder(data: Path, ladder: Ladder, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    said = run("checkpoint", "tokenizer", "xs", "-o", folder, "--json", data=data)
    assert (said.status, said.answer["files"]) == (0, ["tokenizer.json", "tokenizer_config.json"]), said.err
    for name in said.answer["files"]:
        assert (folder / name).read_bytes() == (ladder.rungs[0].folder / name).read_bytes()
    assert "(folder_in_use)" in run("checkpoint", "tokenizer", "xs", "-o", folder, data=data).err
    assert "(checkpoint_not_found)" in run("checkpoint", "tokenizer", "none", "-o", tmp_path / "x", data=data).err
