"""Text that everybody reads the same way: nothing in it erases, rings or reorders what is shown."""

import unicodedata

LAYOUT = frozenset("\n\t")
"""What text of several lines may hold besides characters."""

OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional embeddings, overrides and isolates (Unicode standard annex 9)."""
MARKS = frozenset("\u061c\u200e\u200f")
"""Implicit directional marks. They were once let in: what is stored with them stays readable."""
REORDERING = OVERRIDES | MARKS
"""Every character that changes the order in which others are shown."""


def spoils(char: str) -> bool:
    """Whether a character is a control character, a lone surrogate, or one that reorders others."""
    return char in REORDERING or unicodedata.category(char) in ("Cc", "Cs")


def unprintable(text: str, allowed: frozenset[str] = frozenset()) -> str | None:
    """The first character of ``text`` that spoils it and is not ``allowed``; None for none."""
    return next((char for char in text if char not in allowed and spoils(char)), None)


def one_line(text: str) -> str:
    """The text, if it is one line that everybody reads alike: for fields of commands. Raises ValueError."""
    return _readable(text, frozenset())


def paragraphs(text: str) -> str:
    """The text, if everybody reads it alike, in lines or not: for fields of commands. Raises ValueError."""
    return _readable(text, LAYOUT)


def _readable(text: str, allowed: frozenset[str]) -> str:
    char = unprintable(text, allowed)
    if char is not None:
        raise ValueError(f"the character U+{ord(char):04X} is not allowed here")
    return text
