"""``concordat campaign``: a newer template put to each partner as an amendment."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Re-sign campaigns: a newer template for agreements in force.", no_args_is_help=True)

TemplateId = Annotated[str, typer.Argument(help="The template's id.")]
CampaignId = Annotated[str, typer.Argument(help="The campaign's id.")]
ToVersion = Annotated[int | None, typer.Option("--to", help="The version; by default the newest.")]
Note = Annotated[str, typer.Option("--note", help="What goes into the record with it.")]

_PREVIEW = (
    ("agreement", "agreement_id"),
    ("institution", "institution_name"),
    ("from version", "from_version"),
    ("changes", "changed"),
    ("stays as negotiated", "conflicts"),
    ("in the way", "reason"),
)
_ENTRIES = (
    ("agreement", "agreement_id"),
    ("institution", "institution_name"),
    ("stands", "stands"),
    ("version", "version"),
    ("stays as negotiated", "conflicts"),
    ("in the way", "reason"),
)


def _listed(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**entry, **{name: ", ".join(entry[name]) for name in names}}


@app.command("list")
def list_campaigns(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List campaigns, newest first."""
    with connected(data) as portal:
        answer = portal.get("campaigns")
    columns = (
        ("id", "id"),
        ("template", "template_id"),
        ("to version", "to_version"),
        ("started", "started_at"),
        ("closed", "closed_at"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("preview")
def preview(template_id: TemplateId, to: ToVersion = None, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show what a version would change in each agreement made from an earlier one."""
    with connected(data) as portal:
        answer = portal.get("campaigns", "preview", template_id=template_id, to_version=to)
    rows = [_listed(entry, "changed", "conflicts") for entry in answer["candidates"]]
    Output(as_json=as_json).table(answer, rows, _PREVIEW)


@app.command("start")
def start(
    template_id: TemplateId,
    to: ToVersion = None,
    agreements: Annotated[
        list[str] | None, typer.Option("--agreement", help="Only this one; may be given several times.")
    ] = None,
    note: Note = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Propose and offer an amendment to each agreement made from an earlier version."""
    body = {"template_id": template_id, "to_version": to, "agreement_ids": agreements or None, "note": note}
    with connected(data) as portal:
        answer = portal.post("campaigns", body=body)
    _show(Output(as_json=as_json), answer)


@app.command("show")
def show(campaign_id: CampaignId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show how each agreement of a campaign stands."""
    with connected(data) as portal:
        answer = portal.get("campaigns", campaign_id)
    _show(Output(as_json=as_json), answer)


@app.command("close")
def close(campaign_id: CampaignId, note: Note = "", data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Wait for no further answers; amendments still open stay open."""
    with connected(data) as portal:
        answer = portal.post("campaigns", campaign_id, "close", body={"note": note})
    Output(as_json=as_json).done(answer, f"{campaign_id} is closed.")


def _show(output: Output, answer: dict[str, Any]) -> None:
    columns = (
        ("id", "campaign.id"),
        ("template", "campaign.template_id"),
        ("to version", "campaign.to_version"),
        ("started", "campaign.started_at"),
        ("closed", "campaign.closed_at"),
        ("note", "campaign.note"),
        ("stand", "stand"),
    )
    output.fields(answer if output.as_json else {**answer, "stand": _counted(answer["counts"])}, columns)
    if not output.as_json:
        rows = [
            {**_listed(entry, "conflicts"), "stands": entry["step"].replace("_", " ")} for entry in answer["entries"]
        ]
        output.table(answer, rows, _ENTRIES)


def _counted(counts: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{one['count']} {one['step'].replace('_', ' ')} ({one['percent']} %)" for one in counts)
