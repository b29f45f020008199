"""``concordat access``: every access to what was granted, as a table, as a file, and proved.

``explaining`` adds the command that says why.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.canonical import sha256_hex
from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.keyfiles import write_out
from portal.cli.options import DATA, AsJson, DataDir, Limit
from portal.cli.output import Output

app = typer.Typer(help="Who had access to what: the log of it; and who may, and why.", no_args_is_help=True)

OptionalFile = Annotated[Path | None, typer.Option("--out", "-o", help="Write all of it to a file.", metavar="FILE")]
_COLUMNS = (
    ("leaf", "leaf"),
    ("at", "at"),
    ("kind", "kind"),
    ("outcome", "outcome"),
    ("who", "person_name"),
    ("by", "by_name"),
    ("for", "on_behalf_of"),
    ("checkpoint", "checkpoint_id"),
    ("purpose", "purpose"),
    ("tokens", "charged_tokens"),
    ("grant", "grant_id"),
    ("token", "token"),
    ("what", "says"),
    ("why", "reason"),
)
_FORMATS = {".csv": "csv", ".jsonl": "jsonl"}


@app.command("log")
def log(
    institution: Annotated[str | None, typer.Option("--institution", help="Only this institution's.")] = None,
    person: Annotated[str | None, typer.Option("--person", help="About, or by, this person or program.")] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Only runs of this checkpoint.")] = None,
    grant: Annotated[str | None, typer.Option("--grant", help="Only of this grant.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only runs for this purpose.")] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="run, token, sign_in, grant, agreement, program, access_request or kept."),
    ] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="completed, failed, revoked, …")] = None,
    since: Annotated[str | None, typer.Option("--from", help="The first day, YYYY-MM-DD, in UTC.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="The last day, included.")] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on after this page.")] = None,
    out: OptionalFile = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List every access and change of access, newest first; with -o FILE.csv or FILE.jsonl all of it as a file."""
    asked: dict[str, Any] = {
        "institution": institution,
        "person": person,
        "checkpoint": checkpoint,
        "grant": grant,
        "purpose": purpose,
        "kind": kind,
        "outcome": outcome,
        "from": since,
        "to": until,
    }
    output = Output(as_json=as_json)
    if out is not None:
        file_format = _FORMATS.get(out.suffix.lower())
        if file_format is None:
            raise Invalid(
                "unknown_format", f"{out.name} is neither .csv nor .jsonl.", hint="Name the file one or the other."
            )
        with connected(data) as portal:
            content = portal.fetch("access", "log", format=file_format, **asked)
        write_out(out, content)
        said = {"file": str(out), "sha256": sha256_hex(content)}
        output.done(said, f"Written to {out}, SHA-256 {said['sha256']}.")
        return
    with connected(data) as portal:
        answer = portal.get("access", "log", limit=limit, cursor=cursor, **asked)
    output.table(answer, answer["items"], _COLUMNS)
    if answer["next"] and not as_json:
        output.notes.print(f"More: --cursor {answer['next']}", style="dim")


@app.command("evidence")
def evidence(
    leaf: Annotated[int, typer.Argument(help="The leaf, as 'access log' shows it.", min=0)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it.", metavar="FILE")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write the proof that an entry of the access log is in the transparency log."""
    with connected(data) as portal:
        answer = portal.get("access", "log", str(leaf), "evidence")
    target = out or Path(f"leaf-{leaf}.evidence.json")
    write_out(target, json.dumps(answer, indent=2).encode())
    Output(as_json=as_json).done(
        {"leaf": leaf, "file": str(target)},
        f"Written to {target}. Check it with: concordat verify {target} --vkey LOG_KEY",
    )
