"""``concordat publication``: review before publication, as the lab conducts it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.canonical import sha256_hex
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes, write_out
from portal.cli.options import DATA, AsJson, DataDir, OutFile
from portal.cli.output import Output

app = typer.Typer(help="Publications under review.", no_args_is_help=True)

PublicationId = Annotated[str, typer.Argument(help="The publication's id.")]
Number = Annotated[int, typer.Argument(help="The redaction's number.", min=1)]
Argument = Annotated[str, typer.Option("--reason", help="Why, in a sentence; the institution reads it.")]
Note = Annotated[str, typer.Option("--note", help="A word with it.")]

_COLUMNS = (
    ("id", "publication.id"),
    ("institution", "publication.institution_name"),
    ("title", "publication.title"),
    ("kind", "publication.kind"),
    ("stands", "says"),
)


@app.command("list")
def list_publications(
    open_only: Annotated[bool, typer.Option("--open", help="Only those whose review still runs.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List publications, newest first."""
    with connected(data) as portal:
        answer = portal.get("publications", open="true" if open_only else None)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(publication_id: PublicationId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one publication with every redaction and answer."""
    with connected(data) as portal:
        answer = portal.get("publications", publication_id)
    output = Output(as_json=as_json)
    columns = (
        *_COLUMNS,
        ("venue", "publication.venue"),
        ("planned for", "publication.planned_for"),
        ("address", "publication.url"),
        ("file submitted", "publication.sha256"),
        ("file now", "publication.current_sha256"),
        ("opened", "publication.opened_at"),
        ("window ends", "publication.clears_at"),
        ("cleared", "cleared_at"),
        ("published", "publication.outcome.published_on"),
        ("link", "publication.outcome.link"),
        ("DOI", "publication.outcome.doi"),
        ("credits", "publication.outcome.credits"),
    )
    output.fields(answer, columns)
    if as_json or not answer["redactions"]:
        return
    rows = (
        ("number", "redaction.number"),
        ("stands", "status"),
        ("passage", "redaction.where"),
        ("ground", "redaction.ground"),
        ("reason", "redaction.asked.text"),
        ("contested", "redaction.contested.text"),
        ("maintained", "redaction.maintained.text"),
    )
    output.table(answer, answer["redactions"], rows)


@app.command("digest")
def digest(
    file: Annotated[Path, typer.Argument(help="The file to be published.")],
    as_json: AsJson = False,
) -> None:
    """Say the digest by which a file is put forward; it is read here and sent nowhere."""
    found = f"sha256:{sha256_hex(read_bytes(file))}"
    Output(as_json=as_json).done({"sha256": found}, found)


@app.command("ask")
def ask(
    publication_id: PublicationId,
    where: Annotated[str, typer.Option("--where", help="The passage, by page, section or words.")],
    ground: Annotated[str, typer.Option("--ground", help="One of those the agreement permits.")],
    reason: Argument,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Ask for a redaction while the window runs."""
    body = {"redactions": [{"where": where, "ground": ground, "reason": reason}]}
    with connected(data) as portal:
        answer = portal.post("publications", publication_id, "redactions", body=body)
    _said(answer, as_json)


@app.command("maintain")
def maintain(
    publication_id: PublicationId, number: Number, reason: Argument, data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Stand by a contested redaction; it may then be published over the objection."""
    _redaction(data, as_json, publication_id, number, "maintain", {"reason": reason})


@app.command("drop")
def drop(
    publication_id: PublicationId, number: Number, note: Note = "", data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Ask for a redaction no longer."""
    _redaction(data, as_json, publication_id, number, "drop", {"note": note})


@app.command("clear")
def clear(publication_id: PublicationId, note: Note = "", data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Clear a publication before its window ends; redactions still open fall away."""
    with connected(data) as portal:
        answer = portal.post("publications", publication_id, "clear", body={"note": note})
    _said(answer, as_json)


@app.command("letter")
def letter(publication_id: PublicationId, out: OutFile, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Write the clearance letter to a file, signed by the lab."""
    with connected(data) as portal:
        answer = portal.get("publications", publication_id, "letter")
    write_out(out, json.dumps(answer, indent=2).encode() + b"\n")
    Output(as_json=as_json).done(answer, f"Written to {out}. Check it with: concordat verify {out} --key LAB_KEY")


def _redaction(data: Path, as_json: bool, publication_id: str, number: int, verb: str, body: dict[str, object]) -> None:
    with connected(data) as portal:
        answer = portal.post("publications", publication_id, "redactions", str(number), verb, body=body)
    _said(answer, as_json)


def _said(answer: dict[str, Any], as_json: bool) -> None:
    Output(as_json=as_json).done(answer, f"{answer['publication']['id']}: {answer['says']}.")
