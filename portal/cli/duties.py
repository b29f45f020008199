"""``concordat duty``: what is owed under agreements; and ``concordat tick``, for those who schedule it themselves."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.canonical import sha256_hex
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes, write_out
from portal.cli.options import DATA, AsJson, DataDir, OutFile, Reason
from portal.cli.output import Output

app = typer.Typer(help="Duties: what is owed under agreements, and by when.", no_args_is_help=True)

AgreementId = Annotated[str, typer.Argument(help="The agreement's id.")]
Key = Annotated[str, typer.Argument(help="The duty's key, as 'duty list' shows it.")]
Institution = Annotated[str | None, typer.Option("--institution", help="Only this institution's.")]
OfAgreement = Annotated[str | None, typer.Option("--agreement", help="Only this agreement's.")]
_COLUMNS = (
    ("agreement", "agreement_id"),
    ("duty", "standing.duty.key"),
    ("institution", "institution_name"),
    ("what", "standing.duty.title"),
    ("due", "standing.due_at"),
    ("state", "standing.state"),
    ("days late", "late_days"),
)


def register(program: typer.Typer) -> None:
    """Add ``tick`` to the program."""
    program.command("tick")(tick)


def tick(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Carry out what the time has brought: reminders, late duties, appeals, deliveries. A running portal does it by
    itself."""
    with connected(data) as portal:
        answer = portal.post("operator", "tick")
    done = ", ".join(
        f"{answer[name]:,} {name.replace('_', ' ')}"
        for name in ("ended", "appeals_lapsed", "reminded", "narrowed", "suspended", "restored", "announced")
        if answer[name]
    )
    failed = f" Refused at {', '.join(answer['failed'])}; the portal's log says why." if answer["failed"] else ""
    Output(as_json=as_json).done(
        answer, f"{answer['agreements']:,} agreements looked at: {done or 'nothing to do'}.{failed}"
    )


@app.command("list")
def list_duties(
    state: Annotated[str | None, typer.Option("--state", help="upcoming, due, overdue, fulfilled or waived.")] = None,
    institution: Institution = None,
    agreement: OfAgreement = None,
    days: Annotated[int, typer.Option("--days", help="How far ahead to look.", min=0, max=3660)] = 90,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List duties by due date."""
    with connected(data) as portal:
        answer = portal.get("duties", state=state, institution=institution, agreement=agreement, horizon_days=days)
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("fulfil")
def fulfil(
    agreement_id: AgreementId,
    key: Key,
    statement: Annotated[str, typer.Option("--statement", help="What was done.")],
    finding: Annotated[list[str] | None, typer.Option("--finding", help="A finding it cites.")] = None,
    run: Annotated[list[str] | None, typer.Option("--run", help="A run it cites.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A document; only its SHA-256 is recorded.", metavar="FILE")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where the document is.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Hand in evidence, with a token of the institution in CONCORDAT_TOKEN."""
    body = {
        "statement": statement,
        "finding_ids": finding or [],
        "run_ids": run or [],
        "sha256": sha256_hex(read_bytes(file)) if file else None,
        "url": url,
    }
    _do(agreement_id, key, "fulfil", body, data, f"{key} is fulfilled.", as_json=as_json)


@app.command("waive")
def waive(agreement_id: AgreementId, key: Key, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Do without."""
    _do(agreement_id, key, "waive", {"reason": reason}, data, f"{key} is waived.", as_json=as_json)


@app.command("postpone")
def postpone(
    agreement_id: AgreementId,
    key: Key,
    until: Annotated[str, typer.Option("--until", help="The new date, ISO 8601 with its zone.")],
    reason: Reason,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Give more time."""
    body = {"due_at": until, "reason": reason}
    _do(agreement_id, key, "postpone", body, data, f"{key} is due on {until}.", as_json=as_json)


@app.command("send-back")
def send_back(
    agreement_id: AgreementId,
    key: Key,
    reason: Reason,
    until: Annotated[
        str | None, typer.Option("--until", help="By when other evidence is wanted, ISO 8601 with its zone.")
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Ask for other evidence; the duty is open again."""
    body = {"due_at": until, "reason": reason}
    _do(agreement_id, key, "send-back", body, data, f"{key} is open again.", as_json=as_json)


@app.command("incident")
def incident(
    agreement_id: AgreementId,
    kind: Annotated[str, typer.Option("--kind", help="leak, breach or misuse.")],
    aware: Annotated[str, typer.Option("--aware", help="Since when you know, ISO 8601 with its zone.")],
    statement: Annotated[str, typer.Option("--statement", help="What happened.")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Tell the other party of a leak, breach or misuse."""
    body = {"kind": kind, "aware_at": aware, "statement": statement}
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "incidents", body=body)
    Output(as_json=as_json).done(answer, f"Incident {answer['number']} is on record.")


@app.command("calendar")
def calendar(
    out: OutFile,
    institution: Institution = None,
    agreement: OfAgreement = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write duties and other dates to an iCalendar file."""
    with connected(data) as portal:
        content = portal.fetch("duties", "calendar.ics", institution=institution, agreement=agreement)
    write_out(out, content)
    Output(as_json=as_json).done({"file": str(out)}, f"Written to {out}.")


def _do(
    agreement_id: str, key: str, what: str, body: dict[str, Any], data: Path, message: str, *, as_json: bool
) -> None:
    with connected(data) as portal:
        answer = portal.post("agreements", agreement_id, "duties", what, body={"key": key, **body})
    Output(as_json=as_json).done(answer, message)
