"""English text that every CPython ships: docstrings and comments of the standard library, the language reference's
topics, the licence.

Nothing is downloaded and nothing outside the standard library is read, so each installation can build its own ladder.
The order is fixed; which documents are held out is decided by their place in it.
"""

import ast
import re
import sysconfig
import textwrap
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


def standard_library_corpus(root: Path | None = None, limit_characters: int | None = None) -> Corpus:
    """The text under ``root``, by default the running interpreter's standard library.

    Reading stops once there are ``limit_characters`` to train on. Raises Unavailable ``no_training_text`` where the
    sources were stripped from the installation.
    """
    training: list[str] = []
    held_out: list[str] = []
    characters = 0
    for place, text in enumerate(_documents(root or Path(sysconfig.get_path("stdlib")))):
        if limit_characters is not None and characters >= limit_characters:
            break
        if place % _HELD_OUT_EVERY == 0:
            held_out.append(text)
        else:
            training.append(text)
            characters += len(text)
    if len(training) < 2:
        raise Unavailable(
            "no_training_text",
            "This Python has no standard library sources to train the demo ladder on.",
            hint="Run the demo with a complete CPython installation.",
        )
    return Corpus(training=tuple(training), held_out=tuple(held_out))


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
    for line in source.splitlines():
        if line.lstrip().startswith("#"):
            run.append(line.lstrip().lstrip("#"))
        elif run:
            yield from _paragraph(run)
            run = []
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
