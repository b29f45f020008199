"""What a command would bring about, said before it is done: shown, asked about, and carried out only if wanted."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from agreements.errors import Conflict
from portal.cli.output import Output, plain

_BECOMES = {
    "narrowed": "is narrowed",
    "revoked": "ends",
    "stopped": "opens nothing until it is lifted",
    "untouched": "stays as it is",
}

_TOKENS = {"narrow": "held to the same", "amend": "refused or narrowed"}
"""What becomes of live tokens, by act on an agreement; any other act has them refused."""


def goes_on(
    output: Output, answer: Mapping[str, Any], lines: Iterator[str], question: str, *, preview: bool, yes: bool
) -> bool:
    """Whether to carry it out. A preview shows ``answer`` and goes no further; ``yes`` asks nothing.

    Raises Conflict ``not_confirmed`` where nobody said yes.
    """
    if yes and not preview:
        return True
    if preview:
        output.lines(answer, lines)
        return False
    if not output.as_json:
        for line in lines:
            output.note(line)
        output.note(f"{question} [y/N]")
        if sys.stdin.readline().strip().lower() in {"y", "yes"}:
            return True
    raise Conflict("not_confirmed", "Nothing was done.", hint="Say y, or give --yes; --preview only shows.")


def of_agreement(found: Mapping[str, Any]) -> Iterator[str]:
    """The consequences of an act on an agreement, line by line."""
    effect = found.get("suspension")
    if effect is not None:
        yield f"It takes effect {plain(found['at'])}."
    if not found["grants"] and found["act"] != "close":
        yield "No grant is active under it."
    for fate in found["grants"]:
        yield f"Grant {fate['grant']['id']}, {fate['grant']['label']}, {fate['reason']}"
    yield from _stops(found, _TOKENS.get(found["act"], "refused"))
    for agreement_id in found["schedules"]:
        yield f"Agreement {agreement_id} under it is concerned too."
    yield from found["people"]
    yield from found["duties"]
    if found["act"] == "close" and not found["duties"]:
        yield "Nothing that was owed under it is open."


def of_grant(found: Mapping[str, Any]) -> Iterator[str]:
    """The consequences of a change of a grant, line by line."""
    yield from _stops(found, "refused")
    for one in found["grants"]:
        cut = f" in {', '.join(one['dimensions'])}" if one["dimensions"] else ""
        grant = one["grant"]
        whose = f"{grant['id']}, {grant['label']}, held by {grant['holder']['id']}"
        yield f"Below it: {whose}, {_BECOMES[one['becomes']]}{cut}."
    if not found["grants"]:
        yield "Nothing is delegated from it."


def _stops(found: Mapping[str, Any], tokens_are: str) -> Iterator[str]:
    tokens, runs = found["tokens"], len(found["runs"])
    if tokens:
        yield f"{tokens:,} live access {'token is' if tokens == 1 else 'tokens are'} {tokens_are} from then on."
    if runs:
        words = "run under way is stopped" if runs == 1 else "runs under way are stopped"
        yield f"{runs:,} {words} then, between two tokens, where that is not allowed any more."
