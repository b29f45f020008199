"""``concordat agreement``: terms between the lab and an institution."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.agreement import AgreementStatus
from agreements.canonical import parse_json
from agreements.clauses import Form
from agreements.errors import Conflict, Invalid
from portal.cli import agreement_life, agreement_talk, agreement_views, signing
from portal.cli.agreement_text import show_clauses
from portal.cli.connection import Connection, connected
from portal.cli.keyfiles import read_bytes, write_out
from portal.cli.options import DATA, AgreementId, AsJson, DataDir, OutFile, Reason
from portal.cli.output import Output
from portal.documents import MAX_DOCUMENT_BYTES

app = typer.Typer(help="Agreements: from a template to two signatures, and to their end.", no_args_is_help=True)
keys = typer.Typer(help="Keys of your own, to sign with away from the portal.", no_args_is_help=True)
app.add_typer(keys, name="key")

VersionNumber = Annotated[
    int | None, typer.Option("--version", min=1, help="A version; by default that in force, before that the newest.")
]
OnTheTable = Annotated[bool, typer.Option("--proposal", help="The version under negotiation.")]

_COLUMNS = (
    ("id", "id"),
    ("institution", "institution_name"),
    ("title", "title"),
    ("status", "state"),
    ("offered", "offered_at"),
    ("in force", "in_force_at"),
    ("ends", "expires_at"),
    ("signed by", "signers"),
    ("digest", "document_digest"),
    ("under negotiation", "negotiated"),
)


def _flat(agreement: dict[str, Any]) -> dict[str, Any]:
    signers = [f"{one['signer_name']} ({one['party']})" for one in agreement["signatures"]]
    proposed = agreement["versions"][-1] if agreement["proposal"] and agreement["in_force_at"] else None
    return {
        **agreement,
        "state": _words(agreement["status"]),
        "signers": signers,
        "negotiated": proposed and f"version {proposed['number']}, {_words(proposed['status'])}, {proposed['digest']}",
    }


def _words(status: str) -> str:
    return status.replace("_", " ")


def _newest(agreement: dict[str, Any]) -> str:
    """How the newest text stands, in words."""
    version = agreement["versions"][-1]
    if version["change"] == "first":
        return f"{agreement['id']} is {_words(agreement['status'])}"
    return f"Version {version['number']} of {agreement['id']} is {_words(version['status'])}"


def _version(portal: Connection, agreement_id: str, version: int | None, proposal: bool) -> int | None:
    """The version somebody means; None for the usual one. Raises NotFound, or Conflict ``no_proposal``."""
    if not proposal:
        return version
    number: int | None = portal.get("agreements", agreement_id)["proposal"]
    if number is None:
        raise Conflict(
            "no_proposal",
            f"No text of agreement {agreement_id} is under negotiation.",
            hint="Leave out --proposal for the text that stands.",
        )
    return number


def _exported(portal: Connection, agreement_id: str, version: int | None) -> dict[str, Any]:
    chosen = () if version is None else ("versions", str(version))
    return portal.get("agreements", agreement_id, *chosen, "export")


@app.command("list")
def list_agreements(
    status: Annotated[AgreementStatus | None, typer.Option("--status", help="Only those that stand so now.")] = None,
    institution: Annotated[str | None, typer.Option("--institution", help="Only those of one institution.")] = None,
    form: Annotated[Form | None, typer.Option("--form", help="Only those of one form.")] = None,
    template: Annotated[str | None, typer.Option("--template", help="Only those made from one template.")] = None,
    negotiated: Annotated[bool, typer.Option("--proposal", help="Only those with a text under negotiation.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List agreements, newest first."""
    with connected(data) as portal:
        answer = portal.get(
            "agreements",
            status=status and status.value,
            institution_id=institution,
            form=form and form.value,
            template_id=template,
            open_proposal="true" if negotiated else None,
        )
    Output(as_json=as_json).table(answer, map(_flat, answer["items"]), _COLUMNS[:6])


