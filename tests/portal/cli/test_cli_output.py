"""Text of others cannot act on a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from portal.cli.output import pick, plain


@given(st.text())
def test_nothing_shown_moves_the_cursor_or_reorders(text: str) -> None:
    shown = plain(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in shown)
    assert not any("\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069" for char in shown)


def test_values_read_as_people_write_them() -> None:
    assert plain(None) == ""
    assert plain(True) == "yes"
    assert plain(1234567) == "1,234,567"
    assert plain(["a", "b"]) == "a, b"
    assert plain("2026-11-23T08:15:41.378155Z") == "2026-11-23 08:15 UTC"
    assert plain("\x1b[31mred\r\nnext") == "\N{REPLACEMENT CHARACTER}[31mred next"


def test_a_missing_member_is_nothing() -> None:
    assert pick({"a": {"b": 1}}, "a.b") == 1
    assert pick({"a": None}, "a.b") is None
    assert pick({}, "a") is None
