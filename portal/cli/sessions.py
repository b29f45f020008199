"""``concordat session``: where somebody is signed in."""

from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Browsers that are signed in.", no_args_is_help=True)

Person = Annotated[str | None, typer.Option("--person", help="Whose, by id; one's own unless it is said.")]


@app.command("list")
def list_sessions(person: Person = None, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List sessions, the latest used first."""
    with connected(data) as portal:
        answer = portal.get("sessions", person=person)
    columns = (
        ("session", "handle"),
        ("with", "browser"),
        ("by", "method"),
        ("provider", "provider"),
        ("since", "since"),
        ("last seen", "last_seen"),
        ("ends", "expires_at"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("end")
def end(
    handle: Annotated[str | None, typer.Argument(help="The session; every one of the person without it.")] = None,
    person: Person = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="End access tokens too.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """End one session, or sign somebody out everywhere."""
    with connected(data) as portal:
        if handle is not None:
            answer = portal.post("sessions", handle, "end")
            said = f"{handle} is over."
        else:
            answer = portal.post("sessions", "end-all", body={"person_id": person, "tokens": tokens})
            said = f"{answer['sessions']} sessions and {answer['tokens']} access tokens ended."
    Output(as_json=as_json).done(answer, said)
