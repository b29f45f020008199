"""Review before publication on a real portal: who sees it, whose clock runs, what leaves with a signature."""

import json
from datetime import date
from typing import Any

import pytest

from agreements.actors import PartyKind
from agreements.agreement import Agreement, AgreementStatus
from agreements.clauses import SuspensionReason
from agreements.dsse import Envelope
from agreements.errors import Conflict, Forbidden, Invalid, NotFound, VerificationError
from agreements.publication import PublicationKind, PublicationStatus
from agreements.standard_terms import template
from portal.documents import verify_document
from portal.services.publications import Appearance, PublicationView, RedactionRequest, Submission
from tests.portal.services.world import World

FILE, CHANGED = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REASON = "It tells how to get around the filter."


REVIEW = {
    "kind": "publication_review",
    "clause_id": "publication",
    "title": "Publication",
    "text": "Cleared after {window_days} days.",
    "window_days": 30,
}


def agreed(world: World, *, until: str = "in_force", review: dict[str, Any] | None = REVIEW) -> Agreement:
    """An agreement of the north's, with this clause on review."""
    agreements, ada, ben = world.portal.agreements, world.actor("ada"), world.actor("ben")
    clauses = [
        clause.model_dump(mode="json")
        for clause in template("software-access").clauses
        if clause.kind != "publication_review"
    ]
    draft = agreements.draft(ada, institution_id="north", clauses=[*clauses, *([review] if review else [])])
    digest = agreements.offer(ada, draft.id).document_digest or ""
    for signer in (ben, ada) if until == "in_force" else ():
        agreements.sign(signer, draft.id, typed_name=signer.name, document_digest=digest)
    return agreements.get(ben, draft.id)


def submission(agreement: Agreement, **changes: Any) -> Submission:
    fields: dict[str, Any] = {
        "agreement_id": agreement.id,
        "title": "What large models remember",
        "kind": PublicationKind.MANUSCRIPT,
        "sha256": FILE,
        "venue": "A conference",
        "planned_for": date(2027, 3, 1),
    }
    return Submission(**{**fields, **changes})


def submitted(world: World, who: str = "ben", **changes: Any) -> PublicationView:
    return world.portal.publications.submit(world.actor(who), submission(agreed(world), **changes))


def request(ground: str = "safety") -> RedactionRequest:
    return RedactionRequest(where="Section 4", ground=ground, reason=REASON)


def asked(world: World) -> str:
    publication_id = submitted(world).publication.id
    world.portal.publications.ask(world.actor("ada"), publication_id, [request()])
    return publication_id


def test_from_a_file_to_where_it_appeared_in_silence(world: World) -> None:
    service, ben = world.portal.publications, world.actor("ben")
    view = submitted(world)
    publication_id = view.publication.id
    assert view.publication.terms is not None
    assert view.publication.terms.window_days == 30
    assert (view.status, view.turn) == (PublicationStatus.UNDER_REVIEW, PartyKind.LAB)
    assert view.says == "under review, clears 23 December 2026, 09:00 UTC unless the lab answers"
    world.clock.advance(days=30)
    size = world.size
    assert service.get(ben, publication_id).status is PublicationStatus.CLEARED
    assert service.open_for(ben) == ()
    assert world.size == size
    done = service.publish(
        ben,
        publication_id,
        Appearance(doi="10.5555/1", credits=("Ben", "Cleo"), published_on=date(2026, 12, 23)),
    )
    assert done.status is PublicationStatus.PUBLISHED
    world.reopen()
    assert world.portal.publications.get(ben, publication_id).publication == done.publication


def test_a_redaction_is_asked_for_contested_and_maintained_and_is_no_veto(world: World) -> None:
    service, ada, cleo = world.portal.publications, world.actor("ada"), world.actor("cleo")
    publication_id = asked(world)
    view = service.contest(cleo, publication_id, 1, reason="It has been public since May of last year.")
    assert (view.status, view.turn) == (PublicationStatus.CONTESTED, PartyKind.LAB)
    service.maintain(ada, publication_id, 1, reason="What is public there is not the recipe itself.")
    world.clock.advance(days=31)
    view = service.get(cleo, publication_id)
    assert view.status is PublicationStatus.DISPUTED
    assert "may be published over the objection" in view.says
    with pytest.raises(Conflict) as no_letter:
        service.letter(cleo, publication_id)
    assert no_letter.value.code == "not_cleared"
    out = service.publish(
        cleo, publication_id, Appearance(link="https://x.example/1", credits=("Cleo",), published_on=date(2026, 12, 24))
    )
    assert out.publication.outcome is not None
    assert out.publication.outcome.over_objection


