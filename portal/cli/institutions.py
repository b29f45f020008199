"""``concordat institution``: partner organisations and their keys."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from agreements.canonical import parse_json
from portal.cli import signing
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output
from portal.documents import MAX_DOCUMENT_BYTES

app = typer.Typer(help="Partner institutions and the keys they sign with.", no_args_is_help=True)
keys = typer.Typer(help="Signing keys of institutions.", no_args_is_help=True)
app.add_typer(keys, name="key")

InstitutionId = Annotated[str, typer.Argument(help="The institution's id.")]
_COLUMNS = (
    ("id", "id"),
    ("name", "name"),
    ("constituency", "constituency"),
    ("country", "country"),
    ("contact", "contact_email"),
    ("active keys", "active_keys"),
)


Statement = Annotated[
    Path | None,
    typer.Option(
        "--succession",
        help="From: concordat institution key hand-over; once it keeps its own.",
        metavar="FILE",
    ),
]


def _statement(file: Path | None) -> JsonValue:
    return None if file is None else parse_json(read_bytes(file), MAX_DOCUMENT_BYTES)


def _with_keys(institution: dict[str, Any]) -> dict[str, Any]:
    active = [key["public_key"] for key in institution["keys"] if key["revoked_at"] is None]
    return {**institution, "active_keys": active}


@app.command("list")
def list_institutions(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List everyone who takes part, the lab first."""
    with connected(data) as portal:
        answer = portal.get("institutions")
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS[:5])


@app.command("add")
def add(
    institution_id: InstitutionId,
    name: Annotated[str, typer.Option("--name", help="Its name in agreements.")],
    constituency: Annotated[
        str, typer.Option("--constituency", help="academia, civil_society, developer or government.")
    ],
    email: Annotated[str, typer.Option("--email", help="Whom to write to.")],
    country: Annotated[str, typer.Option("--country")] = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Register an institution."""
    with connected(data) as portal:
        body = {
            "institution_id": institution_id,
            "name": name,
            "constituency": constituency,
            "contact_email": email,
            "country": country,
        }
        answer = portal.post("institutions", body=body)
    Output(as_json=as_json).done(answer, f"{answer['name']} is registered as {answer['id']}.")


@app.command("show")
def show(institution_id: InstitutionId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one institution."""
    with connected(data) as portal:
        answer = portal.get("institutions", institution_id)
    output = Output(as_json=as_json)
    output.fields(answer if as_json else _with_keys(answer), _COLUMNS)


@keys.command("register")
def register_key(
    institution_id: InstitutionId,
    public_key: Annotated[str, typer.Option("--public-key", help="64 hex digits.")],
    proof: Annotated[str, typer.Option("--proof", help="From: concordat institution key proof.")],
    succession: Statement = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Register a key that the institution keeps itself, as its partner lead."""
    body = {"public_key": public_key, "proof": proof, "succession": _statement(succession)}
    with connected(data) as portal:
        answer = portal.post("institutions", institution_id, "keys", body=body)
    Output(as_json=as_json).done(answer, f"{answer['name']} may sign with {public_key}.")


@keys.command("create")
def create_key(
    institution_id: InstitutionId, succession: Statement = None, data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Let the portal make and keep a key, as partner lead; it signs only at the partner lead's word."""
    body = {"succession": _statement(succession)}
    with connected(data) as portal:
        answer = portal.post("institutions", institution_id, "keys", "custody", body=body)
    Output(as_json=as_json).done(answer, f"The portal keeps a key for {answer['name']}.")


@keys.command("lost")
def ask_for_key(
    institution_id: InstitutionId,
    public_key: Annotated[str, typer.Option("--public-key", help="64 hex digits of the new key.")],
    proof: Annotated[str, typer.Option("--proof", help="From: concordat institution key proof.")],
    reason: Reason,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Ask, as partner lead, for a key in place of an own key that was lost; a coordinator has to allow it."""
    body = {"public_key": public_key, "proof": proof, "reason": reason}
    with connected(data) as portal:
        answer = portal.post("institutions", institution_id, "keys", "lost", body=body)
    Output(as_json=as_json).done(answer, f"{answer['name']} asks for {public_key}. A coordinator has to allow it.")


@keys.command("allow")
def allow_key(
    institution_id: InstitutionId,
    public_key: Annotated[str, typer.Argument(help="64 hex digits, as asked for.")],
    note: Annotated[str, typer.Option("--note", help="How you made sure that the institution asks.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Allow, as coordinator, a key in place of one that was lost; every signature by it says so."""
    with connected(data) as portal:
        answer = portal.post("institutions", institution_id, "keys", public_key, "allow", body={"note": note})
    Output(as_json=as_json).done(answer, f"{answer['name']} may sign with {public_key}.")


@keys.command("revoke")
def revoke_key(
    institution_id: InstitutionId,
    public_key: Annotated[str, typer.Argument(help="64 hex digits.")],
    reason: Reason,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Stop a key from signing; what it signed stays valid."""
    with connected(data) as portal:
        answer = portal.post("institutions", institution_id, "keys", public_key, "revoke", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{public_key} signs no more for {answer['name']}.")


keys.command("proof")(signing.key_proof)
keys.command("hand-over")(signing.hand_over_key)
