"""The lines of a batch's files: read with every problem found, and written as the OpenAI API writes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import JsonValue

from agreements.canonical import parse_json
from agreements.errors import ConcordatError, Invalid
from model_access.batches import Problem
from model_access.generation import ChoiceResult, Finished, GenerationRequest
from model_access.runs import RunTerms

MOST_LINE_BYTES: Final = 256 * 1024
MOST_CUSTOM_ID: Final = 128

_MEMBERS: Final = frozenset({"custom_id", "method", "url", "body"})


class Endpoint(Protocol):
    """A route of the model API whose requests can be lines of a batch."""

    def parse(self, body: Mapping[str, JsonValue]) -> tuple[str, GenerationRequest]:
        """The checkpoint asked for, and what is asked of it. Raises Invalid naming the parameter at fault."""
        ...

    def render(self, terms: RunTerms, created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """The body of the answer."""
        ...

    def texts(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        """The text of each choice in such a body, by index, as the receipt digests it."""
        ...


Endpoints = Mapping[str, Endpoint]
"""By address, such as ``/v1/completions``."""


@dataclass(frozen=True)
class Line:
    """One request of a batch."""

    number: int
    """From 1."""
    custom_id: str
    model: str
    request: GenerationRequest


@dataclass(frozen=True)
class Reading:
    """A file as it was read: its good lines, and what is wrong with the others."""

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]

    @property
    def model(self) -> str:
        """The one checkpoint that the file asks for; empty where no line is good."""
        return self.lines[0].model if self.lines else ""


def read_lines(content: bytes, url: str, endpoint: Endpoint, *, most_lines: int) -> Reading:
    """Every line of an input file. What is wrong is told by line, and nothing is raised."""
    if not content:
        nothing = Problem(code="empty_file", message="The file has no lines.", hint="Write one request on each line.")
        return Reading((), (nothing,))
    content = content.removesuffix(b"\n")
    # Counted before it is cut up: each of a file of nothing but line ends would be an object of its own.
    count = content.count(b"\n") + 1
    if count > most_lines:
        told = f"The file has {count:,} lines; a batch may have {most_lines:,}."
        return Reading((), (Problem(code="too_many_lines", message=told, hint="Split it into several batches."),))
    lines: list[Line] = []
    problems: list[Problem] = []
    first_with: dict[str, int] = {}
    for number, row in enumerate(content.split(b"\n"), start=1):
        try:
            line = _line(number, row, url, endpoint)
            before = first_with.setdefault(line.custom_id, number)
            if before != number:
                raise Invalid(
                    "duplicate_custom_id",
                    f"Line {before} has this custom_id already.",
                    hint="Give each line a name of its own: the answers are found by it.",
                    param="custom_id",
                )
            if lines and line.model != lines[0].model:
                raise Invalid(
                    "model_mismatch",
                    f"Line {lines[0].number} asks for another checkpoint; a batch is about one.",
                    hint="Put its lines into a batch of their own.",
                    param="body.model",
                )
        except ConcordatError as refusal:
            problems.append(problem_of(number, refusal))
        else:
            lines.append(line)
    return Reading(tuple(lines), tuple(problems))


def url_of(content: bytes) -> str | None:
    """Where the first line of an input file goes; None where it does not say."""
    try:
        value = parse_json(content.partition(b"\n")[0], MOST_LINE_BYTES)
    except ConcordatError:
        return None
    url = value.get("url") if isinstance(value, dict) else None
    return url if isinstance(url, str) else None


def problem_of(number: int, refusal: ConcordatError) -> Problem:
    """A line's refusal, with what to do about it."""
    where = f"Correct {refusal.param} in this line" if refusal.param else "Correct this line"
    return Problem(
        line=number,
        code=refusal.code,
        message=refusal.message,
        param=refusal.param,
        hint=refusal.hint or f"{where}, and check the file again.",
    )


def _line(number: int, row: bytes, url: str, endpoint: Endpoint) -> Line:
    if not row.strip():
        raise Invalid("empty_line", "The line is empty.", hint="Take the line out.")
    value = parse_json(row, MOST_LINE_BYTES)
    if not isinstance(value, dict):
        raise Invalid(
            "not_an_object",
            "The line is no JSON object.",
            hint="A line is one object from { to }, without line breaks.",
        )
    for name in sorted(_MEMBERS ^ value.keys()):
        if name in _MEMBERS:
            raise Invalid("missing_field", f"The line has no {name}.", hint=f"Add {name}.", param=name)
        raise Invalid(
            "unknown_field",
            "The line has a member besides custom_id, method, url and body.",
            hint="Take it out, or move it into body.",
        )
    custom_id = value["custom_id"]
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MOST_CUSTOM_ID or not custom_id.isprintable():
        raise Invalid(
            "bad_custom_id",
            f"custom_id has to be 1 to {MOST_CUSTOM_ID} printable characters.",
            hint="Give the line a shorter name of letters and digits, as text.",
            param="custom_id",
        )
    if value["method"] != "POST":
        raise Invalid("bad_method", "method has to be POST.", hint="Write POST in this line.", param="method")
    if value["url"] != url:
        raise Invalid(
            "url_mismatch",
            f"url has to be {url}, the endpoint of the batch.",
            hint="Put other requests into a batch of their own.",
            param="url",
        )
    if not isinstance(value["body"], dict):
        raise Invalid(
            "bad_body",
            "body has to be an object.",
            hint="Write the request as it would be sent by itself.",
            param="body",
        )
    try:
        model, request = endpoint.parse(value["body"])
    except ConcordatError as refusal:
        param = f"body.{refusal.param}" if refusal.param else "body"
        raise Invalid(refusal.code, refusal.message, hint=refusal.hint, param=param) from None
    return Line(number=number, custom_id=custom_id, model=model, request=request)


def answered(
    custom_id: str,
    terms: RunTerms,
    receipt_digest: str,
    body: Mapping[str, Any],
) -> bytes:
    """A line of the output file. Besides what the OpenAI API has in it, it names the run's receipt."""
    return _row(
        {
            "id": f"batch_req_{terms.run_id}",
            "custom_id": custom_id,
            "response": {"status_code": 200, "request_id": terms.run_id, "body": body},
            "error": None,
            "receipt": {"run_id": terms.run_id, "digest": receipt_digest, "url": f"/api/runs/{terms.run_id}/receipt"},
        }
    )


def not_answered(custom_id: str, batch_id: str, number: int, *, code: str, message: str, run_id: str | None) -> bytes:
    """A line of the error file."""
    return _row(
        {
            "id": f"batch_req_{run_id or f'{batch_id}_{number}'}",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": code, "message": message},
        }
    )


def joined(rows: Sequence[bytes]) -> bytes:
    """The rows as one file."""
    return b"".join(row + b"\n" for row in rows)


def _row(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