def test_a_contest_that_the_lab_leaves_lapses_by_the_clock(world: World) -> None:
    service, ben = world.portal.publications, world.actor("ben")
    publication_id = asked(world)
    world.clock.advance(days=29)
    service.contest(ben, publication_id, 1, reason="It has been public since May of last year.")
    world.clock.advance(days=29)
    assert [view.publication.id for view in service.open_for(ben)] == [publication_id]
    world.clock.advance(days=1)
    assert service.get(ben, publication_id).status is PublicationStatus.CLEARED


def test_the_lab_answers_within_its_window_and_on_the_agreements_grounds(world: World) -> None:
    service, ada = world.portal.publications, world.actor("ada")
    publication_id = submitted(world).publication.id
    with pytest.raises(Invalid) as ground:
        service.ask(ada, publication_id, [request("embarrassing")])
    assert ground.value.code == "ground_not_permitted"
    assert "confidential_information, factual_error, safety" in ground.value.message
    with pytest.raises(Invalid) as short:
        service.ask(ada, publication_id, [RedactionRequest(where="All", ground="safety", reason="No.")])
    assert short.value.code == "bad_input"
    with pytest.raises(Forbidden):
        service.ask(world.actor("ben"), publication_id, [request()])
    world.clock.advance(days=30)
    with pytest.raises(Conflict) as late:
        service.ask(ada, publication_id, [request()])
    assert late.value.code == "wrong_publication_status"


@pytest.mark.parametrize("who", ["dan", "eve", "rae", "olga"])
def test_for_everybody_else_it_does_not_exist(world: World, who: str) -> None:
    service, other = world.portal.publications, world.actor(who)
    publication_id = asked(world)
    assert service.list(other) == ()
    assert service.open_for(other) == ()
    size = world.size
    refusals = []
    for wanted in (publication_id, "pub_none"):
        for attempt in (
            lambda wanted=wanted: service.get(other, wanted),
            lambda wanted=wanted: service.letter(other, wanted),
            lambda wanted=wanted: service.ask(other, wanted, [request()]),
            lambda wanted=wanted: service.accept(other, wanted, 1, sha256=CHANGED),
            lambda wanted=wanted: service.contest(other, wanted, 1, reason=REASON),
            lambda wanted=wanted: service.clear(other, wanted),
            lambda wanted=wanted: service.withdraw(other, wanted, reason="not ours"),
        ):
            with pytest.raises(NotFound) as refusal:
                attempt()
            refusals.append(refusal.value.message.replace(wanted, "…"))
    assert len(set(refusals)) == 1
    assert world.size == size


def test_the_institutions_observers_read_and_change_nothing(world: World) -> None:
    service, nina = world.portal.publications, world.actor("nina")
    publication_id = asked(world)
    view = service.get(nina, publication_id)
    assert (view.may, view.redactions[0].may) == ((), ())
    with pytest.raises(Forbidden) as refusal:
        service.accept(nina, publication_id, 1, sha256=CHANGED)
    assert refusal.value.code == "not_author"
    with pytest.raises(Forbidden):
        submitted(world, "nina")


def test_a_review_needs_an_agreement_of_ones_own_in_force(world: World) -> None:
    service = world.portal.publications
    with pytest.raises(NotFound):
        service.submit(world.actor("dan"), submission(agreed(world)))
    with pytest.raises(Forbidden):
        service.submit(world.actor("ada"), submission(agreed(world)))
    offered = agreed(world, until="offered")
    with pytest.raises(Conflict) as refusal:
        service.submit(world.actor("ben"), submission(offered))
    assert refusal.value.code == "agreement_not_in_force"


def test_a_suspension_stops_no_review_and_an_end_only_new_ones(world: World) -> None:
    service, ada, ben = world.portal.publications, world.actor("ada"), world.actor("ben")
    agreement = agreed(world)
    world.portal.agreements.suspend(
        ada, agreement.id, reason=SuspensionReason.SECURITY_INCIDENT, statement="A token was found in public."
    )
    world.clock.advance(days=40)
    assert world.portal.agreements.get(ben, agreement.id).status_on(world.clock()) is AgreementStatus.SUSPENDED
    before = service.submit(ben, submission(agreement, planned_for=None)).publication.id
    world.portal.agreements.terminate(ada, agreement.id, reason="the programme ended")
    with pytest.raises(Conflict) as refusal:
        service.submit(ben, submission(agreement, sha256=CHANGED))
    assert refusal.value.code == "agreement_not_in_force"
    world.clock.advance(days=30)
    assert service.get(ben, before).status is PublicationStatus.CLEARED


