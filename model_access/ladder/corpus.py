"""English text that every CPython ships: docstrings and comments of the standard library, the language reference's
topics, the licence.

Nothing is downloaded and nothing outside the standard library is read, so each installation can build its own ladder.
The order is fixed; which documents are held out is decided by their place in it.
"""

import ast
import io
import re
import sysconfig
import textwrap
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agreements.errors import Unavailable

_SKIPPED_FOLDERS = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "__pycache__", "idle_test", "lib2to3", "turtledemo"}
)
_HELD_OUT_EVERY = 12
_MIN_COMMENT_WORDS = 6
_MIN_PARAGRAPH_WORDS = 4
_MIN_DOCUMENT_CHARACTERS = 200


@dataclass(frozen=True)
class Corpus:
    """Documents to train on and documents to measure on; no document is in both."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


def standard_library_corpus(root: Path | None = None) -> Corpus:
    """The text under ``root``, by default the running interpreter's standard library.

    Raises Unavailable ``no_training_text`` where the sources were stripped from the installation.
    """
    documents = list(_documents(root or Path(sysconfig.get_path("stdlib"))))
    training = tuple(text for place, text in enumerate(documents) if place % _HELD_OUT_EVERY)
    held_out = tuple(text for place, text in enumerate(documents) if not place % _HELD_OUT_EVERY)
    if len(training) < 2:
        raise Unavailable(
            "no_training_text",
            "This Python has no standard library sources to train the demo ladder on.",
            hint="Run the demo with a complete CPython installation.",
        )
    return Corpus(training=training, held_out=held_out)


def _documents(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        inside = path.relative_to(root)
        if _SKIPPED_FOLDERS.intersection(inside.parts):
            continue
        passages = _topics(path) if inside.as_posix() == "pydoc_data/topics.py" else [_prose(path)]
        yield from (text for text in passages if len(text) >= _MIN_DOCUMENT_CHARACTERS)
    licence = root / "LICENSE.txt"
    if licence.is_file():
        yield _unwrapped(licence.read_text(encoding="utf-8"))


def _prose(path: Path) -> str:
    """The docstrings of one module in source order, then its longer comments."""
    try:
        source = path.read_text(encoding="utf-8")
        tree = _parse(source)
    except (ValueError, SyntaxError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    owners = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    owners.sort(key=lambda node: getattr(node, "lineno", 0))
    docstrings = [text for node in owners if (text := ast.get_docstring(node))]
    return "\n".join(dict.fromkeys(map(_unwrapped, [*docstrings, *_comments(source)])))


def _unwrapped(text: str) -> str:
    """Paragraphs as one line each, without code samples: English is what the ladder should learn in two minutes."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        is_code = ">>>" in paragraph or all(line.startswith(("    ", "\t")) for line in lines)
        joined = " ".join(paragraph.split())
        if not is_code and len(joined.split()) >= _MIN_PARAGRAPH_WORDS:
            paragraphs.append(joined)
    return "\n".join(paragraphs)


def _comments(source: str) -> Iterator[str]:
    """Runs of whole-line comments, joined to paragraphs."""
    run: list[str] = []
    last_line = -2
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or token.line.strip() != token.string:
            continue
        if token.start[0] != last_line + 1:
            yield from _paragraph(run)
            run = []
        run.append(token.string.lstrip("#"))
        last_line = token.start[0]
    yield from _paragraph(run)


def _paragraph(lines: list[str]) -> Iterator[str]:
    text = textwrap.dedent("\n".join(lines)).strip()
    if len(text.split()) >= _MIN_COMMENT_WORDS:
        yield text


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own old escape sequences are no concern of ours
        return ast.parse(source)


def _topics(path: Path) -> list[str]:
    """The language reference's chapters out of ``pydoc_data.topics``: its one big literal, never executed."""
    for node in _parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            chapters = ast.literal_eval(node.value)
            return [_unwrapped(chapters[name]) for name in sorted(chapters)]
    return []
