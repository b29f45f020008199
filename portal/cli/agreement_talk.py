"""``concordat agreement``: the words that go from side to side until both sign, at first and for every change."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from agreements.canonical import parse_json
from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes
from portal.cli.options import DATA, AgreementId, AsJson, DataDir, Reason
from portal.cli.output import Output
from portal.documents import MAX_DOCUMENT_BYTES

Title = Annotated[str | None, typer.Option("--title", help="Another title than before.")]
Note = Annotated[str, typer.Option("--note", help="What the other side reads beside the text.")]
ClausesFile = Annotated[
    Path, typer.Option("--clauses", help="The whole text: a JSON list of clauses, or 'agreement show ID --json'.")
]
ChangedClauses = Annotated[
    Path | None, typer.Option("--clauses", help="The whole text as JSON; without it, the clauses in force.")
]


def register(app: typer.Typer) -> None:
    """Put the commands on ``concordat agreement``."""
    for name, command in (
        ("edit", edit),
        ("counter", counter),
        ("amend", amend),
        ("renew", renew),
        ("comment", comment),
        ("decline", decline),
    ):
        app.command(name)(command)


def clauses_in(path: Path) -> list[JsonValue]:
    """The clauses in a file: a list, or the ``clauses`` of an agreement or a template as commands show them.

    Raises NotFound, or Invalid ``no_clauses`` and what the bytes are refused for.
    """
    value = parse_json(read_bytes(path), MAX_DOCUMENT_BYTES)
    found = value.get("clauses") if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise Invalid(
            "no_clauses",
            f"{path} holds no list of clauses.",
            hint="Start from: concordat agreement show ID --json, or concordat template show ID --json.",
            param="clauses",
        )
    return found


def edit(
    agreement_id: AgreementId,
    clauses: ClausesFile,
    title: Title = None,
    note: Note = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Replace the text of a draft, a first one or that of a change."""
    text = clauses_in(clauses)
    with connected(data) as portal:
        named = title or _newest(portal.get("agreements", agreement_id))["title"]
        answer = portal.put("agreements", agreement_id, body={"title": named, "clauses": text, "note": note})
    _said(answer, as_json, f"{answer['id']}: the draft has its new text.")


def counter(
    agreement_id: AgreementId,
    clauses: ClausesFile,
    title: Title = None,
    note: Note = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Answer the other side's text with another; the one before can no longer be signed."""
    body = {"clauses": clauses_in(clauses), "title": title, "note": note}
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "counter", body=body)
    newest = _newest(answer)
    _said(
        answer, as_json, f"{answer['id']}: version {newest['number']} is on the table, with digest {newest['digest']}."
    )


def amend(
    agreement_id: AgreementId,
    clauses: ChangedClauses = None,
    title: Title = None,
    note: Note = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Begin an amendment of what is in force; a coordinator's is a draft to be offered."""
    _propose(agreement_id, "amendment", clauses, title, note, data, as_json)


def renew(
    agreement_id: AgreementId,
    clauses: ChangedClauses = None,
    title: Title = None,
    note: Note = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Begin a renewal: another term once this one ends; a coordinator's is a draft to be offered."""
    _propose(agreement_id, "renewal", clauses, title, note, data, as_json)


def comment(
    agreement_id: AgreementId,
    text: Annotated[str, typer.Option("--text", help="The remark.")],
    clause: Annotated[str | None, typer.Option("--clause", help="The clause it is about, by its id.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Remark on the text on the table, or on one of its clauses."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "comments", body={"text": text, "clause_id": clause})
    last = answer["comments"][-1]
    about = f"clause {last['clause_id']} of version" if last["clause_id"] else "version"
    _said(answer, as_json, f"{answer['id']}: comment {last['number']}, on {about} {last['version']}, is kept.")


def decline(agreement_id: AgreementId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Say no to the other side's text; what is in force stays in force."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "decline", body={"reason": reason})
    _said(answer, as_json, f"{answer['id']}: version {_newest(answer)['number']} is declined.")


def _propose(
    agreement_id: str, change: str, clauses: Path | None, title: str | None, note: str, data: Path, as_json: bool
) -> None:
    body: dict[str, object] = {"change": change, "title": title, "note": note}
    if clauses is not None:
        body["clauses"] = clauses_in(clauses)
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "proposals", body=body)
    newest = _newest(answer)
    article = "an" if change == "amendment" else "a"
    onward = "offer it when it is ready" if newest["status"] == "draft" else "it is the lab's turn"
    _said(answer, as_json, f"{answer['id']}: version {newest['number']} is begun as {article} {change}; {onward}.")


def _newest(answer: dict[str, Any]) -> dict[str, Any]:
    """The newest version of an agreement as the API shows it."""
    newest: dict[str, Any] = answer["versions"][-1]
    return newest


def _said(answer: dict[str, Any], as_json: bool, message: str) -> None:
    Output(as_json=as_json).done(answer, message)
