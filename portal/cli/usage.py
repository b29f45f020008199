"""``concordat usage``: runs and tokens over time, days that are unusual, and how far budgets reach."""

from typing import Annotated, Any

import typer

from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Usage: runs and tokens over time, unusual days, and budgets.", invoke_without_command=True)

Since = Annotated[str | None, typer.Option("--from", help="The first day, YYYY-MM-DD; by default four weeks of days.")]
Until = Annotated[str | None, typer.Option("--to", help="The last day, included; by default today.")]
Institution = Annotated[str | None, typer.Option("--institution", help="Only this institution's.")]
Person = Annotated[str | None, typer.Option("--person", help="Only this person's or program's.")]
Checkpoint = Annotated[str | None, typer.Option("--checkpoint", help="Only runs of this checkpoint.")]
GrantId = Annotated[str | None, typer.Option("--grant", help="Only this grant, and what is delegated from it.")]

_BAR = 24
_GROUPS = (
    ("group", "label"),
    ("runs", "counts.runs"),
    ("failed", "counts.failed"),
    ("people", "counts.people"),
    ("tokens read", "counts.prompt_tokens"),
    ("written", "counts.completion_tokens"),
    ("charged", "counts.charged_tokens"),
    ("", "bar"),
)
_TIMES = (("in", "label"), *_GROUPS[1:])
_BUDGETS = (
    ("grant", "grant_id"),
    ("label", "label"),
    ("holder", "holder_name"),
    ("budget", "budget_tokens"),
    ("used", "used_tokens"),
    ("held", "held_tokens"),
    ("left", "left_tokens"),
    ("a day", "a_day"),
    ("used up on", "used_up"),
    ("ends on", "ends_on"),
)
_UNUSUAL = (
    ("day", "day"),
    ("who", "person_name"),
    ("institution", "institution_name"),
    ("runs", "runs"),
    ("tokens", "tokens"),
    ("usual", "usual"),
    ("unusual above", "limit"),
)

_EXPOSURE = (
    ("checkpoint", "checkpoint_id"),
    ("institution", "institution_name"),
    ("full vectors, at most", "vectors"),
    ("of", "hidden_size"),
    ("share", "percent"),
    ("level", "level"),
    ("the most by", "most"),
)


@app.callback()
def usage(
    context: typer.Context,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="institution, person, program, checkpoint, purpose, operation, grant or agreement.",
        ),
    ] = "institution",
    per: Annotated[str, typer.Option("--per", help="day, week (ISO) or month, in UTC.")] = "week",
    since: Since = None,
    until: Until = None,
    institution: Institution = None,
    person: Person = None,
    checkpoint: Checkpoint = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only runs for this purpose.")] = None,
    operation: Annotated[str | None, typer.Option("--operation", help="Only runs of this operation.")] = None,
    grant: GrantId = None,
    agreement: Annotated[str | None, typer.Option("--agreement", help="Only runs under this agreement.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="started, completed or failed.")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Count runs and tokens by group and over time."""
    if context.invoked_subcommand is not None:
        return
    params: dict[str, Any] = {
        "group_by": by,
        "period": per,
        "from": since,
        "to": until,
        "institution": institution,
        "person": person,
        "checkpoint": checkpoint,
        "purpose": purpose,
        "operation": operation,
        "grant": grant,
        "agreement": agreement,
        "status": status,
    }
    with connected(data) as portal:
        answer = portal.get("usage", **params)
    output = Output(as_json=as_json)
    if as_json:
        output.table(answer, (), ())
        return
    output.table(answer, _with_bars(answer["groups"]), _GROUPS)
    output.table(answer, _with_bars(answer["buckets"]), _TIMES)
    total = answer["total"]
    held = f", and {total['held_tokens']:,} are held for {total['under_way']:,} under way" if total["under_way"] else ""
    output.done(
        answer,
        f"{answer['since']} to {answer['until']}: {total['runs']:,} runs, {total['failed']:,} failed, "
        f"{total['charged_tokens']:,} tokens charged{held}.",
    )


@app.command("budgets")
def budgets(
    institution: Institution = None,
    grant: GrantId = None,
    ended: Annotated[bool, typer.Option("--ended", help="Those that ended as well.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List grants with what is left, and when it would be used up at the present pace."""
    with connected(data) as portal:
        answer = portal.get("usage", "budgets", institution=institution, grant=grant, ended=ended)
    rows = [
        {
            **one,
            "a_day": round(one["pace"]["tokens_per_day"]) if one["pace"] else None,
            "used_up": (one["pace"]["used_up_on"] or "not in ten years") if one["pace"] else one["no_pace"],
        }
        for one in answer["items"]
    ]
    Output(as_json=as_json).table(answer, rows, _BUDGETS)


@app.command("unusual")
def unusual(
    since: Since = None,
    until: Until = None,
    institution: Institution = None,
    person: Person = None,
    checkpoint: Checkpoint = None,
    grant: GrantId = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List days far above what is usual for somebody, and the rule by which they are."""
    params: dict[str, Any] = {
        "from": since,
        "to": until,
        "institution": institution,
        "person": person,
        "checkpoint": checkpoint,
        "grant": grant,
    }
    with connected(data) as portal:
        answer = portal.get("usage", "unusual", **params)
    rows = [
        {**one, "usual": round(one["usual_tokens"]), "limit": round(one["limit_tokens"])} for one in answer["items"]
    ]
    output = Output(as_json=as_json)
    output.table(answer, rows, _UNUSUAL)
    if not as_json:
        output.done(answer, answer["rule"])


@app.command("exposure")
def exposure(
    checkpoint: Checkpoint = None,
    institution: Institution = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Say how much of each checkpoint's output layer may have been seen, at most, and by whom."""
    with connected(data) as portal:
        answer = portal.get("exposure", checkpoint=checkpoint, institution=institution)
    rows = [
        {
            **one,
            "checkpoint_id": seen["checkpoint_id"],
            "vectors": round(one["vectors"], 1),
            "hidden_size": seen["hidden_size"],
            "percent": f"{one['share']:.1%}",
            "most": one["holders"][0]["name"],
        }
        for seen in answer["checkpoints"]
        for one in seen["institutions"]
    ]
    Output(as_json=as_json).table(answer, rows, _EXPOSURE)


def _with_bars(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each group with a bar of its share of the largest."""
    most = max((one["counts"]["charged_tokens"] for one in groups), default=0) or 1
    return [{**one, "bar": "█" * round(_BAR * one["counts"]["charged_tokens"] / most)} for one in groups]
