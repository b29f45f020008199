"""``concordat checkpoint``: models, pinned by digest."""

import io
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.errors import Conflict, Invalid
from portal.cli import tokenising
from portal.cli.connection import connected
from portal.cli.foresight import goes_on
from portal.cli.options import DATA, AsJson, DataDir, Preview, Reason, Yes
from portal.cli.output import Output
from portal.cli.workers import of_halt

app = typer.Typer(help="Checkpoints: models of a family at a size, pinned by digest.", no_args_is_help=True)
tokenising.register(app)


def _flat(view: dict[str, Any]) -> dict[str, Any]:
    checkpoint = view["checkpoint"]
    manifest = checkpoint.get("manifest") or {}
    return {
        **checkpoint,
        "stage": checkpoint["stage"].replace("_", " "),
        "parameters": manifest.get("parameters"),
        "context": manifest.get("context_length"),
        "architecture": manifest.get("architecture"),
        "loss": checkpoint["card"].get("held_out_loss"),
        "digest": manifest.get("digest"),
    }


@app.command("list")
def list_checkpoints(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List every checkpoint, by family and size."""
    with connected(data) as portal:
        answer = portal.get("checkpoints")
    columns = (
        ("id", "id"),
        ("family", "family"),
        ("parameters", "parameters"),
        ("context", "context"),
        ("held-out loss", "loss"),
        ("stage", "stage"),
    )
    Output(as_json=as_json).table(answer, map(_flat, answer["items"]), columns)


@app.command("show")
def show(
    checkpoint_id: Annotated[str, typer.Argument(help="The checkpoint's id.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show one checkpoint."""
    with connected(data) as portal:
        answer = portal.get("checkpoints", checkpoint_id)
    columns = (
        ("id", "id"),
        ("family", "family"),
        ("stage", "stage"),
        ("architecture", "architecture"),
        ("parameters", "parameters"),
        ("context", "context"),
        ("summary", "card.summary"),
        ("licence", "card.licence"),
        ("source", "card.source"),
        ("held-out loss", "loss"),
        ("decisions", "decision_ids"),
        ("digest", "digest"),
    )
    Output(as_json=as_json).fields(answer if as_json else _flat(answer), columns)


_CARD = (
    ("id", "checkpoint.id"),
    ("family", "checkpoint.family"),
    ("stage", "checkpoint.stage"),
    ("architecture", "checkpoint.manifest.architecture"),
    ("parameters", "checkpoint.manifest.parameters"),
    ("layers", "facts.layers"),
    ("heads", "facts.heads"),
    ("width", "checkpoint.manifest.hidden_size"),
    ("context", "checkpoint.manifest.context_length"),
    ("vocabulary", "checkpoint.manifest.vocabulary_size"),
    ("tokenizer", "facts.tokenizer.kind"),
    ("takes conversations", "facts.chat"),
    ("computed in", "precision"),
    ("bytes", "size_bytes"),
    ("licence", "checkpoint.card.licence"),
    ("runs in four weeks", "usage.runs"),
    ("findings you may read", "finding_count"),
    ("decisions", "checkpoint.decision_ids"),
    ("digest", "digest"),
)


@app.command("card")
def card(
    checkpoint_id: Annotated[str, typer.Argument(help="The checkpoint's id.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show the model card of a checkpoint: what it is, down to each file, who reaches it, how it is used."""
    with connected(data) as portal:
        answer = portal.get("checkpoints", checkpoint_id, "card")
    output = Output(as_json=as_json)
    output.fields(answer, _CARD)
    if not as_json:
        output.table(
            answer,
            (answer["checkpoint"]["manifest"] or {"files": ()})["files"],
            (("file", "name"), ("bytes", "size"), ("SHA-256", "sha256")),
        )
        if answer["reached_by"]:
            output.table(answer, answer["reached_by"], (("reached by", "name"), ("grants", "grants")))


@app.command("add")
def add(
    source: Annotated[str, typer.Argument(help="A folder on this machine, or a hub id such as openai-community/gpt2.")],
    checkpoint_id: Annotated[str, typer.Option("--id", help="The id it is to have here.")],
    family: Annotated[str, typer.Option("--family", help="The family it is a size of.")],
    summary: Annotated[str, typer.Option("--summary", help="What people should know of it.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="The licence of the weights.")] = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Import a checkpoint, pin it by digest and register it, withheld."""
    output = Output(as_json=as_json)
    folder = Path(source)
    body = {
        "source": str(folder.absolute()) if folder.exists() else source,
        "checkpoint_id": checkpoint_id,
        "family": family,
        "card": {"summary": summary, "licence": licence, "source": source},
    }
    with connected(data) as portal, output.notes.status("Importing the checkpoint"):
        answer = portal.post("checkpoints", body=body)
    output.done(answer, f"{answer['id']} is registered, withheld.")


@app.command("tokenizer")
def tokenizer(
    checkpoint_id: Annotated[str, typer.Argument(help="The checkpoint's id.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make, for tools that count tokens.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Download the tokenizer of a checkpoint that you may query; never a weight."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise Conflict("folder_in_use", f"{output} is not empty.", hint="Choose another folder with -o.")
    with connected(data) as portal:
        content = portal.fetch("checkpoints", checkpoint_id, "tokenizer")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(output)
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise Invalid(
            "unwritable_file",
            f"{output} cannot be written ({type(error).__name__}).",
            hint="Choose another folder with -o.",
        ) from None
    answer = {"checkpoint_id": checkpoint_id, "folder": str(output.absolute()), "files": names}
    Output(as_json=as_json).done(answer, f"The tokenizer of {checkpoint_id} is in {output}.")


@app.command("halt")
def halt(
    checkpoint_id: Annotated[str, typer.Argument(help="The checkpoint's id.")],
    reason: Reason,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Stop everything that runs on a checkpoint, and let nothing begin until the halt is lifted."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        found = portal.get("checkpoints", checkpoint_id, "halt")
        if goes_on(output, found, of_halt(found), f"Halt {checkpoint_id}?", preview=preview, yes=yes):
            answer = portal.post("checkpoints", checkpoint_id, "halt", body={"reason": reason})
            output.done(answer, f"{checkpoint_id} is halted; runs that were stopped: {answer['stopped']:,}.")


@app.command("lift")
def lift(
    checkpoint_id: Annotated[str, typer.Argument(help="The checkpoint's id.")],
    reason: Reason,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Lift a halt: whoever may query the checkpoint can again."""
    with connected(data) as portal:
        answer = portal.post("checkpoints", checkpoint_id, "lift", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{checkpoint_id} can be queried again.")
