"""``concordat batch``: many requests in one file, run line by line."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.errors import Invalid, Unavailable
from portal.cli.connection import Connection, connected
from portal.cli.keyfiles import read_bytes, write_out
from portal.cli.options import DATA, AsJson, DataDir, Limit
from portal.cli.output import Output
from portal.cli.progress import progress_bar

app = typer.Typer(help="Batches: many requests in one file, run line by line.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(help="The batch's id.")]
InputFile = Annotated[
    Path,
    typer.Argument(
        help="JSON Lines, one request a line, as for the OpenAI batch API; .txt with one prompt a line; .csv with a "
        "column prompt."
    ),
]
Model = Annotated[str, typer.Option("--model", help="The checkpoint that prompts of a .txt or .csv are put to.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Tokens of each answer at most; for prompts.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="From 0 to 2; for prompts.")]
TopP = Annotated[float | None, typer.Option("--top-p", help="Above 0, up to 1; for prompts.")]
Seed = Annotated[int | None, typer.Option("--seed", help="The same for every prompt.")]
Purpose = Annotated[str | None, typer.Option("--purpose", help="What it is for, where the grant has several purposes.")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until it is over, with a bar.")]

_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_EVERY_S = 1.0
_COLUMNS = (
    ("id", "id"),
    ("submitted", "created_at"),
    ("checkpoint", "model"),
    ("by", "by.name"),
    ("lines", "total"),
    ("done", "completed"),
    ("failed", "failed"),
    ("status", "status"),
)
_FIELDS = (
    *((heading, f"batch.{path}") for heading, path in _COLUMNS),
    ("purpose", "batch.ground.purpose"),
    ("grant", "batch.ground.grant_id"),
    ("tokens read", "batch.prompt_tokens"),
    ("tokens written", "batch.completion_tokens"),
    ("done at about", "eta"),
    ("ends at the latest", "batch.expires_at"),
    ("again for", "batch.retry_of"),
    ("taken up again by", "retries"),
    ("answers kept until", "output.keep_until"),
    ("answers destroyed", "output.destroyed_at"),
    ("digest of the answers", "output.digest"),
    ("digest of the errors", "errors.digest"),
)
_PROBLEMS = (
    ("line", "line"),
    ("code", "code"),
    ("field", "param"),
    ("what is wrong", "message"),
    ("what to do", "hint"),
)


@app.command("check")
def check(
    file: InputFile,
    purpose: Purpose = None,
    model: Model = "",
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: Seed = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Check a file without running it: problems by line, tokens at most, what is left."""
    settings, output = _settings(model, max_tokens, temperature, top_p, seed), Output(as_json=as_json)
    with connected(data) as portal, output.notes.status("Checking every line"):
        uploaded = _uploaded(portal, file, settings)
        answer = portal.post("batches", "check", body={"input_file_id": uploaded["id"], "purpose": purpose})
    _tell(output, answer)
    if answer["problem_count"]:
        raise typer.Exit(1)


