"""``concordat grant``: access opened under an agreement."""

from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output

app = typer.Typer(help="Grants: what an agreement in force opens, and for how long.", no_args_is_help=True)

GrantId = Annotated[str, typer.Argument(help="The grant's id.")]
_COLUMNS = (
    ("id", "grant.id"),
    ("institution", "institution_name"),
    ("label", "grant.label"),
    ("checkpoints", "grant.scope.checkpoints"),
    ("tokens used", "used_tokens"),
    ("of", "grant.scope.token_budget"),
    ("until", "grant.scope.expires_at"),
    ("opens", "active"),
)


@app.command("list")
def list_grants(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List grants with what each has used, newest first."""
    with connected(data) as portal:
        answer = portal.get("grants")
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(grant_id: GrantId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one grant."""
    with connected(data) as portal:
        answer = portal.get("grants", grant_id)
    more = (
        ("operations", "grant.scope.operations"),
        ("purposes", "grant.scope.purposes"),
        ("requests a minute", "grant.scope.requests_per_minute"),
        ("agreement", "grant.agreement_id"),
        ("revoked because", "grant.revoked_reason"),
    )
    Output(as_json=as_json).fields(answer, (*_COLUMNS, *more))


@app.command("issue")
def issue(
    agreement: Annotated[str, typer.Option("--agreement", help="The agreement it rests on.")],
    label: Annotated[str, typer.Option("--label", help="What people call it.")],
    checkpoint: Annotated[
        list[str] | None, typer.Option("--checkpoint", help="Only these; else all that the agreement names.")
    ] = None,
    operation: Annotated[list[str] | None, typer.Option("--operation", help="Only these operations.")] = None,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="Only these purposes.")] = None,
    token_budget: Annotated[int | None, typer.Option("--tokens", help="Prompt and completion tokens in all.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option("--rate", help="Requests a minute.")] = None,
    expires_at: Annotated[str | None, typer.Option("--until", help="An end before the agreement's, ISO 8601.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Open access: all that the agreement allows, or what you narrow it to."""
    wanted = {
        "checkpoints": checkpoint,
        "operations": operation,
        "purposes": purpose,
        "token_budget": token_budget,
        "requests_per_minute": requests_per_minute,
        "expires_at": expires_at,
    }
    narrowed = {name: value for name, value in wanted.items() if value}
    with connected(data) as portal:
        scope = {**portal.get("agreements", agreement, "bounds"), **narrowed} if narrowed else None
        answer = portal.post("grants", body={"agreement_id": agreement, "label": label, "scope": scope})
    Output(as_json=as_json).done(answer, f"{answer['id']} is issued to {answer['institution_id']}.")


@app.command("revoke")
def revoke(grant_id: GrantId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """End access for good, with effect on the next request."""
    with connected(data) as portal:
        answer = portal.post("grants", grant_id, "revoke", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is revoked.")
