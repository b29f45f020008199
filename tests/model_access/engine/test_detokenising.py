from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from model_access.engine.detokenising import Detokeniser


def as_bytes(ids: Sequence[int]) -> str:
    """A tokenizer whose tokens are bytes."""
    return bytes(ids).decode("utf-8", errors="replace")


def with_leading_space(ids: Sequence[int]) -> str:
    """A decoder that strips the first space, as SentencePiece's does."""
    words = [" one", " two", "three", " four"]
    return "".join(words[token % len(words)] for token in ids).removeprefix(" ")


@given(st.text(max_size=30))
def test_text_comes_out_whole_and_never_half_a_character(text: str) -> None:
    detokeniser = Detokeniser(as_bytes)
    pieces = [detokeniser.feed(byte) for byte in text.encode()]
    assert "".join(pieces) + detokeniser.flush() == text
    assert all("\N{REPLACEMENT CHARACTER}" not in piece for piece in pieces) or "\N{REPLACEMENT CHARACTER}" in text


@given(st.lists(st.integers(0, 255), max_size=40))
def test_broken_bytes_come_out_as_the_decoder_shows_them(ids: list[int]) -> None:
    detokeniser = Detokeniser(as_bytes)
    assert "".join(map(detokeniser.feed, ids)) + detokeniser.flush() == as_bytes(ids)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.lists(st.integers(0, 3), max_size=20))
def test_what_went_before_decides_how_a_text_begins(context: list[int], ids: list[int]) -> None:
    detokeniser = Detokeniser(with_leading_space, context)
    text = "".join(map(detokeniser.feed, ids)) + detokeniser.flush()
    assert with_leading_space(context) + text == with_leading_space(context + ids)


def test_a_context_that_breaks_off_inside_a_character_is_left_alone() -> None:
    detokeniser = Detokeniser(as_bytes, "é".encode()[:1])
    assert [detokeniser.feed(byte) for byte in b"ab"] == ["a", "b"]


def test_a_character_is_shown_with_its_last_byte() -> None:
    detokeniser = Detokeniser(as_bytes)
    assert [detokeniser.feed(byte) for byte in "€".encode()] == ["", "", "€"]
