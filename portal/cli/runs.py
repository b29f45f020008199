"""``concordat run``: governed requests and their receipts."""

from pathlib import Path
from typing import Annotated

import typer

from portal.cli import asking, replaying
from portal.cli.connection import connected
from portal.cli.foresight import goes_on
from portal.cli.keyfiles import write_out
from portal.cli.options import DATA, AsJson, DataDir, Limit, Preview, Yes
from portal.cli.output import Output

app = typer.Typer(help="Runs: make one, its signed receipt, what is kept of it, and replays.", no_args_is_help=True)
asking.register(app)
replaying.register(app)

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
    ("replays", "terms.replays.run_id"),
    ("identical", "replay_identical"),
)


@app.command("list")
def list_runs(
    limit: Limit = 50,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Only runs of this checkpoint.")] = None,
    replays: Annotated[str | None, typer.Option("--replays", help="Only replays of this run.", metavar="ID")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List the latest runs."""
    with connected(data) as portal:
        answer = portal.get("runs", limit=limit, checkpoint=checkpoint, replays=replays)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(run_id: RunId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one run. What is kept of prompt and answer: `run kept`."""
    with connected(data) as portal:
        answer = portal.get("runs", run_id)
    more = (
        ("purpose", "terms.purpose"),
        ("grant", "terms.grant_id"),
        ("checkpoint digest", "terms.manifest_digest"),
        ("seed", "terms.seed"),
        ("receipt digest", "receipt_digest"),
        ("why it failed", "failure_message"),
        ("access withdrawn", "failure_reason"),
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


_KEPT = (
    ("state", "state"),
    ("in words", "says"),
    ("clause", "clause"),
    ("of agreement", "agreement_id"),
    ("you may read", "may_read"),
    ("you may delete", "may_delete"),
    ("the lab may read", "lab_reads"),
    ("batch", "batch_id"),
)
_READINGS = (("by", "by_name"), ("how", "how"), ("at", "at"), ("leaf", "leaf"))


@app.command("kept")
def kept(run_id: RunId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Say what is kept of a run's prompt and answer, until when and by which clause, and who read it."""
    with connected(data) as portal:
        answer = portal.get("runs", run_id, "kept")
    output = Output(as_json=as_json)
    output.fields(answer, _KEPT)
    if answer["readings"] and not as_json:
        output.table(answer, answer["readings"], _READINGS)


@app.command("texts")
def texts(
    run_id: RunId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it.", metavar="FILE")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write what is kept of a run's prompt and answer to a file. That is a reading, and in the access log."""
    with connected(data) as portal:
        content = portal.fetch("runs", run_id, "kept", "texts")
    target = out or Path(f"{run_id}.texts.json")
    write_out(target, content)
    Output(as_json=as_json).done({"run_id": run_id, "file": str(target)}, f"Written to {target}.")


@app.command("destroy-texts")
def destroy_texts(
    run_id: RunId,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Destroy what is kept of a run before its time; you see first what is kept. The run and its receipt stay."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        found = portal.get("runs", run_id, "kept")
        lines = iter(
            (found["says"], "Nobody could read prompt and answer again; a replay would need the prompt from you.")
        )
        if not goes_on(output, found, lines, f"Destroy prompt and answer of {run_id}?", preview=preview, yes=yes):
            return
        answer = portal.post("runs", run_id, "kept", "destroy")
    output.done(answer, answer["says"])
