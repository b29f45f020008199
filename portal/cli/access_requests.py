"""``concordat request``: access asked for by partners, and decided by coordinators."""

from typing import Annotated, Any

import typer

from portal.cli.connection import Connection, connected
from portal.cli.limits import changed, with_scope
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Access requests: asked for by partners, decided by coordinators.", no_args_is_help=True)

RequestId = Annotated[str, typer.Argument(help="The request's id.")]
Number = Annotated[int, typer.Argument(help="The alternative's number.", min=1)]
Why = Annotated[str, typer.Option("--reason", help="Why, in a sentence; the other side reads it.")]
Note = Annotated[str, typer.Option("--note", help="A word with it.")]
Title = Annotated[str | None, typer.Option("--title", help="What it is called.")]
Use = Annotated[str | None, typer.Option("--use", help="What the access is to be used for, in words.")]
Person = Annotated[str | None, typer.Option("--person", help="The person who is to hold it; else the institution.")]
Program = Annotated[str | None, typer.Option("--program", help="The program that is to hold it.")]

_COLUMNS = (
    ("id", "request.id"),
    ("institution", "request.institution_name"),
    ("asked by", "request.requester_name"),
    ("title", "request.draft.title"),
    ("due", "due_at"),
    ("overdue", "overdue"),
    ("stands", "says"),
)


