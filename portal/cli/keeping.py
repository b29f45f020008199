"""``concordat backup`` and ``concordat restore``."""

from pathlib import Path
from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output
from portal.cli.progress import progress_bar


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write the backup; nothing is overwritten.")],
    without_checkpoints: Annotated[
        bool, typer.Option("--without-checkpoints", help="Leave the weights out; restoring needs them from elsewhere.")
    ] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write database, settings, keys and checkpoints to one file. It holds private keys: keep it as safe as them.

    A running portal is backed up while it works on.
    """
    output = Output(as_json=as_json)
    body = {"file": str(file.absolute()), "with_checkpoints": not without_checkpoints}
    with connected(data) as portal, output.notes.status("Backing up"):
        content = portal.post("operator", "backup", body=body)
    output.done(
        {"file": str(file), **content}, f"Written to {file}: {len(content['files']):,} files. It holds private keys."
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")], data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Put a backup into an empty folder, and verify everything in it."""
    from portal.archive import read_backup

    output = Output(as_json=as_json)
    with progress_bar(output.notes, "Restoring") as report:
        content = read_backup(file, data, report=report)
    output.done({"data": str(data), **content.model_dump(mode="json")}, f"Restored to {data}; the log holds.")
