"""``concordat agreement``: terms between the lab and an institution."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.canonical import parse_json
from portal.cli import signing
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes, write_out
from portal.cli.options import DATA, AsJson, DataDir, OutFile, Reason
from portal.cli.output import Output
from portal.documents import MAX_DOCUMENT_BYTES

app = typer.Typer(help="Agreements: from a template to two signatures, and to their end.", no_args_is_help=True)
keys = typer.Typer(help="Keys of your own, to sign with away from the portal.", no_args_is_help=True)
app.add_typer(keys, name="key")

AgreementId = Annotated[str, typer.Argument(help="The agreement's id.")]
_COLUMNS = (
    ("id", "id"),
    ("institution", "institution_name"),
    ("title", "title"),
    ("status", "state"),
    ("offered", "offered_at"),
    ("in force", "in_force_at"),
    ("signed by", "signers"),
    ("digest", "document_digest"),
)


def _flat(agreement: dict[str, Any]) -> dict[str, Any]:
    signers = [f"{one['signer_name']} ({one['party']})" for one in agreement["signatures"]]
    return {**agreement, "state": agreement["status"].replace("_", " "), "signers": signers}


@app.command("list")
def list_agreements(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List agreements, newest first."""
    with connected(data) as portal:
        answer = portal.get("agreements")
    Output(as_json=as_json).table(answer, map(_flat, answer["items"]), _COLUMNS[:6])


@app.command("show")
def show(agreement_id: AgreementId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one agreement with its clauses."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id)
        document = portal.get("agreements", agreement_id, "export")["document"]
    output = Output(as_json=as_json)
    output.fields(answer if as_json else _flat(answer), _COLUMNS)
    if not as_json:
        for number, clause in enumerate(document["clauses"], start=1):
            output.fields(clause, (("", "text"),), title=f"\n{number}. {clause['data']['title']}")


@app.command("draft")
def draft(
    institution: Annotated[str, typer.Option("--institution", help="The institution's id.")],
    template: Annotated[str, typer.Option("--template", help="The template to start from.")] = "software-access",
    title: Annotated[str | None, typer.Option("--title")] = None,
    clauses: Annotated[
        Path | None, typer.Option("--clauses", help="A JSON list of clauses, in place of the template's.")
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Draft an agreement from a template."""
    body: dict[str, object] = {"institution_id": institution, "template_id": template, "title": title}
    if clauses is not None:
        body["clauses"] = parse_json(read_bytes(clauses), MAX_DOCUMENT_BYTES)
    with connected(data) as portal:
        answer = portal.post("agreements", body=body)
    Output(as_json=as_json).done(answer, f"{answer['id']} is drafted for {answer['institution_name']}.")


@app.command("offer")
def offer(agreement_id: AgreementId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Freeze a draft and offer it; its digest is what both sides sign."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "offer")
    Output(as_json=as_json).done(answer, f"{answer['id']} is offered, with the digest {answer['document_digest']}.")


@app.command("export")
def export(agreement_id: AgreementId, out: OutFile, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Write the document and its signatures to a file that verifies by itself."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id, "export")
    write_out(out, json.dumps(answer, indent=2, ensure_ascii=False).encode() + b"\n")
    Output(as_json=as_json).done(answer, f"Written to {out}. Check it with: concordat verify {out}")


app.command("sign")(signing.sign_agreement)
keys.command("new")(signing.new_key)


@app.command("submit")
def submit(
    agreement_id: AgreementId,
    signature: Annotated[Path, typer.Argument(help="The file that 'concordat agreement sign' wrote.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Hand in a signature made elsewhere; the operator does so as the lab's coordinator."""
    envelope = parse_json(read_bytes(signature), MAX_DOCUMENT_BYTES)
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "signatures", body={"envelope": envelope})
    Output(as_json=as_json).done(answer, f"{answer['id']} is {answer['status'].replace('_', ' ')}.")


@app.command("countersign")
def countersign(
    agreement_id: AgreementId,
    name: Annotated[str, typer.Option("--name", help="Your name, as the signatory for the lab.")],
    digest: Annotated[str, typer.Option("--digest", help="The digest of the document you read.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Sign for the lab what the institution has signed; that puts it in force."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "sign", body={"typed_name": name, "document_digest": digest})
    Output(as_json=as_json).done(answer, f"{answer['id']} is {answer['status'].replace('_', ' ')}.")


@app.command("withdraw")
def withdraw(agreement_id: AgreementId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Take a draft or an offer back."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "withdraw", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is withdrawn.")


@app.command("terminate")
def terminate(agreement_id: AgreementId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """End an agreement in force; every grant under it ends with the next request."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "terminate", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']} is terminated.")
