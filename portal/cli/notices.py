"""``concordat notice``: what the portal tells the first coordinator."""

from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Limit
from portal.cli.output import Output

app = typer.Typer(help="Notices to the first coordinator.", no_args_is_help=True)


@app.command("list")
def list_notices(
    unread: Annotated[bool, typer.Option("--unread", help="Only what was not read.")] = False,
    limit: Limit = 50,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List notices, newest first."""
    with connected(data) as portal:
        answer = portal.get("notices", unread=unread, limit=limit)
    columns = (
        ("id", "notice_id"),
        ("kind", "kind"),
        ("institution", "institution_id"),
        ("subject", "subject"),
        ("when", "at"),
        ("read", "read_at"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("digest")
def digest(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show what is unread as mail would bring it."""
    with connected(data) as portal:
        answer = portal.get("notices", "digest")
    output = Output(as_json=as_json)
    for line in ("",) if as_json else answer["text"].splitlines():
        output.done(answer, line)


@app.command("read")
def read(
    notice_id: Annotated[str, typer.Argument(help="The notice's id.")], data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Mark a notice as read."""
    with connected(data) as portal:
        answer = portal.post("notices", "read", body={"notice_id": notice_id})
    Output(as_json=as_json).done(answer, f"Read: {answer['subject']}")
