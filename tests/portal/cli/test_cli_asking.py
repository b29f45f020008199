"""``concordat run complete|chat|embed`` and ``checkpoint tokenize|detokenize`` over a running portal and its engine."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_access.ladder import Ladder
from portal.cli.connection import TOKEN_VARIABLE
from tests.portal.cli.cli_stand import Say, run, serving

TEMPLATE = "{% for message in messages %}{{ message.role ~ ': ' ~ message.content ~ '\n' }}{% endfor %}"
PROMPT = "Once upon a time"
GREEDY = ("--max-tokens", "8", "--temperature", "0")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Say]:
    """Commands on a served portal with a checkpoint that takes conversations, and one that does not."""
    folder = tmp_path_factory.mktemp("asked")
    data, talking = folder / "data", folder / "talking"
    shutil.copytree(ladder.rungs[0].folder, talking)
    (talking / "chat_template.jinja").write_text(TEMPLATE)
    run("init", "--lab", "Meridian Lab", "--coordinator", "Mara Lindqvist", "--email", "m@lab.example", data=data)
    for name, source in (("plain", ladder.rungs[0].folder), ("talking", talking)):
        added = run("checkpoint", "add", source, "--id", name, "--family", "ladder", data=data)
        assert added.status == 0, added.err
    with serving(data):
        yield lambda *words: run(*words, data=data)


def test_prompts_are_completed_and_the_receipt_is_named(served: Say, tmp_path: Path) -> None:
    said = served("run", "complete", "talking", "--prompt", PROMPT, *GREEDY)
    assert said.status == 0, said.err
    told = served("run", "complete", "talking", "--prompt", PROMPT, *GREEDY, "--json").answer
    assert said.out == told["choices"][0]["text"] + "\n"
    assert f"written: {told['usage']['completion_tokens']}." in said.err
    assert served("run", "receipt", told["run_id"], "-o", tmp_path / "receipt.json").status == 0
    (tmp_path / "two.json").write_text(json.dumps({"prompt": [PROMPT, "The"]}))
    both = served("run", "complete", "talking", "--prompts", tmp_path / "two.json", *GREEDY)
    assert both.out.startswith(f"[1]\n{said.out}[2]\n")


def test_a_conversation_goes_on(served: Say, tmp_path: Path) -> None:
    said = served("run", "chat", "talking", "--system", "Be brief.", "--prompt", "Who?", *GREEDY)
    assert said.status == 0, said.err
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    (tmp_path / "talk.json").write_text(json.dumps({"messages": messages}))
    told = served("run", "chat", "talking", "--prompts", tmp_path / "talk.json", *GREEDY, "--json").answer
    assert said.out == told["choices"][0]["message"]["content"] + "\n"
    counted = served("checkpoint", "tokenize", "talking", "--prompts", tmp_path / "talk.json", "--json").answer
    assert counted["count"] == told["usage"]["prompt_tokens"]


def test_texts_are_embedded(served: Say) -> None:
    told = served("run", "embed", "talking", "--prompt", PROMPT, "--json").answer
    vector = told["data"][0]["embedding"]
    said = served("run", "embed", "talking", "--prompt", PROMPT)
    assert said.out.startswith(f"{len(vector)} numbers: {vector[0]:.4f}, ")
    assert "concordat run receipt run_" in said.err


def test_text_becomes_tokens_and_text_again(served: Say) -> None:
    there = served("checkpoint", "tokenize", "plain", "--prompt", "The file — ü\nand on")
    assert there.status == 0, there.err
    back = served("checkpoint", "detokenize", "plain", *there.out.split())
    assert back.out == "The file — ü\nand on\n"
    assert there.err.startswith(f"Tokens: {len(there.out.split())}, ")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("run", "chat", "plain", "--prompt", "Who?"), "no_chat_template"),
        (("run", "chat", "talking", "--prompts", "{talk}", "--system", "Be brief."), "one_prompt_needed"),
        (("run", "complete", "talking"), "prompt_needed"),
        (("run", "complete", "talking", "--prompts", "{talk}"), "prompt_needed"),
        (("run", "complete", "talking", "--prompt", "x", "--prompts", "{talk}"), "one_prompt_needed"),
        (("run", "complete", "talking", "--prompt", "x", "--temperature", "9"), "bad_request"),
        (("run", "complete", "nothing", "--prompt", "x"), "checkpoint_not_found"),
        (("checkpoint", "tokenize", "plain"), "prompt_needed"),
        (("checkpoint", "detokenize", "plain", "99999999"), "token_out_of_vocabulary"),
    ],
)
def test_refusals_keep_their_code(served: Say, tmp_path: Path, asked: tuple[str, ...], code: str) -> None:
    (tmp_path / "talk.json").write_text(json.dumps({"messages": [{"role": "user", "content": "Who?"}]}))
    words = [word.format(talk=tmp_path / "talk.json") for word in asked]
    said = served(*words)
    assert (said.status, f"({code})" in said.err) == (1, True), said.err
    assert (
        served(*(word.format(talk=tmp_path / "talk.json") for word in asked), "--json").answer["error"]["code"] == code
    )


def test_a_token_in_the_environment_says_who_asks(served: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    token = served("token", "issue", "--label", "tests").out.strip()
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    assert served("run", "complete", "plain", "--prompt", PROMPT, *GREEDY).status == 0
    monkeypatch.setenv(TOKEN_VARIABLE, token[:-8] + "AAAAAAAA")
    refused = served("run", "complete", "plain", "--prompt", PROMPT, *GREEDY)
    assert (refused.status, "(invalid_token)" in refused.err) == (1, True), refused.err
