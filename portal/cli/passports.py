"""``concordat passport``: institutions' vetting, once, for every agreement."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.canonical import b64encode, sha256_hex
from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.keyfiles import public_key, read_bytes, write_out
from portal.cli.options import DATA, AsJson, DataDir, OutFile, Reason
from portal.cli.output import Output

app = typer.Typer(help="Institutions' vetting, reused by every agreement.", no_args_is_help=True)

InstitutionId = Annotated[str, typer.Argument(help="The institution's id.")]
Item = Annotated[
    str,
    typer.Option(
        "--item", help="identity, signatory_authority, training, security_questionnaire or conflicts_of_interest."
    ),
]
_CHECKLIST = (
    ("item", "item"),
    ("status", "status"),
    ("valid until", "valid_until"),
    ("waits for review", "awaiting_review"),
    ("cleared by", "clears"),
    ("", "message"),
)

_SUBMISSION = (
    ("submission", "number"),
    ("handed in by", "submitter_name"),
    ("at", "at"),
    ("statement", "statement"),
    ("evidence", "listed"),
    ("people", "people"),
)


def _waiting(passport: dict[str, Any], item: str) -> dict[str, Any]:
    """The latest submission of an item, to be read before it is reviewed."""
    entries = next(record["entries"] for record in passport["passport"]["items"] if record["item"] == item)
    latest: dict[str, Any] = [entry for entry in entries if entry["kind"] == "submission"][-1]
    listed = [
        " ".join(filter(None, (one["label"], one["url"], one["sha256"] and f"sha256:{one['sha256']}")))
        for one in latest["evidence"]
    ]
    return {**latest, "listed": listed}


def _line(standing: dict[str, Any]) -> dict[str, Any]:
    needed = standing["awaiting_review"] or standing["status"] != "valid"
    return {
        **standing,
        "item": standing["item"].replace("_", " "),
        "clears": standing["fixer"] if needed else "",
    }


def _summary(passport: dict[str, Any]) -> dict[str, Any]:
    checklist = passport["checklist"]
    return {
        **passport,
        "valid": [line["item"].replace("_", " ") for line in checklist if line["status"] == "valid"],
        "lacking": [line["item"].replace("_", " ") for line in checklist if line["status"] != "valid"],
        "waiting": [line["item"].replace("_", " ") for line in checklist if line["awaiting_review"]],
    }


@app.command("list")
def list_passports(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List every institution's passport."""
    with connected(data) as portal:
        answer = portal.get("passports")
    columns = (
        ("institution", "institution_id"),
        ("name", "institution_name"),
        ("valid", "valid"),
        ("not valid", "lacking"),
        ("waits for review", "waiting"),
    )
    Output(as_json=as_json).table(answer, map(_summary, answer["items"]), columns)


@app.command("show")
def show(institution_id: InstitutionId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one passport: what counts, what is missing, and who clears it."""
    with connected(data) as portal:
        answer = portal.get("passports", institution_id)
    output = Output(as_json=as_json)
    output.table(answer, map(_line, answer["checklist"]), _CHECKLIST)
    if as_json:
        return
    for item in [line["item"] for line in answer["checklist"] if line["awaiting_review"]]:
        output.fields(_waiting(answer, item), _SUBMISSION, title=f"{_words(item)} waits for review")


@app.command("submit")
def submit(
    institution_id: InstitutionId,
    item: Item,
    statement: Annotated[str, typer.Option("--statement", help="What is stated.")],
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", help="A file it rests on; only its name and SHA-256 are recorded.", metavar="FILE"),
    ] = None,
    links: Annotated[
        list[str] | None, typer.Option("--link", help="An address it rests on.", metavar="LABEL=URL")
    ] = None,
    people: Annotated[list[str] | None, typer.Option("--person", help="Who was trained; for training.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Hand in an item on an institution's behalf; another coordinator reviews it."""
    body = {
        "item": item,
        "statement": statement,
        "evidence": [
            *({"label": path.name, "sha256": sha256_hex(read_bytes(path))} for path in files or []),
            *map(_link, links or []),
        ],
        "people": people or [],
    }
    with connected(data) as portal:
        answer = portal.post("passports", institution_id, "submissions", body=body)
    Output(as_json=as_json).done(answer, f"{_words(item)} of {answer['institution_name']} waits for review.")


def _link(given: str) -> dict[str, str]:
    label, separator, url = given.partition("=")
    if not separator:
        raise Invalid("bad_link", f"{given!r} has no label.", hint="Write it as LABEL=URL.", param="link")
    return {"label": label, "url": url}


@app.command("review")
def review(
    institution_id: InstitutionId,
    item: Item,
    accepted: Annotated[bool, typer.Option("--accept/--return", help="Accept it, or give it back with a reason.")],
    until: Annotated[
        datetime | None,
        typer.Option("--until", help="The day, UTC, on which an acceptance lapses.", formats=["%Y-%m-%d"]),
    ] = None,
    reason: Reason = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Accept what waits for review until a day of your choice, or return it."""
    body = {
        "item": item,
        "accepted": accepted,
        "valid_until": f"{until:%Y-%m-%d}T00:00:00Z" if until else None,
        "reason": reason,
    }
    with connected(data) as portal:
        answer = portal.post("passports", institution_id, "reviews", body=body)
    outcome = f"accepted until {until:%Y-%m-%d}" if accepted else "returned"
    Output(as_json=as_json).done(answer, f"{_words(item)} of {answer['institution_name']} is {outcome}.")


@app.command("revoke")
def revoke(
    institution_id: InstitutionId, item: Item, reason: Reason, data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """End an acceptance; it stays on record with its date."""
    with connected(data) as portal:
        answer = portal.post("passports", institution_id, "revocations", body={"item": item, "reason": reason})
    Output(as_json=as_json).done(answer, f"{_words(item)} of {answer['institution_name']} counts no more.")


@app.command("export")
def export(institution_id: InstitutionId, out: OutFile, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Write what is valid now to a file that another portal can verify, signed by the lab."""
    with connected(data) as portal:
        answer = portal.get("passports", institution_id, "export")
    write_out(out, json.dumps(answer, indent=2).encode() + b"\n")
    Output(as_json=as_json).done(answer, f"Written to {out}. Check it with: concordat verify {out} --key LAB_KEY")


@app.command("import")
def import_passport(
    institution_id: InstitutionId,
    file: Annotated[Path, typer.Argument(help="A passport that another portal exported.")],
    key: Annotated[str, typer.Option("--key", help="That portal's public key: 64 hex digits or a PEM file.")],
    same: Annotated[
        bool, typer.Option("--same-institution", help="The subject, though named otherwise, is this institution.")
    ] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Take over what another portal accepted, on its word and for as long as it says."""
    body = {
        "credential_base64": b64encode(read_bytes(file)),
        "issuer_key": public_key(key).raw.hex(),
        "subject_confirmed": same,
    }
    with connected(data) as portal:
        answer = portal.post("passports", institution_id, "credentials", body=body)
    valid = ", ".join(_summary(answer)["valid"])
    Output(as_json=as_json).done(answer, f"{answer['institution_name']} has valid: {valid}.")


def _words(item: str) -> str:
    return item.replace("_", " ").capitalize()
