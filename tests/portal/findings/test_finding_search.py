"""Search, paging and counts: BM25 over what the reader may see, and nothing else."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import Actor
from agreements.errors import Invalid
from portal.findings.marking import Audience, Tlp
from portal.findings.model import Kind, Severity
from portal.findings.reads import Filters, FindingPage
from portal.findings.search import MAX_QUERY_TERMS, occurrences, query_terms, terms
from portal.findings.service import FindingDraft, FindingService
from portal.paging import Place


def draft(title: str, summary: str = "Nothing else.", **changes: Any) -> FindingDraft:
    return FindingDraft.model_validate(
        {
            "institution_id": "uni",
            "title": title,
            "summary": summary,
            "kind": Kind.MISUSE_FINDING,
            "severity": Severity.LOW,
            "marking": Tlp.GREEN,
            **changes,
        }
    )


def titles(page: FindingPage) -> list[str]:
    return [row.title for row in page.rows]


def test_terms_are_folded_words() -> None:
    assert terms("Émile's GPT_2 ﬁnding, ß!") == ["émile", "s", "gpt", "2", "finding", "ss"]
    assert occurrences("Spam", "spam and ham") == Counter({"spam": 3, "and": 1, "ham": 1})


@given(st.text())
def test_a_query_is_a_bounded_set_of_terms(text: str) -> None:
    words = query_terms(text)
    assert len(words) == len(set(words)) <= MAX_QUERY_TERMS
    assert all(0 < len(word) <= 64 for word in words)


def test_the_best_match_comes_first(findings: FindingService, reporter: Actor) -> None:
    findings.file(reporter, draft("Spam", "Spam that sells spam."))
    findings.file(reporter, draft("Weather", "A forecast, with one word of spam in a much longer summary."))
    findings.file(reporter, draft("Poetry", "Sonnets."))
    page = findings.list(reporter, Filters(text="spam"))
    assert (titles(page), page.total) == (["Spam", "Weather"], 2)
    assert titles(findings.list(reporter, Filters(text="SONNETS forecast"))) == ["Poetry", "Weather"]
    assert findings.list(reporter, Filters(text="!!!")).total == 0


def test_a_revision_replaces_the_words_that_are_found(findings: FindingService, reporter: Actor) -> None:
    finding_id = findings.file(reporter, draft("Zebra")).finding_id
    findings.revise(reporter, finding_id, draft("Giraffe"), base=1, note="Animal")
    assert findings.list(reporter, Filters(text="zebra")).total == 0
    assert titles(findings.list(reporter, Filters(text="giraffe"))) == ["Giraffe"]


def test_filters_narrow_the_list(findings: FindingService, reporter: Actor) -> None:
    findings.file(reporter, draft("One", kind=Kind.BENEFIT, severity=None, checkpoint_ids=("ladder-s",)))
    findings.file(reporter, draft("Two", marking=Tlp.AMBER, checkpoint_ids=("ladder-s", "ladder-xl")))
    cases = {
        "Two": [Filters(marking=Tlp.AMBER), Filters(checkpoint_id="ladder-xl"), Filters(kind=Kind.MISUSE_FINDING)],
        "One": [Filters(kind=Kind.BENEFIT), Filters(text="one", checkpoint_id="ladder-s")],
    }
    for title, filters in cases.items():
        for chosen in filters:
            assert titles(findings.list(reporter, chosen)) == [title]
    both = findings.list(reporter, Filters(checkpoint_id="ladder-s"))
    assert titles(both) == ["Two", "One"]
    assert both.rows[0].checkpoint_ids == ("ladder-s", "ladder-xl")


@pytest.mark.parametrize("text", ["", "finding"])
def test_pages_join_into_the_whole_list(findings: FindingService, reporter: Actor, text: str) -> None:
    for number in range(7):
        findings.file(reporter, draft(f"Finding {number}", "word " * (number % 3 + 1)))
    whole = findings.list(reporter, Filters(text=text))
    collected: list[str] = []
    cursor: str | None = None
    while True:
        page = findings.list(reporter, Filters(text=text), limit=3, cursor=cursor)
        assert page.total == 7
        collected += titles(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert collected == titles(whole)
    assert len(collected) == 7


@given(st.text())
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Place.of(cursor)
    assert refusal.value.code == "bad_cursor"


def test_pages_have_a_size(findings: FindingService, reporter: Actor) -> None:
    for limit in (0, 101):
        with pytest.raises(Invalid):
            findings.list(reporter, limit=limit)


WORDS = ("spam", "zebra", "poem", "finding")


def observable(findings: FindingService, reader: Actor | None) -> object:
    """Everything lists, searches, cursors and counts tell one reader."""
    return (
        findings.list(reader),
        findings.counts(reader),
        [findings.list(reader, Filters(text=word), limit=1) for word in WORDS],
        [findings.list(reader, Filters(kind=kind)).total for kind in Kind],
        findings.evidence_by_kind(reader),
        findings.checkpoints_of(reader),
    )


@pytest.mark.parametrize("marking", [Tlp.RED, Tlp.AMBER_STRICT, Tlp.AMBER])
def test_a_hidden_finding_changes_nothing_that_others_see(
    findings: FindingService, reporter: Actor, stranger: Actor, marking: Tlp
) -> None:
    findings.file(reporter, draft("Spam finding", "Spam and a poem, a short finding."))
    findings.file(reporter, draft("Zebra finding", "A zebra writes a poem about spam, spam, spam."))
    before = [observable(findings, reader) for reader in (stranger, None)]
    hidden = draft("Spam zebra", "spam " * 300 + "zebra poem finding", marking=marking, checkpoint_ids=("ladder-xl",))
    finding_id = findings.file(reporter, hidden).finding_id
    findings.revise(reporter, finding_id, hidden.model_copy(update={"title": "Spam spam"}), base=1, note="More")
    assert [observable(findings, reader) for reader in (stranger, None)] == before


def test_the_list_and_the_predicate_agree_on_every_reader(
    findings: FindingService, reporter: Actor, lead: Actor, coordinator: Actor, stranger: Actor
) -> None:
    for marking in Tlp:
        findings.file(reporter, draft(f"Marked {marking}", marking=marking, to_coordinators=False))
    for reader in (reporter, lead, coordinator, stranger, Actor.automatic("rule"), None):
        expected = {
            marking for marking in Tlp if Audience(marking=marking, institution_id="uni", named=("ada",)).admits(reader)
        }
        assert {row.marking for row in findings.list(reader).rows} == expected
        counted = findings.counts(reader).by_marking
        assert {marking for marking, number in counted.items() if number} == expected


def bm25(query: str, documents: dict[str, tuple[str, str]]) -> dict[str, float]:
    """Scores by the textbook, document by document (Robertson & Zaragoza 2009, k1 = 1.2, b = 0.75)."""
    bags = {name: occurrences(*texts) for name, texts in documents.items()}
    mean_length = sum(sum(bag.values()) for bag in bags.values()) / len(bags)
    scores = dict.fromkeys(documents, 0.0)
    for term in query_terms(query):
        containing = sum(1 for bag in bags.values() if term in bag)
        weight = math.log(1 + (len(bags) - containing + 0.5) / (containing + 0.5))
        for name, bag in bags.items():
            length = sum(bag.values()) / mean_length
            scores[name] += weight * bag[term] * 2.2 / (bag[term] + 1.2 * (1 - 0.75 + 0.75 * length))
    return {name: score for name, score in scores.items() if score > 0}


def test_the_ranking_is_bm25(findings: FindingService, reporter: Actor) -> None:
    documents = {
        "Spam at scale": "Spam, spam and more spam from the largest size.",
        "Poems": "The model writes poems; one poem is about spam.",
        "Detection": "A detector finds spam in eight of ten cases, and poems in none.",
        "Unrelated": "Nothing of the sort.",
    }
    for title, summary in documents.items():
        findings.file(reporter, draft(title, summary))
    for query in ("spam", "poems spam", "detector cases", "the largest size of spam"):
        scores = bm25(query, {title: (title, summary) for title, summary in documents.items()})
        ranked = titles(findings.list(reporter, Filters(text=query)))
        assert ranked == sorted(scores, key=lambda title: -scores[title])
