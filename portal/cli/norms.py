"""``concordat norm``: publication practice, and what institutions say to it."""

from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Norms, positions and outcomes.", no_args_is_help=True)


def _flat(norm: dict[str, Any]) -> dict[str, Any]:
    return {**norm, "ended": (norm["decision"] or "open").replace("_", " ")}


@app.command("list")
def list_norms(
    open_only: Annotated[bool, typer.Option("--open", help="Only those still open.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List norms, newest first."""
    with connected(data) as portal:
        answer = portal.get("norms", open="true" if open_only else None)
    columns = (
        ("id", "norm_id"),
        ("title", "title"),
        ("proposed by", "institution_id"),
        ("revision", "revision"),
        ("positions", "counted"),
        ("quorum", "quorum"),
        ("objections", "objections"),
        ("outcome", "ended"),
    )
    Output(as_json=as_json).table(answer, map(_flat, answer["items"]), columns)


@app.command("show")
def show(
    norm_id: Annotated[str, typer.Argument(help="The norm's id, NRM-NNNN.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show one norm with its clauses and positions."""
    with connected(data) as portal:
        answer = portal.get("norms", norm_id)
    output = Output(as_json=as_json)
    columns = (
        ("id", "norm_id"),
        ("title", "title"),
        ("proposed by", "institution_id"),
        ("revision", "revision"),
        ("outcome", "outcome.decision"),
        ("rationale", "outcome.rationale"),
        ("digest", "revision_digest"),
    )
    output.fields(answer, columns)
    if as_json:
        return
    for clause in answer["clauses"]:
        output.fields(clause, ((clause["clause_id"], "text"),))
    positions = (
        ("institution", "institution_id"),
        ("on revision", "revision"),
        ("position", "position"),
        ("reason", "reason"),
    )
    output.table(answer, answer["positions"], positions)
