"""How values read on a screen: time, numbers, digests, and text that somebody else wrote.

What models and reporters write is not trusted. It passes through ``plain`` (nothing invisible or reordering survives)
and, where Streamlit would read Markdown, through ``literal`` (every character stands for itself).
"""

import re
import unicodedata
from datetime import datetime

from agreements.texts import spoils

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ADDRESS = re.compile(r"(?:https?://|www\.|[\w.+-]+@[\w-]+\.)\S*", re.IGNORECASE)
"""What Markdown makes a link of by itself, after it has read every escape."""
_KEPT = frozenset("\n\t\u200c\u200d")
"""Line break and tab; the two joiners without which Persian, Indic scripts and emoji are misspelt."""
_INVISIBLE = frozenset({"Cf", "Zl", "Zp"})
"""What cannot be seen, though it neither controls nor reorders."""
_STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86_400, 3600, "hour"), (86_400 * 60, 86_400, "day"))
_MONTH_S = 86_400 * 30


def plain(text: str) -> str:
    """The text with control, escape, bidirectional and other invisible characters shown as ``\\u{...}``."""
    return "".join(
        character
        if character in _KEPT or not (spoils(character) or unicodedata.category(character) in _INVISIBLE)
        else f"\\u{{{ord(character):x}}}"
        for character in text
    )


def literal(text: str) -> str:
    """Markdown that shows exactly this one line or paragraph, with no link, picture, formula or directive."""
    return _literal_line(" ".join(plain(text).split()))


def prose(text: str) -> str:
    """Markdown that shows exactly this text, line by line."""
    return "  \n".join(_literal_line(line.strip()) for line in plain(text).split("\n"))


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 finding``, ``1,200 findings``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(at: datetime | None) -> str:
    """A point in time in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"


def relative(at: datetime, now: datetime) -> str:
    """How long ago, or how far ahead, in one unit."""
    seconds = (at - now).total_seconds()
    size = abs(seconds)
    if size < 45:
        return "just now" if seconds <= 0 else "in a moment"
    for below, unit, noun in _STEPS:
        if size < below:
            return _phrase(count(max(round(size / unit), 1), noun), seconds)
    return _phrase(count(round(size / _MONTH_S), "month"), seconds)


def when(at: datetime | None, now: datetime) -> str:
    """A point in time, absolute and relative."""
    return f"{moment(at)} ({relative(at, now)})" if at else "never"


def short(digest: str) -> str:
    """A digest cut to what people compare by eye."""
    head, _, body = digest.rpartition(":")
    return f"{head}:{body[:12]}…" if head else f"{body[:12]}…"


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _phrase(amount: str, seconds: float) -> str:
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def _literal_line(line: str) -> str:
    parts, end = [], 0
    for match in _ADDRESS.finditer(line):
        parts += [_PUNCTUATION.sub(r"\\\1", line[end : match.start()]), _code(match[0])]
        end = match.end()
    return "".join([*parts, _PUNCTUATION.sub(r"\\\1", line[end:])])


def _code(text: str) -> str:
    """A code span: between fences longer than any run of backticks within, and apart from one at either end."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    apart = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{apart}{text}{apart}{fence}"
