"""The options every command has, and the ones several share."""

from pathlib import Path
from typing import Annotated

import typer

from portal.cli.output import remember_json

DATA = Path("data")
"""Where a portal's data is unless somebody says otherwise."""

DataDir = Annotated[
    Path,
    typer.Option("--data", envvar="CONCORDAT_DATA", help="The portal's data folder.", metavar="DIR"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.", callback=remember_json, is_eager=True)]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="Where to write it.", metavar="FILE")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes into the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Preview = Annotated[bool, typer.Option("--preview", help="Say what it would bring about, and do nothing.")]
AgreementId = Annotated[str, typer.Argument(help="The agreement's id.")]
Limit = Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=100)]
