"""Words: time, counts, and text that nothing can break out of; clauses as people type them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.norms.model import NormClause
from portal.pages.norm_text import read, typed
from portal.pages.words import count, literal, plain, prose, relative, short, when

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=20), "in a moment"),
        (timedelta(seconds=-50), "50 seconds ago"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(minutes=90), "in 2 hours"),
        (timedelta(hours=-30), "1 day ago"),
        (timedelta(days=59), "in 59 days"),
        (timedelta(days=-181), "6 months ago"),
    ],
)
def test_relative_time_is_one_unit(ahead: timedelta, words: str) -> None:
    assert relative(NOW + ahead, NOW) == words


def test_a_moment_is_absolute_and_relative() -> None:
    assert when(NOW - timedelta(hours=2), NOW) == "2026-03-01 10:00 UTC (2 hours ago)"
    assert when(None, NOW) == "never"


def test_counts_agree_with_their_noun() -> None:
    assert [count(n, "entry", "entries") for n in (1, 2, 1200)] == ["1 entry", "2 entries", "1,200 entries"]


def test_a_digest_is_cut_to_what_is_compared_by_eye() -> None:
    assert short("sha256:" + "a" * 64) == "sha256:aaaaaaaaaaaa…"
    assert short("b" * 64) == "bbbbbbbbbbbb…"


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("a\u202eb", "a\\u{202e}b"),
        ("\u001b[31mred", "\\u{1b}[31mred"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("\u2028", "\\u{2028}"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("line\nline\ttab", "line\nline\ttab"),
    ],
)
def test_what_cannot_be_seen_is_spelt_out(given_text: str, shown: str) -> None:
    assert plain(given_text) == shown


@given(st.text())
def test_plain_text_holds_nothing_that_reorders_or_controls(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain(text))


@given(st.text())
def test_in_literal_text_no_mark_stands_unescaped_and_no_line_breaks(text: str) -> None:
    shown = literal(text)
    assert "\n" not in shown
    assert not re.search(r"[!-/:-@\[-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]|(`+).*?(?<!`)\1(?!`)", "", shown))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://evil.example/a_b *now*", r"see `https://evil.example/a_b` \*now\*"),
        ("(WWW.evil.example)", r"\(`WWW.evil.example)`"),
        ("ask ann@evil.example", "ask `ann@evil.example`"),
        ("http://a``b`", "``` http://a``b` ```"),
    ],
)
def test_an_address_is_code_and_becomes_no_link(text: str, shown: str) -> None:
    assert literal(text) == prose(text) == shown


@given(st.text())
def test_in_prose_no_line_begins_a_block(text: str) -> None:
    for line in prose(text).split("\n"):
        assert not re.match(r"(\s{4}|\t|[#>*+~=|$:-]|`+[^`]*$)", line)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True), st.sampled_from(["One.", "Two: three.", "A\nB"])
        ),
        unique_by=lambda pair: pair[0],
        min_size=1,
        max_size=6,
    )
)
def test_clauses_survive_being_typed_and_read(pairs: list[tuple[str, str]]) -> None:
    clauses = tuple(NormClause(clause_id=name, text=text) for name, text in pairs)
    assert [NormClause(**clause) for clause in read(typed(clauses))] == list(clauses)


def test_unnamed_clauses_get_names_that_are_free() -> None:
    assert read("c1: First.\n\nSecond.\n\n\nThird.") == [
        {"clause_id": "c1", "text": "First."},
        {"clause_id": "c2", "text": "Second."},
        {"clause_id": "c3", "text": "Third."},
    ]
    assert read("  \n\n ") == []
