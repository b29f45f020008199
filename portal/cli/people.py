"""``concordat person``: who may sign in."""

from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output

app = typer.Typer(help="People and their one-time sign-in links.", no_args_is_help=True)

PersonId = Annotated[str, typer.Argument(help="The person's id.")]


def _with_roles(person: dict[str, Any]) -> dict[str, Any]:
    roles = [f"{one['role'].replace('_', ' ')} at {one['institution_id']}" for one in person["memberships"]]
    return {**person, "roles": roles, "signs_in": person["deactivated_at"] is None}


@app.command("list")
def list_people(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List everyone."""
    with connected(data) as portal:
        answer = portal.get("people")
    columns = (("id", "id"), ("name", "name"), ("e-mail", "email"), ("roles", "roles"), ("signs in", "signs_in"))
    Output(as_json=as_json).table(answer, map(_with_roles, answer["items"]), columns)


@app.command("add")
def add(
    name: Annotated[str, typer.Option("--name", help="As they sign.")],
    email: Annotated[str, typer.Option("--email")],
    institution: Annotated[str, typer.Option("--institution", help="The institution's id; 'lab' is the lab.")],
    role: Annotated[
        str, typer.Option("--role", help="coordinator, partner_lead, partner_member, researcher or observer.")
    ],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Let somebody in, with one role at one institution."""
    with connected(data) as portal:
        membership = {"institution_id": institution, "role": role}
        answer = portal.post("people", body={"name": name, "email": email, "memberships": [membership]})
    Output(as_json=as_json).done(answer, f"{answer['name']} is registered as {answer['id']}.")


@app.command("link")
def link(person_id: PersonId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Issue a sign-in link; it signs in once and is shown here only."""
    with connected(data) as portal:
        answer = portal.post("people", person_id, "sign-in-link")
    Output(as_json=as_json).secret(answer, answer["url"], "Signs in once; hand it over by a channel you trust:")


@app.command("deactivate")
def deactivate(person_id: PersonId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Stop somebody from signing in; their sessions and tokens stop with it."""
    with connected(data) as portal:
        answer = portal.post("people", person_id, "deactivate", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['name']} may not sign in any more.")
