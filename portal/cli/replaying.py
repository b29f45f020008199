"""``concordat run replay``: run again from the receipt. Exit status 0 identical, 1 where it parts, 2 refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.errors import ConcordatError
from model_access.replay import Verdict
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output, show_refusal
from portal.cli.prompts import Prompt, asked, text_of, value_of

PARTS = 1
REFUSED = 2


def register(app: typer.Typer) -> None:
    """Add the command to ``concordat run``."""

    @app.command("replay")
    def replay(
        run_id: Annotated[str, typer.Argument(help="The run's id.")],
        prompt: Prompt = None,
        prompts: Annotated[
            Path | None,
            typer.Option(
                "--prompts",
                help="The prompts in a file: JSON with a text, token ids, a list of either, the body of the request or "
                "what `run texts` wrote; any other file is one prompt. Without prompts, those that the portal keeps.",
                metavar="FILE",
            ),
        ] = None,
        output: Annotated[
            Path | None,
            typer.Option(
                "--output",
                help="The original answer, to hear where it parts: JSON with the texts or the answer of /v1; any other "
                "file is one text.",
                metavar="FILE",
            ),
        ] = None,
        receipt: Annotated[
            Path | None,
            typer.Option("--receipt", help="A receipt of the run, not the portal's.", metavar="FILE"),
        ] = None,
        purpose: Annotated[
            str | None, typer.Option("--purpose", help="What the replay is for; by default what the run was for.")
        ] = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        """Run again from the receipt, and say whether it is identical. Exit status 0 identical, 1 parts, 2 refused."""
        told = Output(as_json=as_json)
        try:
            body = {
                **asked(prompt, prompts),
                "outputs": None if output is None else _texts(output),
                "purpose": purpose,
                "receipt": None if receipt is None else text_of(receipt),
            }
            with connected(data) as portal, told.notes.status("Running it again"):
                answer = portal.post("runs", run_id, "replay", body=body)
        except ConcordatError as refusal:
            show_refusal(refusal, as_json=as_json)
            raise typer.Exit(REFUSED) from None
        told.lines(answer, _told(answer))
        if answer["comparison"]["verdict"] != Verdict.IDENTICAL:
            raise typer.Exit(PARTS)


def _told(answer: Mapping[str, Any]) -> list[str]:
    told = answer["comparison"]
    lines = [told["says"]]
    where = told["where"]
    if where is not None:
        lines += [f"  then: {where['then']!r}", f"  now:  {where['now']!r}"]
    lines += [f"{one['name']}: {one['then']} then, {one['now']} now." for one in told["endings"]]
    lines += [f"{one['name']}: {one['then']} then, {one['now']} now. {one['means']}" for one in told["circumstances"]]
    return [*lines, f"The replay is run {answer['run_id']}; its receipt says what came of it."]


def _texts(file: Path) -> object:
    """The texts in a file, as a list where they can be told; what is no text the portal refuses by name."""
    value = value_of(file)
    if isinstance(value, dict) and isinstance(value.get("outputs"), list):
        value = value["outputs"]
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        value = [_text_of(one) if isinstance(one, dict) else one for one in value["choices"]]
    return [value] if isinstance(value, str) else value


def _text_of(choice: Mapping[str, Any]) -> object:
    message = choice.get("message")
    return message.get("content") if isinstance(message, dict) else choice.get("text")
