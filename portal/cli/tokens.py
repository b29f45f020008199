"""``concordat token``: access tokens for programs, and the keys that sign them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.limits import with_limits
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Access tokens, shown once and kept nowhere.", no_args_is_help=True)

TokenId = Annotated[str, typer.Argument(help="The token's id.")]
Label = Annotated[str, typer.Option("--label", help="What it is for.")]
Hours = Annotated[int | None, typer.Option("--hours", help="How long it lives.", min=1)]
Grant = Annotated[str | None, typer.Option("--grant", help="The grant it draws on.")]
Areas = Annotated[
    list[str] | None, typer.Option("--area", help="read, run, evidence, access or release; all of a role without it.")
]
Bound = Annotated[str | None, typer.Option("--key-thumbprint", help="The DPoP key that every use has to prove.")]

_STANDING = (
    ("id", "record.id"),
    ("label", "record.label"),
    ("holder", "record.person_id"),
    ("grant", "record.grant_id"),
    ("made from", "record.parent_id"),
    ("until", "record.expires_at"),
    ("last used", "last_used_at"),
    ("opens something", "active"),
    ("why not", "why_not.message"),
    ("what to do", "why_not.hint"),
    ("who clears it", "why_not.fixer"),
    ("code", "why_not.code"),
)
_KEYS = (
    ("kid", "kid"),
    ("signs", "signs"),
    ("verifies", "verifies"),
    ("until", "verifies_until"),
    ("withdrawn", "withdrawn_reason"),
)


@app.command("issue")
def issue(
    label: Label,
    grant: Grant = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="One of the grant's purposes.")] = None,
    hours: Hours = None,
    area: Areas = None,
    key_thumbprint: Bound = None,
    keep_fresh: Annotated[bool, typer.Option("--keep-fresh", help="With a refresh token.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Issue an access token to yourself: on this machine you act as the first coordinator."""
    body = {
        "label": label,
        "grant_id": grant,
        "purpose": purpose,
        "hours": hours,
        "areas": area or None,
        "key_thumbprint": key_thumbprint,
        "keep_fresh": keep_fresh,
    }
    with connected(data) as portal:
        answer = portal.post("tokens", body=body)
    _shown(answer, as_json=as_json)


@app.command("narrow")
@with_limits
def narrow(
    token_id: TokenId,
    limits: dict[str, Any],
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    grant: Grant = None,
    hours: Hours = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option("--checkpoint", help="Only these; of a family/*, also one of its members.")
    ] = None,
    operation: Annotated[list[str] | None, typer.Option("--operation", help="Only these operations.")] = None,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="Only these purposes.")] = None,
    token_budget: Annotated[int | None, typer.Option("--token-budget", help="At most so many tokens.", min=1)] = None,
    per_minute: Annotated[int | None, typer.Option("--per-minute", help="At most so many requests.", min=1)] = None,
    area: Areas = None,
    delegate: Annotated[str | None, typer.Option("--delegate", help="Who is to hold it, if not you.")] = None,
    key_thumbprint: Bound = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Make a token that opens less from one of yours; it ends with that one at the latest."""
    narrowing = {
        "checkpoints": checkpoint or None,
        "operations": operation or None,
        "purposes": purpose or None,
        "token_budget": token_budget,
        "requests_per_minute": per_minute,
        **limits,
    }
    body = {
        "label": label,
        "grant_id": grant,
        "hours": hours,
        "areas": area or None,
        "narrowing": {name: value for name, value in narrowing.items() if value is not None} or None,
        "delegate_id": delegate,
        "key_thumbprint": key_thumbprint,
    }
    with connected(data) as portal:
        answer = portal.post("tokens", token_id, "narrow", body=body)
    _shown(answer, as_json=as_json)


@app.command("list")
def list_tokens(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List access tokens that were issued; the tokens themselves are kept nowhere."""
    with connected(data) as portal:
        answer = portal.get("tokens")
    columns = (
        ("id", "id"),
        ("label", "label"),
        ("holder", "person_id"),
        ("grant", "grant_id"),
        ("made from", "parent_id"),
        ("purpose", "purpose"),
        ("until", "expires_at"),
        ("last used", "last_used_at"),
        ("ended", "end_reason"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("show")
def show(token_id: TokenId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show a token's record, and why it opens nothing if it does not; the token itself is kept nowhere."""
    with connected(data) as portal:
        answer = portal.get("tokens", token_id)
    Output(as_json=as_json).fields(answer, _STANDING)


@app.command("rotate")
def rotate(
    token_id: TokenId,
    grace: Annotated[int, typer.Option("--grace", help="For how many minutes the old one goes on.", min=0)] = 0,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Put another token in place of one of yours; the old one, and what was made from it, ends now or after a grace."""
    with connected(data) as portal:
        answer = portal.post("tokens", token_id, "rotate", body={"grace_minutes": grace})
    _shown(answer, as_json=as_json)


@app.command("revoke")
def revoke(
    token_id: TokenId,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "revoked by the operator",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """End a token and all that was made from it, with effect on the next request."""
    with connected(data) as portal:
        answer = portal.post("tokens", token_id, "revoke", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is revoked.")


@app.command("keys")
def keys(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List the keys that sign tokens, the one that signs now first."""
    with connected(data) as portal:
        answer = portal.get("token-keys")
    Output(as_json=as_json).table(answer, answer["items"], _KEYS)


@app.command("rotate-key")
def rotate_key(
    compromised: Annotated[
        str | None, typer.Option("--compromised", help="Why the old key is not trusted: refuses its tokens at once.")
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Let a new key sign tokens; the old one verifies until its last token has ended."""
    with connected(data) as portal:
        answer = portal.post("token-keys", "rotate", body={"compromised": compromised})
    Output(as_json=as_json).done(answer, f"{answer['items'][0]['kid']} signs from now on.")


@app.command("withdraw-key")
def withdraw_key(
    kid: Annotated[str, typer.Argument(help="The key's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Refuse the tokens of a key that was replaced before."""
    with connected(data) as portal:
        answer = portal.post("token-keys", "withdraw", body={"kid": kid, "reason": reason})
    Output(as_json=as_json).done(answer, f"Tokens of {kid} are refused.")


@app.command("dpop-key")
def dpop_key(
    file: Annotated[Path, typer.Argument(help="Where to write the private key; nothing may be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Make a key to bind tokens to, on this machine alone, and print its thumbprint."""
    from model_access.client import DPoPKey

    thumbprint = DPoPKey.create(file).thumbprint
    Output(as_json=as_json).done({"file": str(file), "thumbprint": thumbprint}, f"Bind tokens to {thumbprint}")


def _shown(answer: dict[str, object], *, as_json: bool) -> None:
    record, fresh = answer["record"], answer.get("refresh_token")
    until = record["expires_at"] if isinstance(record, dict) else ""
    both = str(answer["token"]) if fresh is None else f"{answer['token']}\n{fresh}"
    Output(as_json=as_json).secret(answer, both, f"Good until {until}; it is not shown again:")
