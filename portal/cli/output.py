"""What commands print: tables and fields for people, the API's own JSON for scripts, refusals for both.

Names, titles and model output are written by others. Everything shown to a terminal passes ``plain``, which leaves no
escape sequence, control character or reordering mark in it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agreements.errors import ConcordatError
from agreements.texts import spoils

_JSON_WANTED = "concordat.json"

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?(Z|\+00:00)")
_UNBOUNDED = 200
"""Width in columns where nobody looks at a terminal, so that scripts find one row on one line."""

Columns = Sequence[tuple[str, str]]
"""Heading and where the value is: a member's name, or several joined by dots."""

Passage = Sequence[tuple[str, str]]
"""Words with the style each piece of them has."""

Branch: TypeAlias = "tuple[Passage, Sequence[Branch]]"
"""A line of a tree, and what stands below it."""


def remember_json(context: typer.Context, wanted: bool) -> bool:
    """Keep for the whole call whether the answer is to be JSON, so that a refusal can be JSON too."""
    context.meta[_JSON_WANTED] = wanted
    return wanted


def wants_json(context: typer.Context) -> bool:
    """Whether ``--json`` was given."""
    return bool(context.meta.get(_JSON_WANTED))


def plain(value: object) -> str:
    """A value as text that cannot move the cursor, change colours or reorder what is read."""
    return "".join("\N{REPLACEMENT CHARACTER}" if spoils(char) else char for char in _words(value) if char != "\r")


def _words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(one) for one in value)
    text = str(value)
    when = _TIMESTAMP.fullmatch(text)
    return f"{when[1]} {when[2]} UTC" if when else text.replace("\n", " ")


def pick(row: Mapping[str, Any], path: str) -> object:
    """The member at a dotted path; None where any part of it is missing."""
    found: object = row
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


class Output:
    """Where one command's answer goes. People read stdout; progress and notes go to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False)
        if not self._out.is_terminal:
            self._out.width = _UNBOUNDED
        self.notes = Console(stderr=True, highlight=False)

    def table(self, answer: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], columns: Columns) -> None:
        """A list: the answer itself as JSON, or its rows as a table."""
        if self.as_json:
            self._json(answer)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, (heading, _path) in enumerate(columns):
            # Ids are copied: the first column is never broken.
            table.add_column(heading, overflow="fold", no_wrap=number == 0)
        count = 0
        for row in rows:
            table.add_row(*(Text(plain(pick(row, path))) for _heading, path in columns))
            count += 1
        self._out.print(table if count else Text("Nothing yet.", style="dim"))

    def fields(self, answer: Mapping[str, Any], columns: Columns, *, title: str = "") -> None:
        """One object: the answer itself as JSON, or its named members below each other; empty ones are left out."""
        if self.as_json:
            self._json(answer)
            return
        if title:
            self._out.print(Text(plain(title), style="bold"))
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for heading, path in columns:
            words = plain(pick(answer, path))
            if words:
                table.add_row(heading, Text(words))
        self._out.print(table)

    def beside(
        self, answer: Mapping[str, Any], headings: tuple[str, str], rows: Iterable[tuple[str, Passage, Passage]]
    ) -> None:
        """Two texts side by side, row by row under a name: the answer itself as JSON, or a table."""
        if self.as_json:
            self._json(answer)
            return
        table = Table(show_lines=True, header_style="bold")
        table.add_column("", overflow="fold", ratio=1)
        for heading in headings:
            table.add_column(plain(heading), overflow="fold", ratio=3)
        for name, *sides in rows:
            passages = (Text.assemble(*((plain(words), style) for words, style in side)) for side in sides)
            table.add_row(Text(plain(name), style="bold"), *passages)
        self._out.print(table if table.row_count else Text("Nothing differs.", style="dim"))

    def tree(self, answer: Mapping[str, Any], root: Branch) -> None:
        """Lines below lines: the answer itself as JSON, or a tree."""
        if self.as_json:
            self._json(answer)
        else:
            self._out.print(_grown(root))

    def done(self, answer: Mapping[str, Any], message: str) -> None:
        """Something was carried out."""
        if self.as_json:
            self._json(answer)
        else:
            self._out.print(Text(plain(message)), soft_wrap=True)

    def lines(self, answer: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Several sentences: the answer itself as JSON, or one below the other."""
        if self.as_json:
            self._json(answer)
            return
        for line in lines:
            self._out.print(Text(plain(line)), soft_wrap=True)

    def note(self, line: str) -> None:
        """Something to read beside the answer."""
        self.notes.print(Text(plain(line)), soft_wrap=True)

    def secret(self, answer: Mapping[str, Any], secret: str, note: str) -> None:
        """Something shown this once, alone on stdout so that it can be piped."""
        if self.as_json:
            self._json(answer)
            return
        self.notes.print(Text(plain(note), style="dim"))
        self._out.print(Text(secret), soft_wrap=True)

    def _json(self, answer: Mapping[str, Any]) -> None:
        self._out.print(Text(json.dumps(answer, indent=2, ensure_ascii=False)), soft_wrap=True)


def _grown(branch: Branch) -> Tree:
    passage, below = branch
    tree = Tree(Text.assemble(*((plain(words), style) for words, style in passage)), guide_style="dim")
    for one in below:
        tree.children.append(_grown(one))
    return tree


def show_refusal(error: ConcordatError, *, as_json: bool) -> None:
    """A refusal as message, hint and code, on stderr; with ``--json`` as an object on stdout."""
    if as_json:
        refusal = {
            "error": {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "fixer": error.fixer.value,
                "param": error.param,
            }
        }
        Console(highlight=False).print(Text(json.dumps(refusal, indent=2, ensure_ascii=False)), soft_wrap=True)
        return
    console = Console(stderr=True, highlight=False)
    console.print(Text.assemble(("Refused: ", "bold red"), plain(error.message)), soft_wrap=True)
    if error.hint:
        console.print(Text(plain(error.hint)), soft_wrap=True)
    console.print(Text(f"({error.code})", style="dim"))
