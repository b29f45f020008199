"""``concordat identity-provider``: where institutions' people sign in with their own accounts."""

from pathlib import Path
from typing import Annotated

import typer

from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output

app = typer.Typer(help="Institutions' own sign-in (OpenID Connect).", no_args_is_help=True)

ProviderId = Annotated[str, typer.Argument(help="The identity provider's id.")]


@app.command("list")
def list_providers(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List identity providers."""
    with connected(data) as portal:
        answer = portal.get("identity-providers")
    columns = (
        ("id", "id"),
        ("institution", "institution_id"),
        ("label", "label"),
        ("issuer", "issuer"),
        ("domains", "domains"),
        ("status", "status"),
        ("because", "reason"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("add")
def add(
    institution: Annotated[str, typer.Option("--institution", help="For whose people it speaks, by id.")],
    label: Annotated[str, typer.Option("--label", help="What its button on the sign-in page says.")],
    issuer: Annotated[str, typer.Option("--issuer", help="Exactly as its discovery document names it.")],
    client_id: Annotated[str, typer.Option("--client-id", help="What it calls this portal.")],
    domains: Annotated[list[str], typer.Option("--domain", help="A domain of e-mail addresses; may be repeated.")],
    authentication: Annotated[
        str, typer.Option("--authentication", help="none, private_key_jwt or client_secret_basic.")
    ] = "none",
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="A file that holds the client secret.", metavar="FILE")
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Register an identity provider; try it with check."""
    body: dict[str, object] = {
        "institution_id": institution,
        "label": label,
        "issuer": issuer,
        "client_id": client_id,
        "domains": domains,
        "client_authentication": authentication,
        "client_secret": _secret(secret_file),
    }
    with connected(data) as portal:
        answer = portal.post("identity-providers", body=body)
    Output(as_json=as_json).done(
        answer,
        f"{answer['id']} is registered for {institution}. Enter there as its redirect URI: {answer['redirect_uri']}",
    )


@app.command("check")
def check(provider_id: ProviderId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Ask it now what it says of itself, and for its keys."""
    with connected(data) as portal:
        answer = portal.post("identity-providers", provider_id, "check")
    Output(as_json=as_json).done(answer, f"It answers as {answer['issuer']}, and its keys can be read.")


@app.command("people")
def people(provider_id: ProviderId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List who signs in by it, and who has no other way in."""
    with connected(data) as portal:
        answer = portal.get("identity-providers", provider_id, "people")
    columns = (
        ("id", "person_id"),
        ("name", "name"),
        ("e-mail", "email"),
        ("waits", "waits"),
        ("sessions", "sessions"),
        ("other way in", "other"),
    )
    Output(as_json=as_json).table(answer, answer["people"], columns)


@app.command("pause")
def pause(provider_id: ProviderId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let nobody sign in through it for now; its sessions end."""
    with connected(data) as portal:
        answer = portal.post("identity-providers", provider_id, "pause", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{provider_id} is paused, and its sessions are over.")


@app.command("resume")
def resume(provider_id: ProviderId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let people sign in through it again."""
    with connected(data) as portal:
        answer = portal.post("identity-providers", provider_id, "resume")
    Output(as_json=as_json).done(answer, f"{provider_id} is in use again.")


@app.command("remove")
def remove(provider_id: ProviderId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let nobody sign in through it any more."""
    with connected(data) as portal:
        answer = portal.post("identity-providers", provider_id, "remove", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{provider_id} is removed.")


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        raise Invalid("file_unreadable", f"The file {file} cannot be read.", hint="Check its name and owner.") from None
