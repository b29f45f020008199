"""``concordat template``: what agreements are drafted from."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.canonical import parse_json
from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output
from portal.documents import MAX_DOCUMENT_BYTES

app = typer.Typer(help="Templates: what agreements are drafted from.", no_args_is_help=True)

TemplateId = Annotated[str, typer.Argument(help="The template's id.")]
_TEXT = ("template_id", "version", "title", "summary", "form", "note", "clauses")
_COLUMNS = (
    ("id", "template_id"),
    ("version", "version"),
    ("form", "form"),
    ("title", "title"),
    ("published", "published_at"),
    ("retired", "retired_at"),
)


@app.command("list")
def list_templates(
    retired: Annotated[bool, typer.Option("--retired", help="Retired ones too.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List templates, each by its newest version."""
    with connected(data) as portal:
        answer = portal.get("templates", retired="true" if retired else None)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(
    template_id: TemplateId,
    version: Annotated[int | None, typer.Option("--version", help="Another version than the newest.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show a template with its clauses; with --json, as a file to edit and publish as the next version."""
    with connected(data) as portal:
        answer = portal.get("templates", template_id, version=version)
    output = Output(as_json=as_json)
    output.fields(answer, (*_COLUMNS, ("summary", "summary"), ("changed", "note")))
    if as_json:
        return
    for number, clause in enumerate(answer["clauses"], start=1):
        output.fields(clause, (("", "text"), ("id", "clause_id")), title=f"\n{number}. {clause['title']}")


@app.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(help="A JSON file in the shape of 'template show --json'.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Publish a version, the one after the newest; agreements already drafted keep their text."""
    body = _text(parse_json(read_bytes(file), MAX_DOCUMENT_BYTES))
    with connected(data) as portal:
        answer = portal.post("templates", body=body)
    Output(as_json=as_json).done(answer, f"Version {answer['version']} of {answer['template_id']} is published.")


@app.command("retire")
def retire(template_id: TemplateId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let no further drafts start from a template."""
    with connected(data) as portal:
        answer = portal.post("templates", template_id, "retire", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['template_id']} is retired; agreements made from it stay.")


def _text(data: Any) -> dict[str, object]:
    """What of a shown template is published; when it was published and retired is not."""
    if not isinstance(data, dict):
        raise Invalid("bad_template", "A template is a JSON object.", hint="See: concordat template show ID --json.")
    return {name: data[name] for name in _TEXT if name in data}
