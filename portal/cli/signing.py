"""Signing away from the portal: an agreement, and the proof that a key is one's own.

Works on any machine with the base dependencies, so that an institution's private key never has to leave its own.
"""

import json
import os
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from agreements.agreement import PAYLOAD_TYPE
from agreements.agreement.export import EXPORT_TYPE
from agreements.canonical import canonical_bytes, digest_of, parse_json
from agreements.dsse import sign
from agreements.errors import Invalid, VerificationError
from agreements.key_succession import hand_over, possession_challenge
from agreements.keys import SigningKey
from portal.cli.agreement_text import show_clauses
from portal.cli.keyfiles import read_bytes, signing_key, write_new, write_out
from portal.cli.options import AsJson
from portal.cli.output import Output
from portal.documents import MAX_DOCUMENT_BYTES

_DOCUMENT = (
    ("title", "title"),
    ("institution", "parties.institution.name"),
    ("lab", "parties.lab.name"),
    ("version", "version"),
    ("a schedule of", "framework.title"),
)

KeyFile = Annotated[Path, typer.Option("--key", help="Your private key (PEM).", metavar="KEY")]


def new_key(
    file: Annotated[Path, typer.Argument(help="Where to put the private key.")],
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Ask for a passphrase and encrypt with it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a signing key for your institution; it is written to FILE and nowhere else."""
    passphrase = None
    if encrypt:
        passphrase = getpass("Passphrase: ")
        if not passphrase or passphrase != getpass("Once more: "):
            raise Invalid(
                "passphrases_differ", "The two passphrases are not the same, or empty.", hint="Type the same twice."
            )
    key = SigningKey.generate()
    write_new(file, key.to_pem(os.fsencode(passphrase) if passphrase else None), mode=0o600)
    public = key.public.raw.hex()
    Output(as_json=as_json).fields(
        {"file": str(file), "public_key": public, "key_id": key.public.key_id},
        [("private key", "file"), ("public key", "public_key"), ("key id", "key_id")],
        title="A new signing key",
    )


def key_proof(
    institution_id: Annotated[str, typer.Argument(help="Your institution's id in the portal.")],
    key: KeyFile,
    as_json: AsJson = False,
) -> None:
    """Prove that a key is yours: what your partner lead registers with the portal."""
    private = signing_key(key)
    public = private.public.raw.hex()
    Output(as_json=as_json).fields(
        {"public_key": public, "proof": private.sign(possession_challenge(institution_id, public)).hex()},
        [("public key", "public_key"), ("proof", "proof")],
        title=f"Register this for {institution_id}",
    )


def hand_over_key(
    institution_id: Annotated[str, typer.Argument(help="Your institution's id in the portal.")],
    key: KeyFile,
    number: Annotated[int, typer.Option("--number", help="The new key's number, which the portal tells you.", min=2)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the statement.", metavar="FILE")],
    new_key: Annotated[
        str | None, typer.Option("--new", help="The new public key, 64 hex digits; else one that the portal makes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign, with the key your institution keeps, over to its next key, offline."""
    statement = hand_over(institution_id, signing_key(key), public_key=new_key, number=number)
    write_out(out, json.dumps(statement.to_json(), indent=2).encode() + b"\n")
    Output(as_json=as_json).fields(
        {"file": str(out), "new_key": new_key or "one that the portal makes"},
        [("new key", "new_key"), ("statement", "file")],
        title=f"Give this with the next key of {institution_id}",
    )


def sign_agreement(
    file: Annotated[Path, typer.Argument(help="An exported agreement: concordat agreement export ID -o FILE.")],
    key: KeyFile,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write the signature; else beside FILE.", metavar="FILE")
    ] = None,
    expect: Annotated[
        str | None, typer.Option("--digest", help="The digest you read; signing stops if the file has another.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an exported agreement whole, and sign it with your institution's own key, offline."""
    document = _document(read_bytes(file))
    digest, output = digest_of(document), Output(as_json=as_json)
    if expect is not None and expect != digest:
        raise VerificationError(
            "digest_differs",
            f"The document's digest is {digest}, not the one you expect.",
            hint="Export the agreement again, read it, and give the digest that you read.",
        )
    if not as_json:
        output.fields(document, _DOCUMENT)
        show_clauses(output, document)
    envelope = sign(PAYLOAD_TYPE, canonical_bytes(document), signing_key(key))
    target = out or file.with_suffix(".signature.json")
    write_out(target, json.dumps(envelope.to_json(), indent=2).encode() + b"\n")
    output.fields(
        {"signature": str(target), "digest": digest, "agreement_id": document.get("agreement_id")},
        [("agreement", "agreement_id"), ("document digest", "digest"), ("signature", "signature")],
        title="Signed, and not handed in yet. Hand it in with: concordat agreement submit ID SIGNATURE, or on the "
        "Agreements page. Until then it binds nobody: remove the file if these are not the terms you agreed to.",
    )


def _document(data: bytes) -> dict[str, JsonValue]:
    value = parse_json(data, MAX_DOCUMENT_BYTES)
    if isinstance(value, dict) and value.get("type") == EXPORT_TYPE:
        document = value.get("document")
        if value.get("document_digest") is None:
            raise Invalid(
                "not_offered",
                "The file holds a draft; what is signed was put on the table.",
                hint="Have it offered, export it again and sign that file.",
            )
        if isinstance(document, dict) and value.get("document_digest") == digest_of(document):
            return document
        raise VerificationError(
            "digest_differs",
            "The document is not the one whose digest the file states.",
            hint="Export it again: somebody changed the file.",
        )
    raise Invalid(
        "not_an_agreement",
        "The file is no exported agreement.",
        hint="Export it with: concordat agreement export ID -o FILE, or on the Agreements page.",
    )
