"""``concordat invitation``: people who are asked to take part."""

from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output

app = typer.Typer(help="Invitations to take part.", no_args_is_help=True)

InvitationId = Annotated[str, typer.Argument(help="The invitation's id.")]
_NOTE = "Works once; hand it over by a channel you trust:"


@app.command("list")
def list_invitations(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List invitations, the open ones first."""
    with connected(data) as portal:
        answer = portal.get("invitations")
    columns = (("id", "id"), ("e-mail", "email"), ("status", "status"), ("expired", "expired"), ("until", "expires_at"))
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("send")
def send(
    email: Annotated[str, typer.Option("--email")],
    institution: Annotated[str, typer.Option("--institution", help="The institution's id; 'lab' is the lab.")],
    role: Annotated[
        str, typer.Option("--role", help="coordinator, partner_lead, partner_member, researcher or observer.")
    ],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Invite somebody; the link is shown here, and mailed where there is a mail server."""
    with connected(data) as portal:
        membership = {"institution_id": institution, "role": role}
        answer = portal.post("invitations", body={"email": email, "memberships": [membership]})
    Output(as_json=as_json).secret(answer, answer["url"], _NOTE)


@app.command("renew")
def renew(invitation_id: InvitationId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Make a new link; the one before is dead."""
    with connected(data) as portal:
        answer = portal.post("invitations", invitation_id, "renew")
    Output(as_json=as_json).secret(answer, answer["url"], _NOTE)


@app.command("revoke")
def revoke(invitation_id: InvitationId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Take an invitation back."""
    with connected(data) as portal:
        answer = portal.post("invitations", invitation_id, "revoke", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"The invitation of {answer['email']} is taken back.")
