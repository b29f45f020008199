"""``concordat grant``: access opened under an agreement."""

from collections.abc import Callable
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


_TREE = (
    ("depth", "grant.depth"),
    ("id", "grant.id"),
    ("holder", "holder_name"),
    ("label", "grant.label"),
    ("tokens used", "used_tokens"),
    ("of", "grant.scope.token_budget"),
    ("opens", "active"),
)
_STALE = (
    ("id", "grant.id"),
    ("institution", "institution_name"),
    ("holder", "holder_name"),
    ("label", "grant.label"),
    ("last used", "last_used_at"),
    ("why", "why"),
)

Checkpoints = Annotated[list[str] | None, typer.Option("--checkpoint", help="These; else as it is above.")]
Operations = Annotated[list[str] | None, typer.Option("--operation", help="These operations.")]
Purposes = Annotated[list[str] | None, typer.Option("--purpose", help="These purposes.")]
Tokens = Annotated[int | None, typer.Option("--tokens", help="Prompt and completion tokens in all.")]
Requests = Annotated[int | None, typer.Option("--requests", help="Requests in all.")]
Rate = Annotated[int | None, typer.Option("--rate", help="Requests a minute.")]
AtOnce = Annotated[int | None, typer.Option("--at-once", help="Runs under way at once.")]
Until = Annotated[str | None, typer.Option("--until", help="The end, ISO 8601.")]


def _narrowed(
    checkpoints: list[str] | None,
    operations: list[str] | None,
    purposes: list[str] | None,
    token_budget: int | None,
    request_budget: int | None,
    requests_per_minute: int | None,
    concurrency: int | None,
    expires_at: str | None,
) -> dict[str, object]:
    """What was said of a scope, by its own names."""
    return {name: value for name, value in locals().items() if value}


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


@app.command("delegate")
def delegate(
    grant_id: GrantId,
    label: Annotated[str, typer.Option("--label", help="What people call it.")],
    person: Annotated[str | None, typer.Option("--person", help="The person who is to hold it.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="The program that is to hold it.")] = None,
    checkpoint: Checkpoints = None,
    operation: Operations = None,
    purpose: Purposes = None,
    token_budget: Tokens = None,
    requests: Requests = None,
    requests_per_minute: Rate = None,
    concurrency: AtOnce = None,
    expires_at: Until = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Pass a part of a grant on to a person or a program of its institution."""
    if (person is None) == (program is None):
        raise typer.BadParameter("name either --person or --program")
    narrower = _narrowed(
        checkpoint, operation, purpose, token_budget, requests, requests_per_minute, concurrency, expires_at
    )
    holder = {"kind": "person" if person else "program", "id": person or program}
    with connected(data) as portal:
        scope = {**portal.get("grants", grant_id)["grant"]["scope"], **narrower}
        answer = portal.post("grants", grant_id, "children", body={"holder": holder, "label": label, "scope": scope})
    Output(as_json=as_json).done(answer, f"{answer['id']} is delegated to {answer['holder']['id']}.")


def _changing(verb: str) -> Callable[..., None]:
    def change(
        grant_id: GrantId,
        reason: Reason,
        checkpoint: Checkpoints = None,
        operation: Operations = None,
        purpose: Purposes = None,
        token_budget: Tokens = None,
        requests: Requests = None,
        requests_per_minute: Rate = None,
        concurrency: AtOnce = None,
        expires_at: Until = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        changed = _narrowed(
            checkpoint, operation, purpose, token_budget, requests, requests_per_minute, concurrency, expires_at
        )
        with connected(data) as portal:
            scope = {**portal.get("grants", grant_id)["grant"]["scope"], **changed}
            answer = portal.post("grants", grant_id, verb, body={"scope": scope, "reason": reason})
        Output(as_json=as_json).done(answer, f"{answer['id']} is {verb.rstrip('e')}ed.")

    return change


app.command("narrow", help="Let a grant, and everything below it, allow less.")(_changing("narrow"))
app.command("extend", help="Let a grant allow more, within what is above it.")(_changing("extend"))


@app.command("suspend")
def suspend(grant_id: GrantId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Stop a grant, and everything below it, until it is lifted."""
    with connected(data) as portal:
        answer = portal.post("grants", grant_id, "suspend", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is suspended.")


@app.command("lift")
def lift(grant_id: GrantId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let a suspended grant go on."""
    with connected(data) as portal:
        answer = portal.post("grants", grant_id, "lift", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} goes on.")


@app.command("tree")
def tree(grant_id: GrantId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List a grant and everything delegated from it, each parent before its children."""
    with connected(data) as portal:
        above = portal.get("grants", grant_id)
        answer = {"items": [above, *portal.get("grants", grant_id, "children")["items"]]}
    Output(as_json=as_json).table(answer, answer["items"], _TREE)


@app.command("stale")
def stale(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List grants that somebody should look at, and why."""
    with connected(data) as portal:
        answer = portal.get("grants", "stale")
    Output(as_json=as_json).table(answer, answer["items"], _STALE)


@app.command("revoke")
def revoke(grant_id: GrantId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """End access for good, with effect on the next request."""
    with connected(data) as portal:
        answer = portal.post("grants", grant_id, "revoke", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is revoked.")