@app.command("show")
def show(
    agreement_id: AgreementId,
    version: VersionNumber = None,
    proposal: OnTheTable = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show one agreement with its clauses."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id)
        document = _exported(portal, agreement_id, _version(portal, agreement_id, version, proposal))["document"]
    output = Output(as_json=as_json)
    output.fields(answer if as_json else _flat(answer), _COLUMNS)
    if not as_json:
        if document["title"] != answer["title"]:
            output.fields(document, (("title of this version", "title"),))
        show_clauses(output, document)


@app.command("draft")
def draft(
    institution: Annotated[str, typer.Option("--institution", help="The institution's id.")],
    template: Annotated[str, typer.Option("--template", help="The template to start from.")] = "software-access",
    title: Annotated[str | None, typer.Option("--title")] = None,
    clauses: Annotated[
        Path | None, typer.Option("--clauses", help="A JSON list of clauses, in place of the template's.")
    ] = None,
    framework: Annotated[
        str | None, typer.Option("--framework", help="For a schedule: the framework agreement it belongs to.")
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Draft an agreement from a template."""
    body: dict[str, object] = {
        "institution_id": institution,
        "template_id": template,
        "title": title,
        "framework_id": framework,
    }
    if clauses is not None:
        body["clauses"] = agreement_talk.clauses_in(clauses)
    with connected(data) as portal:
        answer = portal.post("agreements", body=body)
    Output(as_json=as_json).done(answer, f"{answer['id']} is drafted for {answer['institution_name']}.")


@app.command("offer")
def offer(agreement_id: AgreementId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Freeze a draft and offer it, or take over a counter-offer; its digest is what both sides sign."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "offer")
    Output(as_json=as_json).done(answer, f"{_newest(answer)}, with the digest {answer['versions'][-1]['digest']}.")


@app.command("export")
def export(
    agreement_id: AgreementId,
    out: OutFile,
    version: VersionNumber = None,
    proposal: OnTheTable = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write the agreement to a file: .json to sign, .pdf to read, .zip with everything that proves it."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        chosen = _version(portal, agreement_id, version, proposal)
        match out.suffix.lower():
            case ".pdf":
                write_out(out, portal.fetch("agreements", agreement_id, "document.pdf", version=chosen))
                output.done(_written(agreement_id, out), f"Written to {out}: a reading copy. The .zip proves it.")
            case ".zip" if chosen is not None:
                raise Invalid(
                    "bundle_is_whole",
                    "A bundle holds the agreement with every version that was in force; none is chosen.",
                    hint="Leave out --version and --proposal, or export that version as .json or .pdf.",
                )
            case ".zip":
                write_out(out, portal.fetch("agreements", agreement_id, "bundle"))
                output.done(_written(agreement_id, out), f"Written to {out}. Check it with: concordat verify {out}")
            case _:
                answer = _exported(portal, agreement_id, chosen)
                write_out(out, json.dumps(answer, indent=2, ensure_ascii=False).encode() + b"\n")
                output.done(answer, f"Written to {out}. Check it with: concordat verify {out}")


def _written(agreement_id: str, out: Path) -> dict[str, str]:
    return {"agreement_id": agreement_id, "file": str(out)}


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
    Output(as_json=as_json).done(answer, f"{_newest(answer)}.")


@app.command("countersign")
def countersign(
    agreement_id: AgreementId,
    name: Annotated[str, typer.Option("--name", help="Your name, as the signatory.")],
    digest: Annotated[str, typer.Option("--digest", help="The digest of the document you read.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Sign what is on the table with the key the portal keeps; the last signature puts it in force."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "sign", body={"typed_name": name, "document_digest": digest})
    Output(as_json=as_json).done(answer, f"{_newest(answer)}.")


@app.command("withdraw")
def withdraw(agreement_id: AgreementId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Take one's own text back; what is in force stays in force."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "withdraw", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{_newest(answer)}.")


agreement_talk.register(app)
agreement_life.register(app)
agreement_views.register(app)
