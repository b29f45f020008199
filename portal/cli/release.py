"""``concordat release``: where every checkpoint stands, and the decisions that put it there."""

import json
from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.keyfiles import write_out
from portal.cli.options import DATA, AsJson, DataDir, OutFile
from portal.cli.output import Output

app = typer.Typer(help="The release board and release decisions.", no_args_is_help=True)
decisions = typer.Typer(help="Release decisions.", no_args_is_help=True)
app.add_typer(decisions, name="decision")

DecisionId = Annotated[str, typer.Argument(help="The decision's id, DEC-NNNN.")]


def _cell(family: str, cell: dict[str, Any]) -> dict[str, Any]:
    last = cell["last_decision"]
    return {
        **cell,
        "family": family,
        "stage": cell["checkpoint"]["stage"].replace("_", " "),
        "findings": sum(cell["evidence"].values()),
        "last": f"{last['decision_id']} {last['verdict'].replace('_', ' ')}" if last else "",
    }


@app.command("list")
def list_board(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List every checkpoint with its stage, evidence and last decision."""
    with connected(data) as portal:
        answer = portal.get("release", "board")
    rows = [_cell(family["family"], cell) for family in answer["families"] for cell in family["cells"]]
    columns = (
        ("family", "family"),
        ("checkpoint", "checkpoint.checkpoint_id"),
        ("parameters", "checkpoint.parameters"),
        ("stage", "stage"),
        ("findings", "findings"),
        ("open objections", "open_objections"),
        ("last decision", "last"),
        ("next step lacks", "missing"),
    )
    Output(as_json=as_json).table(answer, rows, columns)


@decisions.command("list")
def list_decisions(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List release decisions, newest first."""
    with connected(data) as portal:
        answer = portal.get("release", "decisions")
    columns = (
        ("id", "decision_id"),
        ("checkpoint", "checkpoint_id"),
        ("verdict", "verdict"),
        ("from", "from_stage"),
        ("to", "to_stage"),
        ("decided", "decided_at"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@decisions.command("show")
def show(decision_id: DecisionId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one release decision."""
    with connected(data) as portal:
        answer = portal.get("release", "decisions", decision_id)
    proposal = "decision.proposal"
    columns = (
        ("id", "decision.decision_id"),
        ("checkpoint", f"{proposal}.checkpoint_id"),
        ("verdict", f"{proposal}.verdict"),
        ("from", f"{proposal}.from_stage"),
        ("to", f"{proposal}.to_stage"),
        ("rationale", f"{proposal}.rationale"),
        ("conditions", f"{proposal}.conditions"),
        ("decided", "decision.decided_at"),
        ("digest", "digest"),
    )
    Output(as_json=as_json).fields(answer, columns)


@decisions.command("export")
def export(decision_id: DecisionId, out: OutFile, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Write a release decision to a file, signed by the lab."""
    with connected(data) as portal:
        answer = portal.get("release", "decisions", decision_id, "export")
    write_out(out, json.dumps(answer, indent=2).encode() + b"\n")
    Output(as_json=as_json).done(answer, f"Written to {out}. Check it with: concordat verify {out} --key LAB_KEY")
