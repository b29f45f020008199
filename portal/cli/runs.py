"""``concordat run``: governed requests and their receipts."""

from pathlib import Path
from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.keyfiles import write_out
from portal.cli.options import DATA, AsJson, DataDir, Limit
from portal.cli.output import Output

app = typer.Typer(help="Runs and their signed receipts.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The run's id.")]
_COLUMNS = (
    ("id", "terms.run_id"),
    ("started", "started_at"),
    ("checkpoint", "terms.checkpoint_id"),
    ("operation", "terms.operation"),
    ("institution", "terms.institution_id"),
    ("on", "terms.basis"),
    ("tokens", "charged_tokens"),
    ("status", "status"),
)


@app.command("list")
def list_runs(
    limit: Limit = 50,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Only runs of this checkpoint.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List the latest runs."""
    with connected(data) as portal:
        answer = portal.get("runs", limit=limit, checkpoint=checkpoint)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(run_id: RunId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one run; prompts and answers are not kept."""
    with connected(data) as portal:
        answer = portal.get("runs", run_id)
    more = (
        ("purpose", "terms.purpose"),
        ("grant", "terms.grant_id"),
        ("checkpoint digest", "terms.manifest_digest"),
        ("seed", "terms.seed"),
        ("receipt digest", "receipt_digest"),
        ("why it failed", "failure_message"),
    )
    Output(as_json=as_json).fields(answer, (*_COLUMNS, *more))


@app.command("receipt")
def receipt(
    run_id: RunId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it.", metavar="FILE")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write a run's receipt to a file, byte for byte as it verifies."""
    with connected(data) as portal:
        content = portal.fetch("runs", run_id, "receipt")
    target = out or Path(f"{run_id}.receipt.json")
    write_out(target, content)
    Output(as_json=as_json).done(
        {"run_id": run_id, "file": str(target)}, f"Written to {target}. Check it with: concordat verify {target}"
    )
