"""``concordat agreement``: running it and ending it, with suspensions, their appeals, and narrowings."""

from typing import Annotated, Any

import typer

from agreements.clauses import SuspensionReason
from agreements.errors import Conflict
from agreements.scopes import Operation
from portal.cli.connection import Connection, connected
from portal.cli.foresight import goes_on, of_agreement
from portal.cli.options import DATA, AgreementId, AsJson, DataDir, Preview, Reason, Yes
from portal.cli.output import Output, plain

Statement = Annotated[str, typer.Option("--statement", help="What happened, in words that both sides read.")]
Number = Annotated[int | None, typer.Option("--number", min=1, help="The suspension; by default the one that stands.")]


def register(app: typer.Typer) -> None:
    """Put the commands on ``concordat agreement``."""
    for name, command in (
        ("suspend", suspend),
        ("lift", lift),
        ("appeal", appeal),
        ("decide-appeal", decide_appeal),
        ("narrow", narrow),
        ("widen", widen),
        ("terminate", terminate),
        ("close", close),
    ):
        app.command(name)(command)


def suspend(
    agreement_id: AgreementId,
    reason: Annotated[SuspensionReason, typer.Option("--reason", help="Why, as a code.")],
    statement: Statement,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Stop all access under an agreement, after the notice it sets; you see first what that stops, and when."""
    body, output = {"reason": reason.value, "statement": statement}, Output(as_json=as_json)
    with connected(data) as portal:
        if not _wanted(portal, output, agreement_id, "suspend", reason=reason.value, preview=preview, yes=yes):
            return
        answer = portal.post("agreements", agreement_id, "suspensions", body=body)
    made = answer["suspensions"][-1]
    output.done(answer, f"{answer['id']}: suspension {made['number']} takes effect {plain(made['takes_effect_at'])}.")


def lift(
    agreement_id: AgreementId, reason: Reason, number: Number = None, data: DataDir = DATA, as_json: AsJson = False
) -> None:
    """End a suspension."""
    with connected(data) as portal:
        which = _standing(portal, agreement_id, number)
        answer = portal.post("agreements", agreement_id, "suspensions", which, "lift", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']}: suspension {which} is lifted.")


def appeal(
    agreement_id: AgreementId,
    text: Annotated[str, typer.Option("--text", help="Why the suspension should not stand.")],
    number: Number = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Object to a suspension, as the partner lead whose access token CONCORDAT_TOKEN holds."""
    with connected(data) as portal:
        which = _standing(portal, agreement_id, number)
        answer = portal.post("agreements", agreement_id, "suspensions", which, "appeal", body={"text": text})
    filed = answer["suspensions"][int(which) - 1]["appeal"]
    until = f"; the lab has until {plain(filed['decide_by'])}" if filed["decide_by"] else ""
    Output(as_json=as_json).done(answer, f"{answer['id']}: suspension {which} is appealed{until}.")


def decide_appeal(
    agreement_id: AgreementId,
    upheld: Annotated[bool, typer.Option("--uphold/--dismiss", help="Whether the institution was right.")],
    reasons: Annotated[str, typer.Option("--reasons", help="Why; the institution reads them.")],
    number: Number = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Answer an appeal, as another coordinator than the one who suspended; upheld, it lifts the suspension."""
    body = {"upheld": upheld, "reasons": reasons}
    with connected(data) as portal:
        which = _standing(portal, agreement_id, number)
        answer = portal.post("agreements", agreement_id, "suspensions", which, "appeal", "decision", body=body)
    outcome = answer["suspensions"][int(which) - 1]["appeal"]["outcome"]
    Output(as_json=as_json).done(answer, f"{answer['id']}: the appeal against suspension {which} is {outcome}.")


def narrow(
    agreement_id: AgreementId,
    operations: Annotated[
        list[Operation], typer.Option("--operation", help="What stays allowed; may be given several times.")
    ],
    requests_per_minute: Annotated[
        int, typer.Option("--requests-per-minute", min=1, help="How fast each grant may still be used.")
    ],
    statement: Statement,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Cut access down to some operations and a slower rate; you see first what each grant loses."""
    left, output = [operation.value for operation in operations], Output(as_json=as_json)
    body = {"operations": left, "requests_per_minute": requests_per_minute, "statement": statement}
    with connected(data) as portal:
        if not _wanted(portal, output, agreement_id, "narrow", operation=left, preview=preview, yes=yes):
            return
        answer = portal.post("agreements", agreement_id, "narrowings", body=body)
    output.done(answer, f"{answer['id']}: access is narrowed to {', '.join(answer['narrowings'][-1]['operations'])}.")


def widen(agreement_id: AgreementId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """End a narrowing."""
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "narrowings", "widen", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['id']}: access is as wide as the agreement again.")


def terminate(
    agreement_id: AgreementId,
    reason: Reason,
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """End an agreement in force and every grant under it, for good; you see first what ends and what falls due."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        if not _wanted(portal, output, agreement_id, "terminate", preview=preview, yes=yes):
            return
        answer = portal.post("agreements", agreement_id, "terminate", body={"reason": reason})
    output.done(answer, f"{answer['id']} is terminated.")


def close(
    agreement_id: AgreementId,
    fulfilled: Annotated[
        bool, typer.Option("--fulfilled/--not-fulfilled", help="Whether everything owed under it was done.")
    ],
    note: Annotated[str, typer.Option("--note", help="What goes into the record with it.")] = "",
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Close the books of an agreement that ended; you see first what stays open on record."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        if not _wanted(portal, output, agreement_id, "close", preview=preview, yes=yes):
            return
        answer = portal.post("agreements", agreement_id, "close", body={"fulfilled": fulfilled, "note": note})
    how = "fulfilled" if answer["fulfilled"] else "not fulfilled"
    output.done(answer, f"{answer['id']} is closed as {how}.")


def _wanted(
    portal: Connection,
    output: Output,
    agreement_id: str,
    action: str,
    *,
    preview: bool,
    yes: bool,
    **told: object,
) -> bool:
    found = portal.get("agreements", agreement_id, "consequences", action=action, **told)
    question = f"{action.capitalize()} agreement {agreement_id}?"
    return goes_on(output, found, of_agreement(found), question, preview=preview, yes=yes)


def _standing(portal: Connection, agreement_id: str, number: int | None) -> str:
    """The suspension somebody means. Raises NotFound, or Conflict ``not_suspended`` or ``several_suspensions``."""
    if number is not None:
        return str(number)
    suspensions: list[dict[str, Any]] = portal.get("agreements", agreement_id)["suspensions"]
    standing = [entry["number"] for entry in suspensions if entry["lifted_at"] is None]
    if not standing:
        raise Conflict(
            "not_suspended",
            f"Agreement {agreement_id} is under no suspension.",
            hint="concordat agreement show ID says how it stands.",
        )
    if len(standing) > 1:
        raise Conflict(
            "several_suspensions",
            f"Agreement {agreement_id} is under suspensions {' and '.join(map(str, standing))}.",
            hint="Say which one with --number.",
        )
    return str(standing[0])