def test_without_a_clause_nothing_is_reviewed(world: World) -> None:
    with pytest.raises(Conflict) as refusal:
        world.portal.publications.submit(world.actor("ben"), submission(agreed(world, review=None)))
    assert refusal.value.code == "no_review_clause"


def test_a_repeated_request_puts_one_file_forward(world: World) -> None:
    service, ben = world.portal.publications, world.actor("ben")
    wanted = submission(agreed(world))
    first = service.submit(ben, wanted, idempotency_key="once-only")
    assert service.submit(ben, wanted, idempotency_key="once-only").publication == first.publication
    assert len(service.list(ben)) == 1
    assert service.list(ben, agreement_id="agr_other") == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("venue", "evil\u202etext"),
        ("url", "javascript:alert(1)"),
        ("url", "https://x.example/\u202e"),
        ("sha256", "md5:0"),
        ("title", "a\x1b[31mb"),
    ],
)
def test_what_cannot_be_shown_safely_is_not_kept(world: World, field: str, value: str) -> None:
    agreement = agreed(world)
    size = world.size
    with pytest.raises((Invalid, ValueError)):
        world.portal.publications.submit(world.actor("ben"), submission(agreement, **{field: value}))
    assert world.size == size


def test_the_terms_of_the_beginning_stay_and_a_closed_list_is_closed(world: World) -> None:
    service, ada = world.portal.publications, world.actor("ada")
    agreement = agreed(world, review={**REVIEW, "window_days": 7, "grounds": ["factual_error"]})
    view = service.submit(world.actor("cleo"), submission(agreement))
    with pytest.raises(Invalid) as refusal:
        service.ask(ada, view.publication.id, [request("safety")])
    assert refusal.value.message.endswith("it permits factual_error.")
    assert view.publication.terms is not None
    assert view.publication.terms.agreement_digest == agreement.document_digest
    world.clock.advance(days=7)
    assert service.get(ada, view.publication.id).status is PublicationStatus.CLEARED


def test_the_letter_verifies_offline_and_names_both_files(world: World) -> None:
    service, ben = world.portal.publications, world.actor("ben")
    publication_id = asked(world)
    service.accept(ben, publication_id, 1, sha256=CHANGED, note="Cut.")
    service.clear(world.actor("ada"), publication_id, note="Thank you.")
    envelope = service.letter(ben, publication_id)
    assert envelope == service.letter(world.actor("ada"), publication_id)
    data = json.dumps(envelope.to_json()).encode()
    proof = verify_document(data, keys=[world.portal.kernel.lab_key.public])
    facts = {fact.name: fact.value for fact in proof.facts}
    assert proof.kind == "clearance of a publication"
    assert (facts["file submitted"], facts["file cleared"]) == (FILE, CHANGED)
    assert (facts["cleared by"], facts["institution"]) == ("lab", "North University")
    with pytest.raises(VerificationError):
        verify_document(data)
    altered = Envelope.from_json(envelope.to_json())
    payload = altered.payload.replace(b"b" * 64, b"c" * 64)
    forged = json.dumps(altered.model_copy(update={"payload": payload}).to_json()).encode()
    with pytest.raises(VerificationError):
        verify_document(forged, keys=[world.portal.kernel.lab_key.public])


def test_everything_that_was_said_is_in_the_log_and_the_store_verifies(world: World) -> None:
    service, ada, ben = world.portal.publications, world.actor("ada"), world.actor("ben")
    publication_id = asked(world)
    service.contest(ben, publication_id, 1, reason="It has been public since May of last year.")
    service.drop(ada, publication_id, 1, note="Indeed it has.")
    service.withdraw(ben, publication_id, reason="It will be another paper.")
    stream = f"publication/{publication_id}"
    assert [line.type for line in reversed(world.portal.log.entries(ada, stream=stream))] == [
        "publication:opened",
        "publication:redactions_asked",
        "publication:redaction_contested",
        "publication:redaction_withdrawn",
        "publication:withdrawn",
    ]
    assert world.portal.log.verify(ada).ok
