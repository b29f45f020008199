"""Review before publication on screen, as each side meets it."""

from typing import Any

import pytest

from agreements.agreement import Agreement
from agreements.people import Person
from agreements.publication import PublicationKind, PublicationStatus
from agreements.standard_terms import template
from portal.pages.publication_view import typed_digest
from portal.services.publications import PublicationView, RedactionRequest, Submission
from tests.portal.pages.pages_world import World, click, said

FILE, CHANGED = "a" * 64, "b" * 64
REASON = "It tells how to get around the filter."


def agreed(world: World, *, window_days: int = 30) -> Agreement:
    """An agreement in force with a clause on review."""
    agreements, lab, lead = world.portal.agreements, world.actor(world.coordinator), world.actor(world.lead)
    review = {
        "kind": "publication_review",
        "clause_id": "publication",
        "title": "Publication",
        "text": "Cleared after {window_days} days.",
        "window_days": window_days,
        "grounds": ["safety"],
    }
    clauses: list[Any] = [
        clause.model_dump(mode="json")
        for clause in template("software-access").clauses
        if clause.kind != "publication_review"
    ]
    draft = agreements.draft(lab, institution_id="northfield", clauses=[*clauses, review])
    digest = agreements.offer(lab, draft.id).document_digest or ""
    for signer in (lead, lab):
        agreements.sign(signer, draft.id, typed_name=signer.name, document_digest=digest)
    return draft


def submitted(world: World, title: str = "What models remember") -> PublicationView:
    submission = Submission(
        agreement_id=agreed(world).id, title=title, kind=PublicationKind.MANUSCRIPT, sha256=f"sha256:{FILE}"
    )
    return world.portal.publications.submit(world.actor(world.member), submission)


def asked(world: World) -> str:
    publication_id = submitted(world).publication.id
    request = RedactionRequest(where="Section 4", ground="safety", reason=REASON)
    world.portal.publications.ask(world.actor(world.coordinator), publication_id, [request])
    return publication_id


def status_of(world: World, publication_id: str) -> PublicationStatus:
    return world.portal.publications.get(world.actor(world.coordinator), publication_id).status


def test_a_member_puts_a_file_forward_by_its_digest(world: World) -> None:
    agreed(world)
    app = world.screen(world.member, "publications")
    app.text_input(key="publication.submit.title").set_value("What models remember")
    app.text_input(key="publication.submit.sha256").set_value(f"{FILE.upper()}  paper.pdf")
    click(app, "publication.submit.submit")
    (view,) = world.portal.publications.list(world.actor(world.lead))
    assert view.publication.sha256 == f"sha256:{FILE}"
    assert app.query_params["publication"] == view.publication.id
    words = said(app)
    assert "Under review, clears" in words.replace("\\", "")
    assert "unless the lab answers" in words


def test_a_digest_that_is_none_is_refused(world: World) -> None:
    agreed(world)
    app = world.screen(world.lead, "publications")
    app.text_input(key="publication.submit.title").set_value("What models remember")
    app.text_input(key="publication.submit.sha256").set_value("paper.pdf")
    click(app, "publication.submit.submit")
    assert "bad_input" in said(app)
    assert world.portal.publications.list(world.actor(world.lead)) == ()


@pytest.mark.parametrize("role", ["coordinator", "rival"])
def test_who_has_no_agreement_to_publish_under_is_offered_no_form(world: World, role: str) -> None:
    agreed(world)
    app = world.screen(getattr(world, role), "publications")
    assert not app.text_input
    assert "Nothing has been put forward" in said(app)


def test_the_lab_asks_and_the_institution_contests_and_the_lab_maintains(world: World) -> None:
    publication_id = submitted(world).publication.id
    lab = world.screen(world.coordinator, "publications", publication=publication_id)
    form = f"publication.ask:{publication_id}"
    assert lab.selectbox(key=f"{form}.ground").options == ["Safety"]
    lab.text_area(key=f"{form}.where").set_value("Section 4")
    lab.text_area(key=f"{form}.reason").set_value("No.")
    click(lab, f"{form}.submit")
    assert "bad_input" in said(lab)
    lab.text_area(key=f"{form}.reason").set_value(REASON)
    click(lab, f"{form}.submit")
    assert status_of(world, publication_id) is PublicationStatus.REDACTIONS_ASKED
    ours = world.screen(world.lead, "publications", publication=publication_id)
    assert "get around the filter" in said(ours)
    form = f"publication.contest:{publication_id}:1"
    ours.text_area(key=f"{form}.reason").set_value("It has been public since May of last year.")
    click(ours, f"{form}.submit")
    assert "Deemed withdrawn" not in said(ours)
    lab.run()
    assert "Deemed withdrawn" in said(lab)
    form = f"publication.maintain:{publication_id}:1"
    lab.text_area(key=f"{form}.reason").set_value("What is public is not the recipe itself.")
    click(lab, f"{form}.submit")
    words = said(world.screen(world.member, "publications", publication=publication_id))
    assert "not the recipe itself" in words
    assert "public since May" in words