@app.command("submit")
def submit(
    file: InputFile,
    purpose: Purpose = None,
    model: Model = "",
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: Seed = None,
    wait: Wait = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Check a file and submit it as a batch."""
    settings, output = _settings(model, max_tokens, temperature, top_p, seed), Output(as_json=as_json)
    with connected(data) as portal:
        with output.notes.status("Checking every line"):
            uploaded = _uploaded(portal, file, settings)
            body = {"input_file_id": uploaded["id"], "purpose": purpose}
            checked = portal.post("batches", "check", body=body)
        if checked["problem_count"]:
            _tell(output, checked)
            raise typer.Exit(1)
        batch = portal.post("batches", body=body)
        if wait:
            batch = _followed(portal, output, batch["id"], data)
    most = f"{checked['lines']:,} lines, {checked['most_tokens']:,} tokens at most"
    output.done(batch, f"Batch {batch['id']}: {most}; it is {_words(batch['status'])}.")


@app.command("list")
def list_batches(
    limit: Limit = 50,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List the latest batches."""
    with connected(data) as portal:
        answer = portal.get("batches", limit=limit, mine=mine)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(batch_id: BatchId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show a batch: how far it is, its files, and what is wrong with it."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        answer = portal.get("batches", batch_id)
    output.fields(answer, _FIELDS)
    if not as_json and answer["batch"]["problems"]:
        output.table(answer, answer["batch"]["problems"], _PROBLEMS)


@app.command("wait")
def wait_for(batch_id: BatchId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Stay until a batch is over; exits 0 only if it completed."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        batch = _followed(portal, output, batch_id, data)
    output.done(batch, f"Batch {batch_id} is {_words(batch['status'])}: {batch['completed']:,} answers.")
    if batch["status"] != "completed":
        raise typer.Exit(1)


@app.command("cancel")
def cancel(batch_id: BatchId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Begin no further line of a batch; what is there already is kept."""
    with connected(data) as portal:
        answer = portal.post("batches", batch_id, "cancel")
    Output(as_json=as_json).done(answer, f"Batch {batch_id} is being cancelled.")


@app.command("retry")
def retry(
    batch_id: BatchId,
    check_only: Annotated[bool, typer.Option("--check", help="Only say what it would take; nothing is run.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Submit the lines that failed or were not run as a new batch."""
    with connected(data) as portal:
        if check_only:
            checked = portal.get("batches", batch_id, "retry")
            _tell(Output(as_json=as_json), checked)
            raise typer.Exit(1 if checked["problem_count"] else 0)
        answer = portal.post("batches", batch_id, "retry")
    Output(as_json=as_json).done(answer, f"Batch {answer['id']} has them.")


@app.command("download")
def download(
    batch_id: BatchId,
    file: Annotated[Path, typer.Option("--output", "-o", help="Where to write; .csv makes a table of it.")],
    errors: Annotated[bool, typer.Option("--errors", help="What failed instead of the answers.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write the answers of a batch to a file, checked against their digest."""
    wanted = "csv" if file.suffix.lower() == ".csv" else "jsonl"
    with connected(data) as portal:
        what = "errors" if errors else "output"
        content = portal.fetch("batches", batch_id, "results", format=wanted, what=what)
    write_out(file, content)
    Output(as_json=as_json).done({"file": str(file), "bytes": len(content)}, f"Written to {file}.")


def _settings(
    model: str, max_tokens: int | None, temperature: float | None, top_p: float | None, seed: int | None
) -> dict[str, object]:
    asked = {"model": model or None, "max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    return {name: value for name, value in asked.items() if value is not None}


def _uploaded(portal: Connection, file: Path, settings: dict[str, object]) -> dict[str, Any]:
    """The input file as the portal keeps it. Raises Invalid where requests are given settings, and the portal's."""
    from portal.services.batch_prompts import shape_of

    content = read_bytes(file)
    shape = shape_of(file.name, content)
    if shape == "requests" and settings:
        raise Invalid(
            "settings_in_the_file",
            f"In JSON Lines every request says for itself what --{next(iter(settings)).replace('_', '-')} would.",
            hint="Leave it out, or hand in prompts as .txt or .csv.",
        )
    return portal.upload("batches", "files", filename=file.name, content=content, shape=shape, **settings)


def _followed(portal: Connection, output: Output, batch_id: str, data: Path) -> dict[str, Any]:
    """The batch once it is over. Raises Unavailable where no portal runs that would carry it out."""
    from portal import config
    from portal.api.server import RunningPortal

    running = RunningPortal.of(config.load(data).data_dir) is not None
    with progress_bar(output.notes, f"Batch {batch_id}") as report:
        while True:
            batch: dict[str, Any] = portal.get("batches", batch_id)["batch"]
            done = batch["completed"] + batch["failed"]
            report(done / batch["total"] if batch["total"] else 0.0, f"{done:,} of {batch['total']:,} lines")
            if batch["status"] in _OVER:
                return batch
            if not running:
                raise Unavailable(
                    "portal_not_running",
                    "No portal runs on this folder, so that nothing carries the batch out.",
                    hint="Start it: concordat serve. The batch goes on by itself.",
                )
            time.sleep(_EVERY_S)


def _tell(output: Output, checked: dict[str, Any]) -> None:
    """What was found in a file."""
    if checked["problem_count"]:
        output.note(f"{checked['problem_count']:,} problems; the first ones:")
        output.table(checked, checked["problems"], _PROBLEMS)
        return
    output.fields(
        checked,
        (
            ("lines", "lines"),
            ("checkpoint", "model"),
            ("requests to", "endpoint"),
            ("tokens at most", "most_tokens"),
            ("tokens left", "budget_left"),
            ("requests left", "requests_left"),
            ("purpose", "ground.purpose"),
            ("grant", "ground.grant_id"),
            ("files kept, days", "retention.days"),
            ("because", "retention.because"),
        ),
    )


def _words(status: str) -> str:
    return status.replace("_", " ")
