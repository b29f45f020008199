"""The paper of an agreement: what stands on it, that it is the same each time, and that text of others stays text."""

import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from agreements.actors import PartyKind
from agreements.agreement import Agreement, EditDraft, Offer, Terminate
from agreements.institutions import Custody, InstitutionKey
from agreements.keys import SigningKey
from portal.papers.agreement_pdf import agreement_pdf
from portal.papers.paper import AgreementPaper
from portal.papers.typesetting import spelled
from tests.agreements.parties import (
    COORDINATOR,
    LAB_KEY,
    LATER,
    LEAD,
    NOW,
    PARTNER_KEY,
    apply,
    drafted,
    in_force,
    offered,
    signature,
)
from tests.agreements.silent import HIDDEN, silent_clauses


def key_of(key: SigningKey, custody: Custody) -> InstitutionKey:
    return InstitutionKey(
        public_key=key.public.raw.hex(), custody=custody, registered_at=NOW, registered_by="Lea Lead", allowed_by="Ada"
    )


def test_every_signature_says_how_its_key_came() -> None:
    read = " ".join(pages(paper_of(in_force())))
    assert read.count("asked for by Lea Lead, allowed by Ada of the lab") == 2


def paper_of(agreement: Agreement, **changed: Any) -> AgreementPaper:
    keys = {one.public_key: one for one in (key_of(PARTNER_KEY, Custody.OWN), key_of(LAB_KEY, Custody.PORTAL))}
    paper = AgreementPaper.of(agreement, agreement.shown, LATER, keys)
    return paper.model_copy(update=changed)


def pages(paper: AgreementPaper) -> list[str]:
    """The text of each page, spaces and breaks evened out."""
    reader = PdfReader(io.BytesIO(agreement_pdf(paper)), strict=True)
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def titled(title: str, clauses: Sequence[Any] | None = None) -> AgreementPaper:
    paper = paper_of(in_force())
    changed: dict[str, Any] = {"document": {**paper.document, "title": title}}
    return paper.model_copy(update=changed if clauses is None else changed | {"clauses": clauses})


def test_counsel_reads_all_of_it() -> None:
    agreement = in_force()
    read = pages(paper_of(agreement))
    whole = " ".join(read)
    for number, clause in enumerate(agreement.clauses, start=1):
        assert f"{number}. {clause.title}" in whole
        first = " ".join(clause.rendered().split()[:6])
        assert first in whole
        for effect in clause.effects():
            label = {"enforced": "Enforced", "duty": "Duty", "tracked": "Tracked only"}[effect.kind]
            assert f"{label} {effect.summary.split()[0]}" in whole
    for name in ("North University", "The Lab", "agr_test", "In force", str(agreement.document_digest)):
        assert name in read[0]


def test_every_page_has_its_number_and_the_digest() -> None:
    agreement = in_force()
    read = pages(paper_of(agreement))
    for number, page in enumerate(read, start=1):
        assert f"Page {number} of {len(read)}" in page
        assert str(agreement.document_digest) in page


def test_the_signature_page_says_who_signed_and_with_which_key() -> None:
    page = next(page for page in pages(paper_of(in_force())) if page.startswith("Signatures"))
    for name, key in (("Ben", PARTNER_KEY), ("Ada", LAB_KEY)):
        assert name in page
        assert key.public.key_id in page
    assert page.count("1 March 2026, 12:00:00 UTC") == 2
    assert "never held it" in page
    assert "Kept by the portal" in page


def test_a_missing_signature_is_missing_on_paper() -> None:
    agreement = offered()
    signed = apply(agreement, signature(agreement, PartyKind.INSTITUTION), LEAD)
    page = next(page for page in pages(paper_of(signed)) if "Signatures Each" in page)
    assert "Ben" in page
    assert page.count("Not signed.") == 1


def test_the_last_page_says_how_to_check() -> None:
    last = pages(paper_of(in_force()))[-1]
    assert last.startswith("How to check this document")
    assert "concordat verify agr_test.zip --vkey LOG_KEY" in last


def test_the_same_paper_gives_the_same_bytes() -> None:
    paper = paper_of(in_force())
    assert agreement_pdf(paper) == agreement_pdf(paper.model_copy(deep=True))
    assert agreement_pdf(paper) != agreement_pdf(titled("Other terms"))


def test_what_does_not_govern_is_marked_on_every_page() -> None:
    ended = apply(in_force(), Terminate(reason="The study is over."), COORDINATOR, LATER)
    for agreement, mark in ((drafted(), "DRAFT"), (offered(), "DRAFT"), (ended, "TERMINATED")):
        paper = paper_of(agreement)
        assert paper.mark == mark
        assert all(mark in page for page in pages(paper))
    assert paper_of(in_force()).mark is None
    assert not any("DRAFT" in page for page in pages(paper_of(in_force())))


def test_a_term_that_ended_is_marked() -> None:
    agreement = in_force()
    paper = AgreementPaper.of(agreement, agreement.shown, NOW + timedelta(days=4000), {})
    assert (paper.mark, paper.status) == ("EXPIRED", "expired")


@pytest.mark.parametrize(
    "name",
    ["Łódź Žižka", "Αθήνα ώρα", "Москва Ґанок", "Nguyễn Thị Đặng", "<b>bold</b> & **x** %s {nb} {0} \\n", "fi ffl"],
)
def test_text_of_others_is_set_as_it_is(name: str) -> None:
    assert name in pages(titled(name))[0]


def test_what_the_face_lacks_is_spelled_never_dropped() -> None:
    assert spelled("東京") == "[U+6771][U+4EAC]"
    assert spelled("a\u202eb\x00c\u00ad") == "a[U+202E]b[U+0000]c[U+00AD]"
    assert spelled("e\u0301") == "é"
    assert "[U+E000] pages" in pages(titled("\ue000 pages"))[0]
    assert "[U+6771][U+4EAC] Univ" in pages(titled("東京 Univ"))[0]


@settings(max_examples=25)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_the_paper(title: str, text: str) -> None:
    paper = paper_of(in_force())
    clause = paper.clauses[0].model_copy(update={"title": title or "x", "text": text})
    assert agreement_pdf(titled(title, [clause])).startswith(b"%PDF-")


def test_a_long_clause_runs_over_pages() -> None:
    paper = paper_of(in_force())
    clause = paper.clauses[0].model_copy(update={"text": "word " * 1600 + "the-very-end"})
    read = pages(titled("Long", [clause]))
    assert len(read) >= 5
    assert any("the-very-end" in page for page in read)
    assert "w" * 400 in "".join(pages(titled("Wide", [clause.model_copy(update={"text": "w" * 400})]))).replace(" ", "")


def test_an_unknown_custody_is_said_to_be_unknown() -> None:
    agreement = in_force()
    paper = AgreementPaper.of(agreement, agreement.shown, LATER, {})
    assert all(place.signature and place.signature.custody is None for place in paper.places)
    assert any(page.count("Not on record") == 2 for page in pages(paper))


def test_what_the_words_leave_out_stands_on_the_paper() -> None:
    silent = apply(drafted(), EditDraft(title="Software access", clauses=silent_clauses()), COORDINATOR)
    assert not any(hidden in clause.rendered() for clause in silent.clauses for hidden in HIDDEN)
    whole = " ".join(pages(paper_of(apply(silent, Offer(), COORDINATOR))))
    for hidden in HIDDEN:
        assert hidden in whole, hidden