def test_a_redaction_is_made_and_the_lab_clears_early(world: World) -> None:
    publication_id = asked(world)
    ours = world.screen(world.member, "publications", publication=publication_id)
    ours.text_input(key=f"publication.accept:{publication_id}:1.sha256").set_value(CHANGED)
    click(ours, f"publication.accept:{publication_id}:1.submit")
    assert "Redaction 1 is made." in said(ours)
    lab = world.screen(world.coordinator, "publications", publication=publication_id)
    click(lab, f"publication.clear:{publication_id}.open")
    assert "may publish" in said(lab)
    assert status_of(world, publication_id) is PublicationStatus.UNDER_REVIEW
    click(lab, f"publication.clear:{publication_id}.confirm")
    assert status_of(world, publication_id) is PublicationStatus.CLEARED
    ours.run()
    form = f"publication.publish:{publication_id}"
    ours.text_input(key=f"{form}.doi").set_value("10.5555/1")
    ours.text_area(key=f"{form}.credits").set_value("Ada Lovell\n\nBen Okoro\n")
    click(ours, f"{form}.submit")
    assert "Credits: Ada Lovell, Ben Okoro" in said(ours).replace("\\", "")
    assert status_of(world, publication_id) is PublicationStatus.PUBLISHED


def test_the_lab_takes_a_redaction_back_after_it_was_told_what_that_means(world: World) -> None:
    publication_id = asked(world)
    lab = world.screen(world.coordinator, "publications", publication=publication_id)
    click(lab, f"publication.drop:{publication_id}:1.open")
    assert "stays on record" in said(lab)
    click(lab, f"publication.drop:{publication_id}:1.confirm")
    assert status_of(world, publication_id) is PublicationStatus.UNDER_REVIEW


def test_the_institution_takes_it_out_with_a_reason(world: World) -> None:
    publication_id = asked(world)
    ours = world.screen(world.lead, "publications", publication=publication_id)
    click(ours, f"publication.withdraw:{publication_id}.open")
    ours.text_area(key=f"publication.withdraw:{publication_id}.reason").set_value("It will be another paper.")
    click(ours, f"publication.withdraw:{publication_id}.confirm")
    assert status_of(world, publication_id) is PublicationStatus.WITHDRAWN
    assert "another paper" in said(ours)


def test_for_another_institution_it_is_not_there(world: World) -> None:
    publication_id = asked(world)
    app = world.screen(world.rival, "publications", publication=publication_id)
    assert "publication_not_found" in said(app)
    assert "What models remember" not in said(world.screen(world.rival, "publications"))


def test_a_title_cannot_draw_on_the_page(world: World) -> None:
    view = submitted(world, title="[x](javascript:alert(1)) **bold** :red[no]")
    words = said(world.screen(world.coordinator, "publications", publication=view.publication.id))
    assert "\\[x\\]" in words
    assert "**bold**" not in words


@pytest.mark.parametrize(("role", "words"), [("coordinator", "silence clears it in 30 days"), ("lead", "")])
def test_the_inbox_tells_the_lab_how_long_it_has(world: World, role: str, words: str) -> None:
    submitted(world)
    person: Person = getattr(world, role)
    shown = said(world.screen(person))
    assert (words in shown) if words else ("silence clears" not in shown)


def test_the_inbox_tells_the_institution_that_it_answers_next(world: World) -> None:
    asked(world)
    assert "your answer is next" in said(world.screen(world.member))
    assert "your answer is next" not in said(world.screen(world.coordinator))


@pytest.mark.parametrize("typed", [FILE, FILE.upper(), f"sha256:{FILE}", f" {FILE}  paper.pdf", f"SHA256:{FILE}"])
def test_a_digest_is_taken_as_people_paste_it(typed: str) -> None:
    assert typed_digest(typed) == f"sha256:{FILE}"
