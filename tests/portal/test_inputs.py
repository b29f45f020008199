"""Typed text: bounded, printable and normalised, and refusals that do not repeat the input."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agreements.errors import ConcordatError, Invalid
from portal.inputs import Digest, Identifier, Line, Prose, parse


class Form(BaseModel):
    line: Line = "x"
    prose: Prose = "x"
    identifier: Identifier = "x"
    digest: Digest = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("line", ""),
        ("line", "   "),
        ("line", "a" * 161),
        ("line", "two\nlines"),
        ("line", "bell\x07"),
        ("line", "\u202eevil"),
        ("line", "\ud800"),
        ("line", 3),
        ("prose", "a" * 4001),
        ("prose", "null\x00"),
        ("prose", "\u2066hidden"),
        ("identifier", "../etc"),
        ("identifier", "-dash"),
        ("digest", "sha256:" + "A" * 64),
        ("digest", "md5:" + "0" * 64),
    ],
)
def test_bad_text_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(Form, {field: value})
    assert refusal.value.code == "bad_input"
    assert refusal.value.param == field


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(Invalid) as refusal:
        parse(Form, {"digest": "the secret prompt"})
    assert "secret" not in str(refusal.value)


def test_text_is_normalised_so_that_equal_words_have_equal_digests() -> None:
    assert parse(Form, {"line": "  e\u0301te\u0301 "}).line == "\u00e9t\u00e9"
    assert parse(Form, {"prose": "a\r\nb\tc"}).prose == "a\nb\tc"


@given(st.dictionaries(st.sampled_from(["line", "prose", "identifier", "digest"]), st.text() | st.integers()))
def test_parse_raises_nothing_but_refusals(data: dict[str, object]) -> None:
    with contextlib.suppress(ConcordatError):
        parse(Form, data)
