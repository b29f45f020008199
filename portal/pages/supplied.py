"""Markdown that somebody outside wrote, laid out without being obeyed.

Headings, lists, quotations and code blocks keep their shape; every word goes through ``literal``, so that no link,
picture, formula, directive or markup in it is one here.
"""

import re
from collections.abc import Iterator

import streamlit as st

from portal.pages.words import literal, plain

_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"^(\s*)([-*+]|\d{1,4}[.)])\s+(.*)$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_DEEPEST = 3


def supplied(text: str) -> None:
    """Show it."""
    for kind, block in blocks(text):
        if kind == "code":
            st.code(plain(block), language=None, wrap_lines=True)
        else:
            st.markdown(block)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """``("code", text)`` and ``("words", Markdown of the portal's own making)``, in order."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines and lines[0].strip() == "---":
        end = next((place for place, line in enumerate(lines[1:], start=1) if line.strip() == "---"), None)
        if end is not None:
            yield "code", "\n".join(lines[1:end])
            lines = lines[end + 1 :]
    words: list[str] = []
    code: list[str] | None = None
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if code is not None:
            if found is not None and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                yield "code", "\n".join(code)
                code = None
            else:
                code.append(line)
        elif found is not None:
            if words:
                yield "words", "\n".join(words)
            words, code, fence = [], [], found[1]
        else:
            words.append(_line(line))
    if words and any(words):
        yield "words", "\n".join(words)
    if code:
        yield "code", "\n".join(code)


def _line(line: str) -> str:
    heading, item = _HEADING.match(line), _ITEM.match(line)
    if heading is not None and heading[2]:
        return f"\n**{literal(heading[2])}**\n"
    if item is not None and item[3].strip():
        depth = min(len(item[1].expandtabs(4)) // 2, _DEEPEST)
        return f"{'  ' * depth}- {literal(item[3])}"
    return literal(line)
