"""``concordat access explain``: why somebody may or may not do something, as a tree of conditions."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from agreements.actors import Role
from agreements.areas import Area
from agreements.scopes import Operation
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Branch, Output

_SIGNS = {"held": ("✓ ", "green"), "failed": ("✗ ", "bold red"), "not_reached": ("· ", "dim")}


def explain(
    checkpoint: Annotated[str, typer.Argument(help="The checkpoint's id.")],
    operation: Annotated[list[Operation] | None, typer.Option("--operation", help="May be given again.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="What the run would be for.")] = None,
    person: Annotated[str | None, typer.Option("--person", help="A person or program; yourself if left out.")] = None,
    role: Annotated[Role | None, typer.Option("--role", help="Of somebody invented, with --institution.")] = None,
    institution: Annotated[str | None, typer.Option("--institution", help="Of somebody invented.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Of somebody invented.")] = None,
    at: Annotated[
        datetime | None,
        typer.Option(help="A moment to come.", formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]),
    ] = None,
    grant: Annotated[str | None, typer.Option("--grant", help="As with a token that names this grant.")] = None,
    proves_key: Annotated[
        bool | None, typer.Option("--key/--no-key", help="Whether the request proves the key of its token.")
    ] = None,
    only_checkpoint: Annotated[list[str] | None, typer.Option(help="As with a token narrowed to it.")] = None,
    only_operation: Annotated[list[Operation] | None, typer.Option(help="As with a token narrowed to it.")] = None,
    only_purpose: Annotated[list[str] | None, typer.Option(help="As with a token narrowed to it.")] = None,
    area: Annotated[list[Area] | None, typer.Option("--area", help="As with a token for this area.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens generated per choice.")] = None,
    logit_bias: Annotated[bool, typer.Option("--logit-bias", help="As a request that biases logits.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Say why somebody may or may not do something, condition by condition. Nothing is recorded."""
    asked = {
        "checkpoint": checkpoint,
        "operation": operation or [Operation.GENERATE],
        "purpose": purpose,
        "person": person,
        "role": role.value if role else None,
        "institution": institution,
        "email": email,
        "at": at.isoformat() if at else None,
        "grant": grant,
        "proves_key": proves_key,
        "only_checkpoint": only_checkpoint,
        "only_operation": only_operation,
        "only_purpose": only_purpose,
        "area": area,
        "max_tokens": max_tokens,
        "logit_bias": logit_bias or None,
    }
    with connected(data) as portal:
        answer = portal.get("access", "explain", **{name: one for name, one in asked.items() if one is not None})
    Output(as_json=as_json).tree(answer, _told(answer))


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command("explain")(explain)


def _told(answer: Mapping[str, Any]) -> Branch:
    sign = ("✓ ", "bold green") if answer["open"] else ("✗ ", "bold red")
    return [sign, (answer["verdict"], "bold")], [
        *_refusals(answer),
        _step(answer["explanation"]["stage"]),
        *(_course(one) for one in answer["explanation"]["grants"]),
        *(_step(one) for one in answer["explanation"]["others"]),
        _step(answer["explanation"]["token"]),
        *_group("What is left", [_limit(one) for one in answer["limits"]]),
        *_group("What would change this", [_remedy(one) for one in answer["remedies"]]),
        *_group("What is open", [one["says"] for one in answer["alternatives"]]),
        *_group("What is coming", [f"{one['at'][:10]}: {one['says']}" for one in answer["ahead"]]),
        *_group("To keep in mind", answer["notes"]),
    ]


def _refusals(answer: Mapping[str, Any]) -> Iterator[Branch]:
    for one in answer["refusals"]:
        yield [(f"{one['message']} ", ""), (f"({one['code']})", "dim")], []


def _course(course: Mapping[str, Any]) -> Branch:
    version = f", version {course['version']}" if course["version"] else ""
    decisive = (" (decides)", "bold") if course["decisive"] else ("", "")
    under = f" of {course['holder']}, under agreement {course['agreement_id']}{version}"
    asked = [step for step in course["steps"] if step["state"] != "not_reached"]
    left = len(course["steps"]) - len(asked)
    rest: list[Branch] = [([("· ", "dim"), (f"{left} more conditions were not asked", "dim")], [])] if left else []
    return [("Grant ", ""), (course["grant_id"], "cyan"), (under, ""), decisive], [*map(_step, asked), *rest]


def _step(step: Mapping[str, Any]) -> Branch:
    state = step["state"]
    sign, style = _SIGNS[state]
    if state == "not_reached":
        return [(sign, style), (f"{step['asks']} (not asked)", style)], []
    sources: list[Branch] = [([(one["says"], "dim")], []) for one in step["sources"]] if state == "failed" else []
    return [(sign, style), (f"{step['asks']}: ", ""), (step["says"], style if state == "failed" else "")], sources


def _limit(limit: Mapping[str, Any]) -> str:
    draw, said = limit["draw"], []
    if draw["budget"] is not None:
        said.append(f"{limit['left']:,} of {draw['budget']:,} tokens")
    if draw["requests"] is not None:
        said.append(f"{limit['requests_left']:,} of {draw['requests']:,} requests")
    if draw["outputs"] is not None:
        said.append(f"{limit['outputs_left']:,} of {draw['outputs']:,} tokens to be generated")
    if draw["per_minute"] is not None:
        said.append(f"{limit['recent']:,} of {draw['per_minute']:,} requests this minute used")
    if draw["at_once"] is not None:
        said.append(f"{limit['running']:,} of {draw['at_once']:,} runs at once under way")
    source = f" ({limit['source']['says']})" if limit["source"] else ""
    anew = f", anew on {draw['frees_at'][:10]}" if draw["frees_at"] else ""
    return f"{draw['says']}: {', '.join(said) or 'no limit'}{anew}{source}"


def _remedy(remedy: Mapping[str, Any]) -> str:
    return f"{remedy['says']} ({remedy['clears'] or 'nobody can'})"


def _group(title: str, lines: list[str]) -> Iterator[Branch]:
    if lines:
        yield [(title, "bold")], [([(line, "")], []) for line in lines]