@app.command("list")
def list_requests(
    open_only: Annotated[bool, typer.Option("--open", help="Only those that somebody has yet to decide.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for your word, due first.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List access requests, newest first."""
    with connected(data) as portal:
        answer = portal.get("access", "requests", open=open_only or None, waiting=waiting or None)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(request_id: RequestId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one request: what is asked for, who decides until when, and what was said."""
    with connected(data) as portal:
        answer = portal.get("access", "requests", request_id)
    scope = "terms.scope" if answer["terms"] else "request.draft"
    more = (
        ("agreement", "request.draft.agreement_id"),
        ("holder", "holder_name"),
        ("checkpoints", f"{scope}.checkpoints"),
        ("operations", f"{scope}.operations"),
        ("purposes", f"{scope}.purposes"),
        ("tokens", f"{scope}.token_budget"),
        ("requests a minute", f"{scope}.requests_per_minute"),
        ("until", f"{scope}.expires_at"),
        ("intended use", "request.draft.intended_use"),
        ("decided by", "deciders"),
        ("approvals needed", "approvals_needed"),
        ("high risk", "risk"),
        ("approved by", "approved"),
        ("grant", "request.granted.grant_id"),
        ("refused because", "request.refused.text"),
    )
    shown = {
        **answer,
        "risk": [mark["says"] for mark in answer["marks"]],
        "approved": [approval["by_name"] for approval in answer["request"]["approvals"]],
    }
    output = Output(as_json=as_json)
    output.fields(answer if as_json else shown, (*_COLUMNS, *more))
    if not as_json and answer["request"]["offers"]:
        columns = (
            ("alternative", "number"),
            ("by", "by_name"),
            ("reason", "text"),
            ("answer by", "answer_by"),
            ("accepted", "accepted.at"),
            ("declined", "declined.text"),
        )
        output.table(answer, answer["request"]["offers"], columns)


@app.command("checklist")
def checklist(request_id: RequestId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List what a request still needs, and who clears it."""
    with connected(data) as portal:
        answer = portal.get("access", "requests", request_id, "checklist")
    gaps = [
        {"label": gap["field"], "met": False, "blocks": True, "message": gap["says"], "fixer": "you"}
        for gap in answer["gaps"]
    ]
    columns = (("needs", "label"), ("met", "met"), ("blocks", "blocks"), ("says", "message"), ("who", "fixer"))
    Output(as_json=as_json).table(answer, [*gaps, *answer["lines"]], columns)


@app.command("compare")
def compare(request_id: RequestId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show a request beside what its agreement allows."""
    with connected(data) as portal:
        answer = portal.get("access", "requests", request_id, "background")
    lines = answer["comparison"]["lines"] if answer["comparison"] else []
    columns = (("dimension", "label"), ("asked", "asked"), ("agreement", "allowed"), ("beyond", "beyond"))
    Output(as_json=as_json).table(answer, lines, columns)


@app.command("new")
@with_scope
def new(
    said: dict[str, Any],
    agreement: Annotated[str | None, typer.Option("--agreement", help="Under which agreement.")] = None,
    title: Title = None,
    use: Use = None,
    person: Person = None,
    program: Program = None,
    institution: Annotated[str | None, typer.Option("--institution", help="For which of yours.")] = None,
    copy_of: Annotated[str | None, typer.Option("--copy-of", help="An earlier request to begin with.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Begin a draft, as somebody of an institution; nobody else sees it until it is submitted."""
    words = _worded(agreement, title, use, person, program)
    content = changed(words, said)
    body = {"institution_id": institution, "copy_of": copy_of, "content": None if copy_of else content}
    with connected(data) as portal:
        answer = portal.post("access", "requests", body=body)
        if copy_of and content:
            answer = _saved(portal, answer, words, said)
    Output(as_json=as_json).done(answer, f"{answer['request']['id']} is a draft. Submit it when it is complete.")


@app.command("edit")
@with_scope
def edit(
    request_id: RequestId,
    said: dict[str, Any],
    agreement: Annotated[str | None, typer.Option("--agreement", help="Under which agreement.")] = None,
    title: Title = None,
    use: Use = None,
    person: Person = None,
    program: Program = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Change what a draft says; what you leave out stays."""
    words = _worded(agreement, title, use, person, program)
    with connected(data) as portal:
        answer = _saved(portal, portal.get("access", "requests", request_id), words, said)
    _said(answer, as_json)


@app.command("submit")
def submit(request_id: RequestId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Put a draft before the lab."""
    _do(data, as_json, request_id, "submit", None)


@app.command("approve")
def approve(request_id: RequestId, note: Note = "", data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Agree to what is on the table; the last word that is needed issues the grant."""
    with connected(data) as portal:
        seen = portal.get("access", "requests", request_id)["terms"]
        body = {"note": note, "scope": seen["scope"] if seen else None}
        answer = portal.post("access", "requests", request_id, "approve", body=body)
    _said(answer, as_json)


@app.command("offer")
@with_scope
def offer(
    request_id: RequestId,
    reason: Why,
    said: dict[str, Any],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Offer an alternative: what is asked for as far as the agreement allows it, changed as you say."""
    with connected(data) as portal:
        comparison = portal.get("access", "requests", request_id, "background")["comparison"] or {}
        within = comparison.get("suggestion") or comparison.get("asked") or {}
        body = {"scope": changed(within, said), "reason": reason}
        answer = portal.post("access", "requests", request_id, "offer", body=body)
    _said(answer, as_json)


@app.command("refuse")
def refuse(request_id: RequestId, reason: Why, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Say no, with a reason that the institution reads."""
    _do(data, as_json, request_id, "refuse", {"reason": reason})


@app.command("accept")
def accept(
    request_id: RequestId, number: Number, note: Note = "", data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """Take the alternative that the lab offers."""
    _do(data, as_json, request_id, "accept", {"number": number, "note": note})


@app.command("decline")
def decline(request_id: RequestId, number: Number, reason: Why, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Stay with what was asked for; the lab decides on that."""
    _do(data, as_json, request_id, "decline", {"number": number, "reason": reason})


@app.command("withdraw")
def withdraw(
    request_id: RequestId,
    reason: Annotated[str, typer.Option("--reason", help="Why, if you want to say.")] = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Take a request back, or throw a draft away."""
    _do(data, as_json, request_id, "withdraw", {"reason": reason})


def _worded(
    agreement: str | None, title: str | None, use: str | None, person: str | None, program: str | None
) -> dict[str, Any]:
    """What was said of a draft besides its scope."""
    said = {
        "agreement_id": agreement,
        "title": title,
        "intended_use": use,
        "holder": _holder(person, program),
    }
    return {name: value for name, value in said.items() if value}


def _holder(person: str | None, program: str | None) -> dict[str, str] | None:
    if person and program:
        raise typer.BadParameter("name --person or --program, not both")
    if not person and not program:
        return None
    return {"kind": "person" if person else "program", "id": person or program or ""}


def _saved(portal: Connection, before: dict[str, Any], words: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    content = changed({**before["request"]["draft"], **words}, said)
    return portal.put("access", "requests", before["request"]["id"], "draft", body=content)


def _do(data: Any, as_json: bool, request_id: str, verb: str, body: dict[str, object] | None) -> None:
    with connected(data) as portal:
        answer = portal.post("access", "requests", request_id, verb, body=body)
    _said(answer, as_json)


def _said(answer: dict[str, Any], as_json: bool) -> None:
    Output(as_json=as_json).done(answer, f"{answer['request']['id']}: {answer['says']}.")
