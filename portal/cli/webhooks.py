"""``concordat webhook``: where notices are sent, signed."""

from typing import Annotated

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir, Reason
from portal.cli.output import Output

app = typer.Typer(help="Addresses that notices are sent to, signed (Standard Webhooks).", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="The webhook's id.")]


@app.command("list")
def list_webhooks(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List webhooks and how deliveries to them fare."""
    with connected(data) as portal:
        answer = portal.get("webhooks")
    columns = (
        ("id", "webhook.id"),
        ("institution", "webhook.institution_id"),
        ("address", "webhook.url"),
        ("kinds", "webhook.kinds"),
        ("status", "webhook.status"),
        ("delivered", "delivered"),
        ("waiting", "waiting"),
        ("given up", "given_up"),
        ("because", "webhook.reason"),
        ("last problem", "last_problem"),
    )
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="An https address.")],
    institution: Annotated[str, typer.Option("--institution", help="Whose it is; 'lab' hears of everyone.")] = "lab",
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this kind, such as duty or duty.overdue; may be repeated.")
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Have notices sent to an address."""
    with connected(data) as portal:
        answer = portal.post("webhooks", body={"institution_id": institution, "url": url, "kinds": kinds or []})
    done = f"{answer['webhook']['id']} is registered. Its deliveries verify with {answer['public_key']}"
    Output(as_json=as_json).done(answer, done)


@app.command("pause")
def pause(webhook_id: WebhookId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Send nothing until it is resumed."""
    with connected(data) as portal:
        answer = portal.post("webhooks", webhook_id, "pause", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{webhook_id} is paused.")


@app.command("resume")
def resume(webhook_id: WebhookId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Send again, first what waited or was given up."""
    with connected(data) as portal:
        answer = portal.post("webhooks", webhook_id, "resume")
    Output(as_json=as_json).done(answer, f"{webhook_id} is resumed; {answer['waiting']} notices are on their way.")


@app.command("remove")
def remove(webhook_id: WebhookId, reason: Reason, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Send nothing any more."""
    with connected(data) as portal:
        answer = portal.post("webhooks", webhook_id, "remove", body={"reason": reason})
    Output(as_json=as_json).done(answer, f"{webhook_id} is removed.")


@app.command("test")
def try_out(webhook_id: WebhookId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Send a test delivery now."""
    with connected(data) as portal:
        answer = portal.post("webhooks", webhook_id, "test")
    tested = answer["webhook"]["tested"]
    Output(as_json=as_json).done(answer, tested["reason"] or f"It arrived: status {tested['status_code']}.")
