"""Prompts as people have them, one a line or in a table, made into the lines of a batch's input file.

Nothing is judged here: what a cell says goes into the request as it is, and the check of the file says what is wrong
with it, by the number of its prompt.
"""

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from agreements.deciders import Value
from agreements.errors import Invalid
from portal.services.batch_lines import joined

Shape = Literal["requests", "prompts", "table"]
"""JSON Lines as the OpenAI API has them; one prompt a line; CSV with a column ``prompt``."""

_NUMBERS: Final = ("max_tokens", "temperature", "top_p", "top_k", "seed", "n")
COLUMNS: Final = ("prompt", "custom_id", *_NUMBERS)
"""What a table may have."""

_SUFFIXES: Final[dict[str, Shape]] = {"csv": "table", "tsv": "table", "txt": "prompts"}
_SEPARATORS: Final = ",;\t"


class Settings(Value):
    """What every prompt is asked with, unless its row of the table says otherwise."""

    model: Annotated[str, Field(max_length=128)] = ""
    """The id of the checkpoint."""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """As members of a request; what is not said is not in it."""
        return self.model_dump(exclude_none=True)


def shape_of(filename: str, content: bytes) -> Shape:
    """What a file holds, by the ending of its name; a text of requests is told from one of prompts."""
    shape = _SUFFIXES.get(filename.rpartition(".")[2].lower(), "requests")
    first = content.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
    if shape == "prompts" and first.startswith(b"{") and b'"custom_id"' in first:
        return "requests"
    return shape


def as_requests(content: bytes, shape: Shape, settings: Settings, url: str, *, most_lines: int) -> bytes:
    """The file as JSON Lines, one request for each prompt in order; ``requests`` are as they came.

    A row of the answer is the prompt's line of the file, or its row below the heading. Raises Invalid
    ``not_utf8``, ``no_model``, ``bad_table``, ``no_prompt_column``, ``unknown_column`` or ``too_many_lines``.
    """
    if shape == "requests":
        return content
    if not settings.model:
        raise Invalid(
            "no_model",
            "The file does not say which checkpoint it asks.",
            hint="Choose the checkpoint that all prompts are put to.",
            param="model",
        )
    text = _text(content)
    rows = _prompts(text, most_lines) if shape == "prompts" else _table(text, most_lines)
    return joined([_row(number, row, settings, url) for number, row in enumerate(rows, start=1)])


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(
            "not_utf8", "The file is no UTF-8 text.", hint="Save it as CSV UTF-8 or as text in UTF-8.", param="file"
        ) from None


def _prompts(text: str, most_lines: int) -> Iterator[dict[str, str]]:
    body = text.rstrip()
    if not body:
        return
    body += text[len(body) :].partition("\n")[0]
    if body.count("\n") >= most_lines:
        raise _too_many(most_lines)
    for line in body.split("\n"):
        yield {"prompt": line.removesuffix("\r")} if line.strip() else {}


def _table(text: str, most_lines: int) -> Iterator[dict[str, str]]:
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = _rows(reader, most_lines + 1)
    except csv.Error as error:
        raise _bad(f"line {reader.line_num}: {error}") from None
    if rows is None:
        raise _too_many(most_lines)
    names = [name.strip().lower() for name in rows[0]] if rows else []
    _require_known(names)
    for number, row in enumerate(rows[1:], start=1):
        if len(row) > len(names):
            raise _bad(f"row {number} has {len(row)} cells under {len(names)} names")
        yield {name: cell for name, cell in zip(names, row, strict=False) if cell or name == "prompt"} if row else {}


def _rows(reader: Iterable[list[str]], most: int) -> list[list[str]] | None:
    """The rows up to the last one with anything in it; None for more than so many."""
    rows: list[list[str]] = []
    blank = 0
    for row in reader:
        if not any(cell.strip() for cell in row):
            blank += 1
            continue
        if len(rows) + blank >= most:
            return None
        rows += [[]] * blank
        rows.append(row)
        blank = 0
    return rows


def _require_known(names: Sequence[str]) -> None:
    if "prompt" not in names:
        raise Invalid(
            "no_prompt_column",
            "The table has no column named prompt.",
            hint="Name the columns in the first row; the one with the prompts is prompt.",
            param="prompt",
        )
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            raise Invalid(
                "unknown_column",
                f"The table has a column {name[:60]!r} that is not known, or has it twice.",
                hint=f"Columns are {', '.join(COLUMNS)}; take out the others.",
                param="file",
            )


def _too_many(most_lines: int) -> Invalid:
    return Invalid(
        "too_many_lines",
        f"The file has more than the {most_lines:,} prompts that a batch may have.",
        hint="Split it into several batches.",
        param="file",
    )


def _bad(why: str) -> Invalid:
    return Invalid(
        "bad_table",
        f"The table cannot be read: {why[:160]}.",
        hint="Cells with a separator, a quotation mark or a line break stand in quotation marks.",
        param="file",
    )


def _row(number: int, row: dict[str, str], settings: Settings, url: str) -> bytes:
    if not row:
        return b""
    asked: dict[str, Any] = {name: _number(row[name]) for name in _NUMBERS if name in row}
    value = {
        "custom_id": row.get("custom_id", f"prompt-{number}"),
        "method": "POST",
        "url": url,
        "body": settings.body | asked | {"prompt": row.get("prompt", "")},
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _number(cell: str) -> int | float | str:
    """A number if it is one; else as it stands there, for the check to refuse."""
    for kind in (int, float):
        try:
            value = kind(cell)
        except ValueError:
            continue
        return value if value - value == 0 else cell
    return cell
