"""``concordat agreement``: what follows from it. What changed, what happened, what is missing, what it allows."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.foresight import of_agreement
from portal.cli.options import DATA, AgreementId, AsJson, DataDir
from portal.cli.output import Output, Passage

_HAPPENED = (("at", "at"), ("by", "by"), ("what", "text"), ("in their words", "detail"), ("log entry", "position"))
_NEEDED = (("met", "met"), ("what", "label"), ("how it stands", "message"), ("who clears it", "by"))
_ALLOWED = (
    ("checkpoint", "checkpoint_id"),
    ("stage", "stage"),
    ("operation", "operation"),
    ("open for", "purposes"),
    ("why not", "denied.message"),
)
_BUDGETS = (("limit of", "draw.says"), ("tokens", "draw.budget"), ("used", "used"), ("a minute", "draw.per_minute"))
_FATES = (("grant", "grant.id"), ("label", "grant.label"), ("goes on", "goes_on"), ("why", "reason"))


def register(app: typer.Typer) -> None:
    """Put the commands on ``concordat agreement``."""
    for name, command in (
        ("diff", diff),
        ("timeline", timeline),
        ("checklist", checklist),
        ("allows", allows),
        ("consequences", consequences),
    ):
        app.command(name)(command)


def diff(
    agreement_id: AgreementId,
    before: Annotated[
        int | None, typer.Option("--from", min=1, help="The earlier version; by default the one it would replace.")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--to", min=1, help="The later version; by default the one on the table.")
    ] = None,
    template: Annotated[bool, typer.Option("--template", help="Compare with the template it came from.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show two texts of an agreement side by side, where they differ."""
    asked = {"before": before, "after": after, "template": "true" if template else None}
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id, "changes", **asked)
    rows = [row for change in answer["clauses"] if change["kind"] != "same" for row in _compared(change)]
    was, now = answer["title_before"], answer["title_after"]
    if was != now:
        rows.insert(0, ("Title (changed)", [(f"[-{was}-]", "red")], [(f"{{+{now}+}}", "green")]))
    Output(as_json=as_json).beside(answer, (answer["before"], answer["after"]), rows)


def timeline(agreement_id: AgreementId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show what happened to an agreement, oldest first."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id, "timeline")
    Output(as_json=as_json).table(answer, answer["items"], _HAPPENED)


def checklist(agreement_id: AgreementId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show what the text on the table needs to come into force, and who clears it."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id, "checklist")
    rows = ({**line, "by": None if line["met"] else line["fixer"]} for line in answer["items"])
    Output(as_json=as_json).table(answer, rows, _NEEDED)


def allows(agreement_id: AgreementId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show what an agreement allows today, and why the rest is closed."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id, "allows")
    output = Output(as_json=as_json)
    output.done(answer, answer["summary"])
    if as_json:
        return
    for rows, columns in ((answer["rows"], _ALLOWED), (answer["budgets"], _BUDGETS)):
        if rows:
            output.table(answer, rows, columns)


def consequences(
    agreement_id: AgreementId,
    action: Annotated[
        str, typer.Option("--of", help="What somebody is about to do: terminate, suspend, narrow, amend or close.")
    ],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Show what an act would bring about; nothing is done."""
    with connected(data) as portal:
        answer = portal.get("agreements", agreement_id, "consequences", action=action)
    Output(as_json=as_json).lines(answer, of_agreement(answer))


def _compared(change: dict[str, Any]) -> Iterator[tuple[str, Passage, Passage]]:
    """A clause's row, and one for each piece of its data that changed."""
    clause = change["after"] or change["before"]
    yield (
        f"{clause['title']} ({change['kind']})",
        _side(change, "removed", "red", "[-{}-]"),
        _side(change, "added", "green", "{{+{}+}}"),
    )
    for field in change["fields"]:
        yield f"  {field['name']}", [(field["before"] or "", "red")], [(field["after"] or "", "green")]
    # What stays binds as well, whatever new words say.
    for field in change["kept_fields"]:
        yield f"  {field['name']}", [(field["before"], "")], [(field["after"], "")]


def _side(change: dict[str, Any], op: str, colour: str, mark: str) -> Passage:
    """The words of one side; those that the other lacks are marked, for whoever sees no colours too."""
    return [
        (segment["text"], "") if segment["op"] == "same" else (_marked(segment["text"], mark), colour)
        for segment in change["segments"]
        if segment["op"] in ("same", op)
    ]


def _marked(text: str, mark: str) -> str:
    words = text.rstrip()
    return mark.format(words) + text[len(words) :]
