"""The options by which a command says a scope, or its finer limits alone: the same for grants and for tokens."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from agreements.limits import Period, Sampling, Weekday
from agreements.precision import Precision

_PER_PERIOD = re.compile(r"^(day|week|month)=([0-9]{1,15})$")
_OPEN = re.compile(r"^(?:([a-z,-]+) )?([0-9:]{5})-([0-9:]{5})(?: (\S+))?$")
_DAYS = [day.value for day in Weekday]

_LIMITS: Mapping[str, Any] = {
    "requests": Annotated[int | None, typer.Option("--requests", help="Requests in all.", min=1)],
    "tokens_per": Annotated[
        list[str] | None, typer.Option("--tokens-per", help="Tokens a day, week or month in UTC.", metavar="PERIOD=N")
    ],
    "requests_per": Annotated[
        list[str] | None,
        typer.Option("--requests-per", help="Requests a day, week or month in UTC.", metavar="PERIOD=N"),
    ],
    "outputs": Annotated[int | None, typer.Option("--output-tokens", help="Generated tokens in all.", min=1)],
    "at_once": Annotated[int | None, typer.Option("--at-once", help="Runs under way at once.", min=1)],
    "max_tokens": Annotated[int | None, typer.Option("--max-tokens", help="Tokens per choice.", min=1)],
    "choices": Annotated[int | None, typer.Option("--choices", help="Choices per request.", min=1)],
    "top_logprobs": Annotated[int | None, typer.Option("--top-logprobs", help="Alternatives per token.", min=0)],
    "max_temperature": Annotated[
        float | None, typer.Option("--max-temperature", help="Highest temperature.", min=0, max=2)
    ],
    "logprob_decimals": Annotated[
        int | None,
        typer.Option("--logprob-decimals", help="Decimals to which log-probabilities are rounded.", min=0, max=6),
    ],
    "open_hours": Annotated[
        str | None,
        typer.Option(
            "--open-hours",
            help="When requests are taken, for instance 'mon-fri 09:00-17:00 Europe/Zurich'.",
            metavar="[DAYS] HH:MM-HH:MM [ZONE]",
        ),
    ],
    "logit_bias": Annotated[
        bool | None, typer.Option("--logit-bias/--no-logit-bias", help="Whether requests may bias logits.")
    ],
    "precisions": Annotated[
        list[Precision] | None,
        typer.Option("--precision", help="Answers computed in these precisions; else as it is above."),
    ],
}


_SCOPE: Mapping[str, Any] = {
    "checkpoints": Annotated[list[str] | None, typer.Option("--checkpoint", help="These; else as it is above.")],
    "operations": Annotated[list[str] | None, typer.Option("--operation", help="These operations.")],
    "purposes": Annotated[list[str] | None, typer.Option("--purpose", help="These purposes.")],
    "token_budget": Annotated[int | None, typer.Option("--tokens", help="Prompt and completion tokens in all.", min=1)],
    "requests_per_minute": Annotated[int | None, typer.Option("--rate", help="Requests a minute.", min=1)],
    "expires_at": Annotated[str | None, typer.Option("--until", help="The end, ISO 8601.")],
    "holder_bound": Annotated[
        bool | None,
        typer.Option("--holder-bound/--no-holder-bound", help="Whether tokens have to be bound to a key (DPoP)."),
    ],
}

Command = Callable[..., None]


def with_limits(command: Command) -> Command:
    """The command with an option for each finer limit; what was said of them is handed to it as ``limits``."""
    return _with_options(command, "limits", _LIMITS, limits_of)


def with_scope(command: Command) -> Command:
    """The command with an option for each dimension of a scope; what was said is handed to it as ``said``."""
    return _with_options(command, "said", {**_SCOPE, **_LIMITS}, scope_of)


def _with_options(
    command: Command, into: str, options: Mapping[str, Any], read: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Command:
    own = inspect.signature(command)

    @wraps(command)
    def wrapped(**values: Any) -> None:
        said = read({name: values.pop(name) for name in options})
        command(**values, **{into: said})

    parameters = [one for one in own.parameters.values() if one.name != into]
    at = next(place for place, one in enumerate(parameters) if one.name == "data")
    added = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)
        for name, kind in options.items()
    ]
    hints = {name: hint for name, hint in get_type_hints(command, include_extras=True).items() if name != into}
    # Typer reads a command by its signature, so the wrapper has to have the one it stands for.
    wrapped.__signature__ = own.replace(  # type: ignore[attr-defined]  # functions may have one
        parameters=[*parameters[:at], *added, *parameters[at:]]
    )
    wrapped.__annotations__ = {**hints, **options}
    return wrapped


def scope_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, by the names of a scope. Raises typer.BadParameter."""
    coarse = {name: said[name] for name in _SCOPE if said[name] not in (None, [])}
    return coarse | limits_of({name: said[name] for name in _LIMITS})


def limits_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, by the names of a scope. Raises typer.BadParameter."""
    sampling = {name: said[name] for name in Sampling.model_fields if said[name] is not None}
    periods: dict[str, dict[str, Any]] = {period.value: {"period": period.value} for period in Period}
    for name in ("tokens", "requests"):
        for words in said[f"{name}_per"] or ():
            match = _PER_PERIOD.match(words)
            if match is None:
                raise typer.BadParameter(f"{words!r} is not of the form day=5000 (or week, month)")
            periods[match[1]][name] = int(match[2])
    found = {
        "request_budget": said["requests"],
        "output_budget": said["outputs"],
        "concurrency": said["at_once"],
        "sampling": sampling or None,
        "periods": [one for one in periods.values() if len(one) > 1] or None,
        "hours": open_hours(said["open_hours"]) if said["open_hours"] is not None else None,
        "logit_bias": said["logit_bias"],
        "precisions": said["precisions"] or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def open_hours(words: str) -> dict[str, Any]:
    """``mon-fri 09:00-17:00 Europe/Zurich`` as the hours of a scope. Raises typer.BadParameter."""
    match = _OPEN.match(words.strip())
    days = _days(match[1]) if match is not None and match[1] else _DAYS
    if match is None or not days:
        raise typer.BadParameter(f"{words!r} is not of the form 'mon-fri 09:00-17:00 Europe/Zurich'")
    return {"weekdays": days, "opens": match[2], "closes": match[3], "zone": match[4] or "UTC"}


def _days(words: str) -> list[str]:
    """``mon,wed-fri`` day by day; empty where one is no day."""
    found: set[str] = set()
    for part in words.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            return []
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= set(_DAYS[start : end + 1] if start <= end else [*_DAYS[start:], *_DAYS[: end + 1]])
    return [day for day in _DAYS if day in found]


def changed(scope: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A scope with what was said in place of what it says; of sampling and periods, each limit by itself."""
    found = {**scope, **said}
    if "sampling" in said:
        found["sampling"] = {**(scope.get("sampling") or {}), **said["sampling"]}
    if "periods" in said:
        by_period = {one["period"]: one for one in scope.get("periods") or ()}
        for one in said["periods"]:
            by_period[one["period"]] = {**by_period.get(one["period"], {}), **one}
        found["periods"] = list(by_period.values())
    return found
