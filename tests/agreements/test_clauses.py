"""Clauses: one source for text and number, and an honest word on what each compiles to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.clauses import (
    EffectKind,
    UsageLimits,
    check_clauses,
    grant_bounds,
    parse_clauses,
)
from agreements.errors import ConcordatError, Invalid, NotFound
from agreements.standard_terms import Template, template, templates
from tests.agreements.parties import NOW


@pytest.mark.parametrize("entry", templates(), ids=lambda entry: f"{entry.template_id}-{entry.version}")
def test_every_shipped_template_governs(entry: Template) -> None:
    clauses = entry.clauses
    check_clauses(clauses, entry.form)
    assert all(clause.effects() for clause in clauses)
    assert all("{" not in clause.rendered() for clause in clauses)


def test_the_text_reads_the_number_that_is_enforced() -> None:
    limits = UsageLimits(
        clause_id="limits",
        title="Limits",
        text="At most {token_budget} tokens.",
        token_budget=12345,
        requests_per_minute=7,
    )
    assert limits.rendered() == "At most 12,345 tokens."
    assert limits.effects()[0].kind is EffectKind.ENFORCED


def test_bounds_come_from_the_clauses() -> None:
    clauses = template("software-access").clauses
    bounds = grant_bounds(clauses, NOW).scope
    assert bounds.expires_at == NOW
    assert bounds.names("ladder-l")
    assert bounds.covers_family("ladder")


def test_a_text_that_cites_what_the_clause_lacks_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        parse_clauses([{"kind": "term", "clause_id": "term", "title": "Term", "text": "{weeks} weeks", "days": 3}])
    assert refused.value.code == "bad_clause"


def test_an_agreement_needs_each_enforced_clause_once() -> None:
    clauses = template("software-access").clauses
    with pytest.raises(Invalid) as refused:
        check_clauses([clause for clause in clauses if clause.kind != "term"])
    assert refused.value.code == "clause_count"
    with pytest.raises(Invalid) as refused:
        check_clauses([*clauses, clauses[0]])
    assert refused.value.code == "repeated_clause"


def test_an_unknown_template_names_the_known_ones() -> None:
    with pytest.raises(NotFound) as refused:
        template("no-such")
    assert "software-access" in refused.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["kind", "clause_id", "title", "text", "days", "x"]) | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_only_our_refusals_escape_the_clause_decoder(data: object) -> None:
    try:
        parse_clauses(data)
    except ConcordatError as error:
        assert error.code == "bad_clause"


@given(st.text(alphabet="{}[]().!:_abct0 ", max_size=30))
def test_no_text_template_reaches_beyond_the_clause(text: str) -> None:
    data = [{"kind": "term", "clause_id": "term", "title": "Term", "text": text or "x", "days": 3}]
    try:
        clauses = parse_clauses(data)
    except Invalid:
        return
    assert "<" not in clauses[0].rendered()
