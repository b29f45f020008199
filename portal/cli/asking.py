"""``concordat run complete|chat|embed``: runs of one's own, as the model API makes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output
from portal.cli.prompts import Prompt, asked

CheckpointId = Annotated[str, typer.Argument(help="The checkpoint's id.")]
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        help="Prompts in a file: JSON with a text, token ids, a list of either, or the body of a request; any other "
        "file is one prompt.",
        metavar="FILE",
    ),
]
Purpose = Annotated[
    str | None,
    typer.Option("--purpose", help="What it is for, where grant and token leave several.", metavar="PURPOSE"),
]
_MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Tokens of each answer at most.")]
_Temperature = Annotated[float | None, typer.Option("--temperature", help="From 0, greedy, to 2.")]
_TopP = Annotated[float | None, typer.Option("--top-p", help="Above 0, up to 1.")]
_Seed = Annotated[int | None, typer.Option("--seed", help="The same seed brings the same answer.")]

_SHOWN = 4
"""Numbers of an embedding that are printed; a vector is for programs, by ``--json``."""


def register(app: typer.Typer) -> None:
    """Add the commands to ``concordat run``."""

    @app.command("complete")
    def complete(
        checkpoint_id: CheckpointId,
        prompt: Prompt = None,
        prompts: Prompts = None,
        max_tokens: _MaxTokens = None,
        temperature: _Temperature = None,
        top_p: _TopP = None,
        seed: _Seed = None,
        purpose: Purpose = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        """Complete prompts, with a receipt."""
        body = {"prompt": texts(prompt, prompts), **_sampling(max_tokens, temperature, top_p, seed)}
        answer = _answered(data, "completions", checkpoint_id, body, purpose)
        _tell(Output(as_json=as_json), answer, [choice["text"] for choice in answer["choices"]])

    @app.command("chat")
    def chat(
        checkpoint_id: CheckpointId,
        prompt: Prompt = None,
        prompts: Prompts = None,
        system: Annotated[
            str | None, typer.Option("--system", help="What the conversation begins with.", metavar="TEXT")
        ] = None,
        max_tokens: _MaxTokens = None,
        temperature: _Temperature = None,
        top_p: _TopP = None,
        seed: _Seed = None,
        purpose: Purpose = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        """Write the next message of a conversation, where the checkpoint has a chat template; with a receipt.

        A prompt is what the user says; a JSON file may have a whole conversation as `messages`.
        """
        body = {"messages": _conversation(prompt, prompts, system), **_sampling(max_tokens, temperature, top_p, seed)}
        answer = _answered(data, "chat/completions", checkpoint_id, body, purpose)
        _tell(Output(as_json=as_json), answer, [choice["message"]["content"] for choice in answer["choices"]])

    @app.command("embed")
    def embed(
        checkpoint_id: CheckpointId,
        prompt: Prompt = None,
        prompts: Prompts = None,
        purpose: Purpose = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        """Embed texts, with a receipt. The numbers are in the answer that --json gives."""
        answer = _answered(data, "embeddings", checkpoint_id, {"input": texts(prompt, prompts)}, purpose)
        _tell(Output(as_json=as_json), answer, [_beginning(one["embedding"]) for one in answer["data"]])


def texts(prompt: str | None, file: Path | None) -> object:
    """Prompts that are no conversation. Raises Invalid ``prompt_needed`` where there are none."""
    given = _given(prompt, file)
    if "messages" in given:
        raise Invalid(
            "prompt_needed",
            "The file has a conversation, and a prompt is needed here.",
            hint="Conversations are for `concordat run chat`.",
            param="prompts",
        )
    return given["prompts"]


def prompt_or_messages(prompt: str | None, file: Path | None) -> dict[str, object]:
    """Either of them under the name that the model API has for it. Raises Invalid ``prompt_needed``."""
    given = _given(prompt, file)
    return given if "messages" in given else {"prompt": given["prompts"]}


def _given(prompt: str | None, file: Path | None) -> dict[str, object]:
    given = asked(prompt, file)
    if given.get("prompts", "") is None:
        raise Invalid(
            "prompt_needed",
            "There is no prompt.",
            hint="Give --prompt TEXT or --prompts FILE.",
            param="prompts",
        )
    return given


def _conversation(prompt: str | None, file: Path | None, system: str | None) -> object:
    given = _given(prompt, file)
    if "messages" not in given:
        begun = [] if system is None else [{"role": "system", "content": system}]
        return [*begun, {"role": "user", "content": given["prompts"]}]
    if system is not None:
        raise Invalid(
            "one_prompt_needed",
            "The file has the whole conversation, and --system would begin another.",
            hint="Write it into the file as a message of the role system.",
            param="system",
        )
    return given["messages"]


def _sampling(
    max_tokens: int | None, temperature: float | None, top_p: float | None, seed: int | None
) -> dict[str, object]:
    asked_for = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    return {name: value for name, value in asked_for.items() if value is not None}


def _answered(
    data: Path, path: str, checkpoint_id: str, body: Mapping[str, object], purpose: str | None
) -> dict[str, Any]:
    with connected(data) as portal:
        return portal.ask(*path.split("/"), body={"model": checkpoint_id, **body}, purpose=purpose)


def _tell(output: Output, answer: Mapping[str, Any], said: list[str]) -> None:
    """Each answer, under its number where there are several; beside it what it cost and where the receipt is."""
    lines = []
    for number, text in enumerate(said, start=1):
        lines += [f"[{number}]"] if len(said) > 1 else []
        lines += text.split("\n")
    output.lines(answer, lines)
    if not output.as_json:
        used = answer["usage"]
        output.note(
            f"Tokens read: {used['prompt_tokens']:,}; written: {used.get('completion_tokens', 0):,}. "
            f"Its receipt: concordat run receipt {answer['run_id']}"
        )


def _beginning(vector: list[float]) -> str:
    first = ", ".join(f"{number:.4f}" for number in vector[:_SHOWN])
    return f"{len(vector):,} numbers: {first}, …"
