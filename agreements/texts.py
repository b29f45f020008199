"""Text that everybody reads the same way: nothing in it erases, rings or reorders what is shown."""

import unicodedata

LAYOUT = frozenset("\n\t")
"""What text of several lines may hold besides characters."""

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def unprintable(text: str, allowed: frozenset[str] = frozenset()) -> str | None:
    """The first control character, lone surrogate or bidirectional override that is not ``allowed``; None for none."""
    return next((char for char in text if char not in allowed and _spoils(char)), None)


def _spoils(char: str) -> bool:
    return char in _REORDERING or unicodedata.category(char) in ("Cc", "Cs")
