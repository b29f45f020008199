"""``concordat grant``: access opened under an agreement."""

from typing import Annotated, Any

import typer

from agreements.scopes import Scope, precisions_in_words
from portal.cli.connection import Connection, connected
from portal.cli.foresight import goes_on, of_grant
from portal.cli.limits import changed, with_scope
from portal.cli.options import DATA, AsJson, DataDir, Preview, Reason, Yes
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
_MORE = (
    ("holder", "holder_name"),
    ("operations", "grant.scope.operations"),
    ("purposes", "grant.scope.purposes"),
    ("requests a minute", "grant.scope.requests_per_minute"),
    ("requests", "grant.scope.request_budget"),
    ("generated tokens", "grant.scope.output_budget"),
    ("at most", "words.periods"),
    ("runs at once", "grant.scope.concurrency"),
    ("sampling", "words.sampling"),
    ("hours", "words.hours"),
    ("logit bias", "words.bias"),
    ("precision", "words.precision"),
    ("tokens are bound", "words.bound"),
    ("agreement", "grant.agreement_id"),
    ("above it", "grant.parent_id"),
    ("revoked because", "grant.revoked_reason"),
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
_REVOCATIONS = (
    ("when", "at"),
    ("what", "what"),
    ("about", "about"),
    ("by", "by"),
    ("durable, ms", "commit_ms"),
    ("first refusal, ms", "refused_ms"),
    ("everywhere, ms", "everywhere_ms"),
    ("runs stopped", "runs"),
    ("tokens after", "tokens_after"),
)
_STALE = (
    ("id", "grant.id"),
    ("institution", "institution_name"),
    ("holder", "holder_name"),
    ("label", "grant.label"),
    ("last used", "last_used_at"),
    ("why", "why"),
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
    Output(as_json=as_json).fields(_with_words(answer), (*_COLUMNS, *_MORE))


@app.command("issue")
@with_scope
def issue(
    agreement: Annotated[str, typer.Option("--agreement", help="The agreement it rests on.")],
    label: Annotated[str, typer.Option("--label", help="What people call it.")],
    said: dict[str, Any],
    delegated_only: Annotated[
        bool, typer.Option("--delegated-only", help="Nobody runs on it directly, only on what is delegated.")
    ] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Open access: all that the agreement allows, or what you narrow it to."""
    with connected(data) as portal:
        scope = changed(portal.get("agreements", agreement, "bounds"), said) if said else None
        body = {"agreement_id": agreement, "label": label, "scope": scope, "delegated_only": delegated_only}
        answer = portal.post("grants", body=body)
    Output(as_json=as_json).done(answer, f"{answer['id']} is issued to {answer['institution_id']}.")


@app.command("delegate")
@with_scope
def delegate(
    grant_id: GrantId,
    label: Annotated[str, typer.Option("--label", help="What people call it.")],
    said: dict[str, Any],
    person: Annotated[str | None, typer.Option("--person", help="The person who is to hold it.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="The program that is to hold it.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Pass a part of a grant on to a person or a program of its institution."""
    if (person is None) == (program is None):
        raise typer.BadParameter("name either --person or --program")
    holder = {"kind": "person" if person else "program", "id": person or program}
    with connected(data) as portal:
        scope = changed(portal.get("grants", grant_id)["grant"]["scope"], said)
        answer = portal.post("grants", grant_id, "children", body={"holder": holder, "label": label, "scope": scope})
    Output(as_json=as_json).done(answer, f"{answer['id']} is delegated to {answer['holder']['id']}.")


@app.command("narrow")
@with_scope
def narrow(
    grant_id: GrantId,
    reason: Reason,
    said: dict[str, Any],
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Let a grant, and everything below it, allow less; you see first what becomes of that."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        scope = changed(portal.get("grants", grant_id)["grant"]["scope"], said)
        if not _wanted(portal, output, grant_id, "narrow", scope=scope, preview=preview, yes=yes):
            return
        answer = portal.post("grants", grant_id, "narrow", body={"scope": scope, "reason": reason})
    output.done(answer, f"{answer['id']} is narrowed.")


@app.command("extend")
@with_scope
def extend(
    grant_id: GrantId, reason: Reason, said: dict[str, Any], data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Let a grant allow more, within what is above it."""
    with connected(data) as portal:
        scope = changed(portal.get("grants", grant_id)["grant"]["scope"], said)
        answer = portal.post("grants", grant_id, "extend", body={"scope": scope, "reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is extended.")


def _wanted(
    portal: Connection,
    output: Output,
    grant_id: str,
    act: str,
    *,
    scope: dict[str, Any] | None = None,
    preview: bool,
    yes: bool,
) -> bool:
    found = portal.post("grants", grant_id, "preview", body={"act": act, "scope": scope})
    question = f"{act.capitalize()} grant {grant_id}?"
    return goes_on(output, found, of_grant(found), question, preview=preview, yes=yes)


def _with_words(view: dict[str, Any]) -> dict[str, Any]:
    """A grant with its limits as people read them, under ``words``."""
    scope = Scope.model_validate(view["grant"]["scope"])
    words = {
        "periods": [str(budget) for budget in scope.periods],
        "sampling": scope.sampling and str(scope.sampling),
        "hours": scope.hours and str(scope.hours),
        "bias": "allowed" if scope.logit_bias else "not allowed",
        "precision": precisions_in_words(scope.precisions),
        "bound": "to their holder's key" if scope.holder_bound else "",
    }
    return {**view, "words": words}


@app.command("suspend")
def suspend(
    grant_id: GrantId,
    reason: Reason,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Stop a grant, and everything below it, until it is lifted; you see first what that stops."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        if not _wanted(portal, output, grant_id, "suspend", preview=preview, yes=yes):
            return
        answer = portal.post("grants", grant_id, "suspend", body={"reason": reason})
    output.done(answer, f"{answer['id']} is suspended.")


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


@app.command("revocations")
def revocations(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List what was taken away lately, and how long after the click it was refused."""
    with connected(data) as portal:
        answer = portal.get("access", "revocations")
    Output(as_json=as_json).table(answer, answer["items"], _REVOCATIONS)


@app.command("revoke")
def revoke(
    grant_id: GrantId,
    reason: Reason,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """End access for good, for runs under way too; you see first what ends with it."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        if not _wanted(portal, output, grant_id, "revoke", preview=preview, yes=yes):
            return
        answer = portal.post("grants", grant_id, "revoke", body={"reason": reason})
    output.done(answer, f"{answer['id']} is revoked.")
