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
def list_people(
    text: Annotated[str, typer.Option("--search", help="Words of the name or the e-mail address.")] = "",
    institution: Annotated[str | None, typer.Option("--institution", help="Where they have a role, by id.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="What they are there.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="active, waiting, refused or deactivated.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List people."""
    asked = {"q": text, "institution": institution, "role": role, "state": state}
    with connected(data) as portal:
        answer = portal.get("people", **{name: value for name, value in asked.items() if value})
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
def deactivate(
    person_id: PersonId,
    reason: Reason,
    without_lead: Annotated[
        bool, typer.Option("--without-lead", help="The institution may be left without a partner lead.")
    ] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Stop somebody from signing in; their sessions and tokens end with it."""
    body = {"reason": reason, "without_lead": without_lead}
    with connected(data) as portal:
        answer = portal.post("people", person_id, "deactivate", body=body)
    Output(as_json=as_json).done(answer, f"{answer['name']} may not sign in any more.")


@app.command("consequences")
def consequences(
    person_id: PersonId,
    left_with: Annotated[
        list[str] | None,
        typer.Option("--left-with", metavar="INSTITUTION=ROLE", help="A role that stays or comes; may be repeated."),
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Preview what stops if somebody is deactivated, or left with the roles named. Changes nothing."""
    memberships = [dict(zip(("institution_id", "role"), one.split("=", 1), strict=False)) for one in left_with or ()]
    with connected(data) as portal:
        answer = portal.post("people", person_id, "consequences", body={"memberships": memberships})
    lines = (
        ("sessions", answer["sessions"]),
        ("sign-in links", answer["links"]),
        ("access tokens", answer["tokens"]),
        ("grants", [one["grant_id"] for one in answer["grants"]]),
        ("agreements that name them", [one["agreement_id"] for one in answer["agreements"]]),
        ("invitations", answer["invitations"]),
        ("without a partner lead", answer["without_lead"]),
    )
    Output(as_json=as_json).table(
        answer, [{"what": name, "stops": value} for name, value in lines], (("what", "what"), ("stops", "stops"))
    )


@app.command("reactivate")
def reactivate(person_id: PersonId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let somebody sign in again, with the roles they had."""
    with connected(data) as portal:
        answer = portal.post("people", person_id, "reactivate", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['name']} may sign in again.")


@app.command("waiting")
def waiting(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List who waits to be let in."""
    with connected(data) as portal:
        answer = portal.get("people", "waiting")
    columns = (
        ("id", "id"),
        ("name", "name"),
        ("e-mail", "email"),
        ("institution", "pending.institution_id"),
        ("since", "pending.requested_at"),
        ("refused", "pending.refused"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("approve")
def approve(
    person_id: PersonId,
    role: Annotated[str, typer.Option("--role", help="As what they are let in.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Let in somebody who waits."""
    with connected(data) as portal:
        answer = portal.post("people", person_id, "approve", body={"role": role})
    Output(as_json=as_json).done(answer, f"{answer['name']} is let in.")


@app.command("refuse")
def refuse(person_id: PersonId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Refuse somebody who waits; they see the reason."""
    with connected(data) as portal:
        answer = portal.post("people", person_id, "refuse", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['name']} is not let in.")


@app.command("role")
def role_of(
    person_id: PersonId,
    institution: Annotated[str, typer.Option("--institution", help="Where, by id.")],
    add: Annotated[str | None, typer.Option("--add", help="A role to give.")] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", help="A role to take; with --add, they change places.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why a role is taken.")] = "",
    without_lead: Annotated[
        bool, typer.Option("--without-lead", help="The institution may be left without a partner lead.")
    ] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Give a role, take one, or put one in place of another."""
    if add is None and remove is None:
        raise typer.BadParameter("Say which role with --add or --remove.")
    with connected(data) as portal:
        if remove is None:
            answer = portal.post("people", person_id, "memberships", body={"institution_id": institution, "role": add})
        elif add is None:
            membership = {"institution_id": institution, "role": remove}
            body = {"membership": membership, "reason": reason, "without_lead": without_lead}
            answer = portal.post("people", person_id, "memberships", "remove", body=body)
        else:
            body = {"institution_id": institution, "before": remove, "after": add, "without_lead": without_lead}
            answer = portal.post("people", person_id, "memberships", "change", body=body)
    Output(as_json=as_json).done(answer, f"{answer['name']}: {', '.join(_with_roles(answer)['roles'])}.")
