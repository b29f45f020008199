"""``concordat finding``: what was learned."""

import json
from typing import Annotated

import typer

from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.keyfiles import write_out
from portal.cli.options import DATA, AsJson, DataDir, Limit, OutFile
from portal.cli.output import Output

app = typer.Typer(help="Findings, as far as the first coordinator may read them.", no_args_is_help=True)

FindingId = Annotated[str, typer.Argument(help="The finding's id, CDT-YYYY-NNNN.")]


@app.command("list")
def list_findings(
    words: Annotated[str, typer.Option("--search", help="Words to rank by.")] = "",
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only this status.")] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Only about this checkpoint.")] = None,
    limit: Limit = 50,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List or search findings."""
    with connected(data) as portal:
        answer = portal.get("findings", q=words or None, kind=kind, status=status, checkpoint=checkpoint, limit=limit)
    columns = (
        ("id", "finding_id"),
        ("marking", "marking"),
        ("kind", "kind"),
        ("severity", "severity"),
        ("status", "status"),
        ("institution", "institution_id"),
        ("title", "title"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("show")
def show(finding_id: FindingId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one finding."""
    with connected(data) as portal:
        answer = portal.get("findings", finding_id)
    columns = (
        ("id", "finding_id"),
        ("version", "version"),
        ("status", "status"),
        ("title", "content.title"),
        ("kind", "content.kind"),
        ("severity", "content.severity"),
        ("marking", "content.marking"),
        ("who may read it", "audience"),
        ("checkpoints", "content.checkpoint_ids"),
        ("summary", "content.summary"),
        ("access", "access_statement"),
        ("credit", "credit"),
        ("withdrawn because", "withdrawal.reason"),
        ("digest", "digest"),
    )
    Output(as_json=as_json).fields(answer, columns)


@app.command("export")
def export(
    finding_id: FindingId,
    out: OutFile,
    format_: Annotated[str, typer.Option("--format", help="native: JSON in an envelope signed by the lab.")] = "native",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write a finding to a file, signed by the lab."""
    if format_ != "native":
        raise Invalid("unknown_format", f"There is no format {format_!r}.", hint="There is: native.", param="format")
    with connected(data) as portal:
        answer = portal.get("findings", finding_id, "export")
    write_out(out, json.dumps(answer, indent=2).encode() + b"\n")
    Output(as_json=as_json).done(answer, f"Written to {out}. Check it with: concordat verify {out} --key LAB_KEY")
