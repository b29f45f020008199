"""``concordat token``: access tokens for programs."""

from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Access tokens, shown once and kept nowhere.", no_args_is_help=True)


@app.command("issue")
def issue(
    label: Annotated[str, typer.Option("--label", help="What it is for.")],
    grant: Annotated[
        str | None, typer.Option("--grant", help="The grant it draws on, of your own institution.")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="One of the grant's purposes.")] = None,
    hours: Annotated[int | None, typer.Option("--hours", help="How long it lives.", min=1)] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Issue an access token to yourself: on this machine you act as the first coordinator."""
    body = {"label": label, "grant_id": grant, "purpose": purpose, "hours": hours}
    with connected(data) as portal:
        answer = portal.post("tokens", body=body)
    until = answer["record"]["expires_at"]
    Output(as_json=as_json).secret(answer, answer["token"], f"Good until {until}; it is not shown again:")


@app.command("list")
def list_tokens(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List access tokens that were issued; the tokens themselves are kept nowhere."""
    with connected(data) as portal:
        answer = portal.get("tokens")
    columns = (
        ("id", "id"),
        ("label", "label"),
        ("person", "person_id"),
        ("grant", "grant_id"),
        ("purpose", "purpose"),
        ("until", "expires_at"),
        ("ended", "end_reason"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="The token's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "revoked by the operator",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """End a token, with effect on the next request."""
    with connected(data) as portal:
        answer = portal.post("tokens", token_id, "revoke", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is revoked.")
