"""``concordat workers``: model workers, their queues, and institutions' shares of them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.foresight import goes_on
from portal.cli.options import DATA, AsJson, DataDir, Preview, Reason, Yes
from portal.cli.output import Output, plain

app = typer.Typer(
    help="Model workers: what each does, who waits, and whose share is what.", invoke_without_command=True
)

_WORKERS = (
    ("checkpoint", "status.checkpoint_id"),
    ("state", "state"),
    ("precision", "status.precision"),
    ("memory", "memory"),
    ("slots", "slots"),
    ("waiting", "status.waiting"),
    ("tokens/s", "rate"),
    ("restarts", "status.restarts"),
    ("last failure", "status.last_error"),
    ("sandbox", "status.profile"),
)
_MIB = 1 << 20


def _flat(view: dict[str, Any]) -> dict[str, Any]:
    status = view["status"]
    back = status["backs_off_s"]
    rate = status["tokens_per_s"]
    return {
        **view,
        "state": "halted" if view["halted"] else f"backing off, {back:.0f} s" if back else status["state"],
        "memory": f"{status['rss_bytes'] // _MIB:,} of {status['memory_limit_bytes'] // _MIB:,} MiB",
        "slots": f"{status['slots_in_use']} of {status['slots']}",
        "rate": "" if rate is None else f"{rate:,.0f}",
    }


def of_halt(found: Mapping[str, Any]) -> Iterator[str]:
    """What a halt or the end of a worker would stop, line by line."""
    runs, waiting, batches = found["runs"], found["waiting"], found["batches"]
    if not runs and not batches:
        yield f"Nothing is under way on {found['checkpoint_id']}."
        return
    yield (
        f"{runs:,} {'run' if runs == 1 else 'runs'} on {found['checkpoint_id']} would be stopped, {waiting:,} of them "
        f"before their turn: {plain(', '.join(found['institutions']))}."
    )
    if batches:
        yield f"{batches:,} {'batch has' if batches == 1 else 'batches have'} lines left on it."


@app.callback()
def workers(context: typer.Context, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List the model workers: state, memory, slots, rate, restarts and sandbox. Coordinators only."""
    if context.invoked_subcommand is not None:
        return
    with connected(data) as portal:
        answer = portal.get("operator", "workers")
    Output(as_json=as_json).table(answer, map(_flat, answer["workers"]), _WORKERS)


@app.command("queue")
def queue(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show who waits for the workers, and what each institution was served over the last ten minutes."""
    with connected(data) as portal:
        answer = portal.get("operator", "workers")
    columns = (
        ("institution", "institution_id"),
        ("name", "institution_name"),
        ("weight", "weight"),
        ("waiting", "waiting"),
        ("running", "running"),
        ("tokens served", "served_tokens"),
    )
    Output(as_json=as_json).table({"items": answer["shares"]}, answer["shares"], columns)


@app.command("evict")
def evict(
    checkpoint_id: Annotated[str, typer.Argument(help="Whose worker to end.")],
    preview: Preview = False,
    yes: Yes = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """End a worker and free its memory; what it runs fails and may be sent again."""
    output = Output(as_json=as_json)
    with connected(data) as portal:
        found = portal.get("checkpoints", checkpoint_id, "halt")
        if goes_on(output, found, of_halt(found), "End the worker?", preview=preview, yes=yes):
            answer = portal.post("operator", "workers", checkpoint_id, "evict")
            output.done(answer, f"The worker of {checkpoint_id} is ended; the next request starts another.")


@app.command("weight")
def weight(
    institution_id: Annotated[str, typer.Argument(help="The institution's id.")],
    value: Annotated[float, typer.Argument(help="Its weight, from 0.1 to 10; 1 is everybody's.")],
    reason: Reason,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Give an institution a larger or smaller share of each worker, against others who wait."""
    with connected(data) as portal:
        answer = portal.put("institutions", institution_id, "weight", body={"weight": value, "reason": reason})
    Output(as_json=as_json).done(answer, f"{answer['name']} has weight {answer['weight']:g}.")
