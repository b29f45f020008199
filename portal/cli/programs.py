"""``concordat program``: OAuth clients of institutions."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output

app = typer.Typer(help="Programs of institutions, which ask for tokens by themselves.", no_args_is_help=True)

ProgramId = Annotated[str, typer.Argument(help="The program's id, its OAuth client_id.")]
Jwks = Annotated[Path, typer.Option("--jwks", help="A JWK set (RFC 7517) with its public keys.")]

_COLUMNS = (
    ("id", "id"),
    ("name", "name"),
    ("institution", "institution_id"),
    ("status", "status"),
    ("contact", "contact"),
)


@app.command("list")
def list_programs(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List programs by name."""
    with connected(data) as portal:
        answer = portal.get("programs")
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(program_id: ProgramId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one program."""
    with connected(data) as portal:
        answer = portal.get("programs", program_id)
    Output(as_json=as_json).fields(answer, _COLUMNS)


@app.command("register")
def register(
    institution_id: Annotated[str, typer.Argument(help="Whose program it is.")],
    name: Annotated[str, typer.Option("--name", help="What it is called.")],
    contact: Annotated[str, typer.Option("--contact", help="Whom to write to.")],
    jwks: Jwks,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Register a program with its public keys."""
    body = {"institution_id": institution_id, "name": name, "contact": contact, "jwks": _read(jwks)}
    with connected(data) as portal:
        answer = portal.post("programs", body=body)
    Output(as_json=as_json).done(answer, f"{answer['name']} is registered as {answer['id']}.")


@app.command("keys")
def keys(program_id: ProgramId, jwks: Jwks, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Replace a program's keys; to rotate, name old and new together first, and later the new one alone."""
    with connected(data) as portal:
        answer = portal.post("programs", program_id, "keys", body={"jwks": _read(jwks)})
    Output(as_json=as_json).done(answer, f"{answer['name']} has {len(answer['keys'])} keys.")


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="Where to write the private key; nothing may be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Make a key for a program, on this machine alone, and print its public half as a JWK set."""
    from model_access.client import ProgramKey

    jwks = ProgramKey.create(file).jwks()
    Output(as_json=as_json).secret(jwks, json.dumps(jwks), "Register this public key set:")


@app.command("suspend")
def suspend(program_id: ProgramId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Refuse a program and its tokens until it is resumed."""
    with connected(data) as portal:
        answer = portal.post("programs", program_id, "suspend", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['name']} is suspended.")


@app.command("resume")
def resume(program_id: ProgramId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Let a suspended program in again."""
    with connected(data) as portal:
        answer = portal.post("programs", program_id, "resume")
    Output(as_json=as_json).done(answer, f"{answer['name']} is active.")


@app.command("end")
def end(program_id: ProgramId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """End a program for good."""
    with connected(data) as portal:
        answer = portal.post("programs", program_id, "end", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['name']} has ended.")


def _read(path: Path) -> Any:
    """The JSON of a file. Raises Invalid ``bad_jwk``."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Invalid("bad_jwk", f"{path} holds no JSON that can be read.", param="jwks") from None
