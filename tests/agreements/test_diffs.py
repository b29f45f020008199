"""Differences between texts: nothing is lost in them, and a newer template never overrules what was negotiated."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agreements import diffs
from agreements.clauses import Clause, FinalReport, PlainClause, Term, UsageLimits
from agreements.diffs import MOST_STEPS, ChangeKind, ClauseChange, SegmentOp, changed_ids, compare, three_way

WORDS = st.lists(st.sampled_from(["the", "lab", "may", "not", "ask", "\n", "  "]), min_size=1, max_size=12)


def plain(name: str, text: str = "As agreed.") -> Clause:
    return PlainClause(kind="general", clause_id=name, title=name.title(), text=text)


def term(days: int, text: str = "It runs for {days} days.") -> Clause:
    return Term(clause_id="term", title="Term", text=text, days=days)


def limits(tokens: int, text: str = "At most {token_budget} tokens.") -> Clause:
    return UsageLimits(clause_id="limits", title="Limits", text=text, token_budget=tokens, requests_per_minute=9)


@st.composite
def clause_lists(draw: st.DrawFn) -> list[Clause]:
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8))
    return [
        term(draw(st.integers(1, 3)), draw(st.sampled_from(["{days} days", "1 days"]))).model_copy(
            update={"clause_id": name}
        )
        if draw(st.booleans())
        else plain(name, " ".join(draw(WORDS)))
        for name in names
    ]


def kinds(changes: Sequence[ClauseChange]) -> list[tuple[str, str]]:
    return [(change.clause_id, change.kind.value) for change in changes]


def text_of(change: ClauseChange, *ops: SegmentOp) -> str:
    return "".join(segment.text for segment in change.segments if segment.op in ops)


@given(clause_lists(), clause_lists())
def test_both_texts_can_be_put_together_again(before: list[Clause], after: list[Clause]) -> None:
    changes = compare(before, after)
    assert [change.after for change in changes if change.after is not None] == after
    assert sorted(change.before.clause_id for change in changes if change.before is not None) == sorted(
        clause.clause_id for clause in before
    )
    for change in changes:
        assert text_of(change, SegmentOp.SAME, SegmentOp.REMOVED) == (change.before.rendered() if change.before else "")
        assert text_of(change, SegmentOp.SAME, SegmentOp.ADDED) == (change.after.rendered() if change.after else "")
        assert (change.kind is ChangeKind.CHANGED) == (
            change.before is not None and change.after is not None and change.before != change.after
        )
        if change.kind is ChangeKind.CHANGED:
            assert change.fields or text_of(change, SegmentOp.ADDED, SegmentOp.REMOVED)


@given(clause_lists())
def test_a_text_does_not_differ_from_itself(clauses: list[Clause]) -> None:
    assert {change.kind for change in compare(clauses, clauses)} <= {ChangeKind.SAME}
    assert changed_ids(clauses, clauses) == ()


@given(clause_lists(), clause_lists())
def test_the_other_way_round_it_is_the_same_story_backwards(before: list[Clause], after: list[Clause]) -> None:
    mirrored = {ChangeKind.ADDED: ChangeKind.REMOVED, ChangeKind.REMOVED: ChangeKind.ADDED}
    there = {change.clause_id: change for change in compare(before, after)}
    back = {change.clause_id: change for change in compare(after, before)}
    assert there.keys() == back.keys()
    for name, change in there.items():
        assert back[name].kind is mirrored.get(change.kind, change.kind)
        assert {(field.name, field.after, field.before) for field in back[name].fields} == {
            (field.name, field.before, field.after) for field in change.fields
        }


@given(st.permutations("abcdef"))
def test_what_did_not_move_stands_in_the_order_it_had(order: list[str]) -> None:
    before = [plain(name) for name in "abcdef"]
    after = [plain(name) for name in order]
    moved = {change.clause_id for change in compare(before, after) if change.kind is ChangeKind.MOVED}
    stayed = [clause.clause_id for clause in after if clause.clause_id not in moved]
    assert stayed == sorted(stayed)


def test_moving_one_moves_no_other() -> None:
    before = [plain(name) for name in "abcd"]
    changes = compare(before, [before[3], *before[:3]])
    assert kinds(changes) == [("d", "moved"), ("a", "same"), ("b", "same"), ("c", "same")]


def test_a_removed_clause_is_shown_where_it_stood() -> None:
    a, b, c, d, e = (plain(name) for name in "abcde")
    assert kinds(compare([a, b, c, d], [a, d, e])) == [
        ("a", "same"),
        ("b", "removed"),
        ("c", "removed"),
        ("d", "same"),
        ("e", "added"),
    ]
    assert changed_ids([a, b, c, d], [a, d, e]) == ("b", "c", "e")


def test_a_change_names_the_data_and_the_words() -> None:
    (change,) = compare([limits(1000)], [limits(2500)])
    assert change.title == "Limits"
    assert [field.model_dump() for field in change.fields] == [
        {"name": "token budget", "before": "1,000", "after": "2,500"}
    ]
    assert [(segment.op.value, segment.text) for segment in change.segments] == [
        ("same", "At most "),
        ("removed", "1,000 "),
        ("added", "2,500 "),
        ("same", "tokens."),
    ]


def test_a_number_that_leaves_the_data_is_a_change_though_it_reads_the_same() -> None:
    (change,) = compare([term(3, "{days} days")], [term(3, "3 days")])
    assert change.kind is ChangeKind.CHANGED
    assert [(field.name, field.before, field.after) for field in change.fields] == [
        ("wording", "{days} days", "3 days")
    ]


def test_what_becomes_another_kind_of_clause_says_so() -> None:
    (change,) = compare([term(3)], [plain("term", "It runs for 3 days.")])
    assert {field.name for field in change.fields} == {"kind", "days", "wording"}


def test_the_clause_that_only_the_template_changed_is_taken() -> None:
    merged = three_way([limits(1), term(3)], [limits(1), term(9)], [limits(5), term(3)])
    assert merged.clauses == (limits(5), term(9))
    assert merged.conflicts == ()


def test_a_clause_that_both_changed_stays_as_negotiated_and_is_listed() -> None:
    merged = three_way([limits(1), term(3)], [limits(2), term(3)], [limits(5), term(4)])
    assert merged.clauses == (limits(2), term(4))
    assert merged.conflicts == ("limits",)


def test_both_sides_with_the_same_change_are_no_conflict() -> None:
    merged = three_way([term(3)], [term(5)], [term(5)])
    assert (merged.clauses, merged.conflicts) == ((term(5),), ())


def test_a_clause_the_parties_struck_out_does_not_come_back() -> None:
    merged = three_way([term(3), plain("a")], [term(3)], [term(3), plain("a", "Other words.")])
    assert (merged.clauses, merged.conflicts) == ((term(3),), ("a",))


def test_a_clause_the_template_drops_stays_where_the_parties_changed_it() -> None:
    merged = three_way([term(3), plain("a"), plain("b")], [term(3), plain("a"), plain("b", "Ours.")], [term(3)])
    assert (merged.clauses, merged.conflicts) == ((term(3), plain("b", "Ours.")), ("b",))


def test_a_new_clause_of_a_kind_the_parties_have_is_a_conflict_not_a_second_one() -> None:
    own = FinalReport(clause_id="our-report", title="Report", text="{within_days} days", within_days=5)
    new = FinalReport(clause_id="final-report", title="Report", text="{within_days} days", within_days=30)
    merged = three_way([term(3)], [term(3), own], [term(3), new])
    assert (merged.clauses, merged.conflicts) == ((term(3), own), ("final-report",))


@pytest.mark.parametrize("reordered", ["ours", "theirs"])
def test_the_order_of_whoever_changed_it_leads(reordered: str) -> None:
    base = [plain("a"), plain("b"), plain("c")]
    turned = [plain("c"), plain("a"), plain("b")]
    ours, theirs = (turned, base) if reordered == "ours" else (base, turned)
    assert three_way(base, ours, theirs).clauses == tuple(turned)


@given(clause_lists(), clause_lists())
def test_a_text_nobody_negotiated_becomes_the_newer_template(base: list[Clause], theirs: list[Clause]) -> None:
    assert three_way(base, base, theirs).clauses == tuple(theirs) or three_way(base, base, theirs).conflicts


@given(clause_lists(), clause_lists())
def test_a_template_that_did_not_change_changes_nothing(base: list[Clause], ours: list[Clause]) -> None:
    merged = three_way(base, ours, base)
    assert merged.conflicts == ()
    assert changed_ids(ours, merged.clauses) == ()


@given(clause_lists(), clause_lists(), clause_lists())
def test_what_the_parties_negotiated_is_never_lost(
    base: list[Clause], ours: list[Clause], theirs: list[Clause]
) -> None:
    was = {clause.clause_id: clause for clause in base}
    merged = {clause.clause_id: clause for clause in three_way(base, ours, theirs).clauses}
    for clause in ours:
        if was.get(clause.clause_id) != clause:
            assert merged[clause.clause_id] == clause


def told(change: ClauseChange) -> dict[str, tuple[str | None, str | None]]:
    return {field.name: (field.before, field.after) for field in (*change.fields, *change.kept_fields)}


def test_all_data_of_a_clause_stands_in_its_change_whether_its_words_cite_it_or_not() -> None:
    silent = limits(1000, text="A little.")
    (added,) = compare([], [silent])
    assert told(added) == {
        "kind": (None, "usage limits"),
        "token budget": (None, "1,000"),
        "requests per minute": (None, "9"),
    }
    (removed,) = compare([silent], [])
    assert told(removed)["token budget"] == ("1,000", None)
    (reworded,) = compare([silent], [limits(1000, text="At most ten tokens.")])
    assert reworded.fields == ()
    assert told(reworded)["token budget"] == ("1,000", "1,000")
    (changed,) = compare([silent], [limits(9_000_000, text="A little.")])
    assert [field.name for field in changed.fields] == ["token budget"]
    assert told(changed)["requests per minute"] == ("9", "9")


SPICED = st.lists(st.sampled_from(["one ", "two ", "three. ", "four;\n"]), max_size=400).map("".join)


@settings(max_examples=40)
@given(SPICED, SPICED, st.sampled_from([0, 300, 10_000, MOST_STEPS]))
def test_texts_too_long_to_compare_by_words_can_be_put_together_again(before: str, after: str, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffs, "MOST_STEPS", steps)
        (change,) = compare([plain("a", f"So: {before}")], [plain("a", f"So: {after}")])
    assert text_of(change, SegmentOp.SAME, SegmentOp.REMOVED) == f"So: {before}"
    assert text_of(change, SegmentOp.SAME, SegmentOp.ADDED) == f"So: {after}"
    assert change.segments[0].op is SegmentOp.SAME


def test_a_comparison_takes_no_more_steps_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that recur, each too rare to be passed over, cost the more the longer the text; the count is of pairs."""
    compared: list[tuple[int, int]] = []

    class Counting(SequenceMatcher[str]):
        def __init__(self, isjunk: None, a: Sequence[str], b: Sequence[str]) -> None:
            compared.append((len(a), len(b)))
            super().__init__(isjunk, a, b)

    monkeypatch.setattr(diffs, "SequenceMatcher", Counting)
    alphabet = [chr(0x4E00 + place) for place in range(150)]
    one = " ".join(alphabet[place * place % 150] for place in range(3900))
    other = " ".join(alphabet[place * place * place % 150] for place in range(3900))
    (change,) = compare([plain("a", one)], [plain("a", other)])
    assert compared == [(1, 1)]
    assert text_of(change, SegmentOp.SAME, SegmentOp.REMOVED) == one
    compared.clear()
    long = [" ".join(f"w{place * step % 150}." for place in range(900)) for step in (1, 7)]
    compare([plain(name, long[0]) for name in "abcdefgh"], [plain(name, long[1]) for name in "abcdefgh"])
    assert sum(was * now for was, now in compared) <= MOST_STEPS
    assert (1, 1) in compared
