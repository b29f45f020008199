"""``concordat checkpoint``: models, pinned by digest."""

from pathlib import Path
from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Checkpoints: models of a family at a size, pinned by digest.", no_args_is_help=True)


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
    with connected(data) as portal, output.notes.status(f"Importing {source}"):
        answer = portal.post("checkpoints", body=body)
    output.done(answer, f"{answer['id']} is registered, withheld.")
