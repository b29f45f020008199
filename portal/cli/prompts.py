"""Prompts as commands take them: a text beside the command, or a file of one of the shapes they come in."""

import json
from pathlib import Path
from typing import Annotated

import typer

from agreements.errors import Invalid
from portal.cli.keyfiles import read_bytes

Prompt = Annotated[str | None, typer.Option("--prompt", help="The prompt, to the last space.", metavar="TEXT")]


def asked(prompt: str | None, file: Path | None) -> dict[str, object]:
    """The prompts under ``prompts``, None where none are given, or a conversation under ``messages``.

    A JSON file is a text, token ids, a list of either, or an object that has them as ``prompts``, ``prompt``, ``input``
    or ``messages``; any other file is one prompt. Raises Invalid ``one_prompt_needed`` where both are given.
    """
    if prompt is not None and file is not None:
        raise Invalid(
            "one_prompt_needed",
            "The prompt is given twice.",
            hint="Give either --prompt TEXT or --prompts FILE.",
            param="prompts",
        )
    if file is None:
        return {"prompts": prompt}
    value = value_of(file)
    if isinstance(value, dict) and "messages" in value:
        return {"messages": value["messages"]}
    for name in ("prompts", "prompt", "input"):
        if isinstance(value, dict) and name in value:
            return {"prompts": value[name]}
    return {"prompts": value}


def value_of(file: Path) -> object:
    """A file's JSON where its name says that it is JSON, else its text, to the last character."""
    text = text_of(file)
    if file.suffix != ".json":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("bad_json", f"{file} is no JSON.", hint="Name a file of plain text otherwise.") from None


def text_of(file: Path) -> str:
    """A file's text. Raises Invalid ``not_utf8`` and what reading it raises."""
    try:
        return read_bytes(file).decode()
    except UnicodeDecodeError:
        raise Invalid("not_utf8", f"{file} is no text in UTF-8.", hint="Save it as UTF-8.") from None
