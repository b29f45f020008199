"""Norms from proposal to outcome on a real store."""

from typing import Any, Protocol

import pytest

from agreements.actors import LAB, Actor
from agreements.canonical import digest_of
from agreements.dsse import Envelope, sign, verify
from agreements.errors import Conflict, Forbidden, Invalid, NotFound
from agreements.keys import PublicKey, SigningKey
from portal.norms.model import POSITION_TYPE, Choice, Decision, EvidenceLink, NormClause, NormText, Objection
from portal.norms.service import NormDraft, NormService, NormView, PositionDraft

People = dict[str, Actor]


class KeyRing(Protocol):
    keys: dict[str, SigningKey]


def link(finding_id: str, **changes: Any) -> EvidenceLink:
    return EvidenceLink(finding_id=finding_id, version=1, digest="sha256:" + "1" * 64, **changes)


OPEN, HIDDEN = link("CDT-2026-0001"), link("CDT-2026-0002", clause_id="delay")


def text(title: str = "Delay recipes", evidence: tuple[EvidenceLink, ...] = (OPEN,)) -> NormText:
    return NormText(title=title, clauses=(NormClause(clause_id="delay", text="Wait."),), evidence=evidence)


def propose(norms: NormService, people: People, **changes: Any) -> NormView:
    return norms.propose(people["uni"], NormDraft(institution_id="uni", quorum=2, text=text(**changes)))


def say(view: NormView, institution_id: str, choice: Choice) -> PositionDraft:
    objection = Objection(clause_id="delay", harm="Slow", cure="Seven days")
    return PositionDraft(
        institution_id=institution_id,
        revision_digest=view.revision_digest,
        position=choice,
        reason="Because",
        objection=objection if choice is Choice.OBJECT else None,
    )


def test_a_norm_is_adopted_with_the_dissent_in_it(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    assert view.norm_id == "NRM-0001"
    norms.take_position(people["uni"], view.norm_id, say(view, "uni", Choice.SUPPORT))
    norms.take_position(people["institute"], view.norm_id, say(view, "institute", Choice.OBJECT))
    blocked = norms.get(people[LAB], view.norm_id).blocked
    assert blocked[Decision.ADOPTED]
    assert blocked[Decision.ADOPTED_WITH_DISSENT] == ()
    decided = norms.record_outcome(
        people[LAB],
        view.norm_id,
        Decision.ADOPTED_WITH_DISSENT,
        revision_digest=view.revision_digest,
        rationale="The harm is bounded.",
    )
    assert decided.outcome is not None
    assert [dissent.institution_id for dissent in decided.outcome.dissent] == ["institute"]
    assert norms.check_citation(people["charity"], view.norm_id, view.revision_digest).adopts
    assert norms.list(people["charity"])[0].decision is Decision.ADOPTED_WITH_DISSENT


def test_a_position_carries_a_signature_anyone_can_check(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    taken = norms.take_position(people["uni"], view.norm_id, say(view, "uni", Choice.SUPPORT)).positions[0]
    envelope = Envelope.from_json(taken.envelope)
    payload = verify(envelope, [PublicKey.from_raw(bytes.fromhex(taken.public_key))])
    assert view.revision_digest.encode() in payload


def test_an_institution_that_keeps_its_own_key_signs_elsewhere(
    norms: NormService, people: People, keys: KeyRing
) -> None:
    view = propose(norms, people)
    draft = say(view, "charity", Choice.NO_OBJECTION)
    with pytest.raises(Conflict):
        norms.take_position(people["charity"], view.norm_id, draft)
    statement = norms.prepare_position(people["charity"], view.norm_id, draft)
    envelope = sign(POSITION_TYPE, statement.payload(), keys.keys["charity"])
    taken = norms.take_signed_position(people["charity"], view.norm_id, envelope)
    assert taken.positions[0].position is Choice.NO_OBJECTION


def test_the_portal_signs_only_for_who_may_bind(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    with pytest.raises(Forbidden):
        norms.take_position(people["institute"], view.norm_id, say(view, "uni", Choice.SUPPORT))
    assert norms.get(people["uni"], view.norm_id).positions == ()


def test_what_awaits_whom(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    assert norms.list(people["institute"])[0].awaiting == ("institute",)
    assert norms.list(people["observer"])[0].awaiting == ()
    norms.take_position(people["institute"], view.norm_id, say(view, "institute", Choice.SUPPORT))
    assert norms.list(people["institute"])[0].awaiting == ()
    assert norms.get(people["institute"], view.norm_id).awaiting == ()
    norms.revise(people["uni"], view.norm_id, text("Shorter delay"), base=view.revision_digest, note="Cure")
    assert norms.list(people["institute"])[0].awaiting == ("institute",)
    assert norms.get(people["institute"], view.norm_id).positions[0].is_stale


def test_hidden_evidence_shows_as_a_digest_and_survives_a_blind_revision(norms: NormService, people: People) -> None:
    view = propose(norms, people, evidence=(OPEN, HIDDEN))
    assert view.hidden_evidence == ()
    seen = norms.get(people["institute"], view.norm_id)
    assert seen.evidence == (OPEN,)
    assert seen.hidden_evidence == (HIDDEN.link_digest,)
    document: dict[str, Any] = {
        "type": "concordat.norm-revision/1",
        "norm_id": seen.norm_id,
        "revision": seen.revision,
        "quorum": seen.quorum,
        "title": seen.title,
        "clauses": [clause.model_dump(mode="json") for clause in seen.clauses],
        "evidence": sorted([*(shown.link_digest for shown in seen.evidence), *seen.hidden_evidence]),
    }
    assert digest_of(document) == seen.revision_digest
    revised = norms.revise(people[LAB], view.norm_id, text("Reworded"), base=view.revision_digest, note="Wording")
    assert revised.hidden_evidence == (HIDDEN.link_digest,)


def test_a_finding_one_may_not_read_cannot_be_linked(norms: NormService, people: People) -> None:
    draft = NormDraft(institution_id="institute", text=text(evidence=(HIDDEN,)))
    with pytest.raises(NotFound):
        norms.propose(people["institute"], draft)
    assert norms.list(people["institute"]) == ()


def test_objections_are_known_by_the_findings_they_rest_on(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    norms.take_position(people["institute"], view.norm_id, say(view, "institute", Choice.OBJECT))
    assert norms.open_objections() == {"CDT-2026-0001": ("NRM-0001 institute",)}
    norms.take_position(people["institute"], view.norm_id, say(view, "institute", Choice.STAND_ASIDE))
    assert norms.open_objections() == {}


def test_open_and_foreign_revisions_cannot_be_cited(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    with pytest.raises(Conflict) as refusal:
        norms.check_citation(people["uni"], view.norm_id, view.revision_digest)
    assert refusal.value.code == "norm_open"
    norms.record_outcome(
        people[LAB],
        view.norm_id,
        Decision.RETURNED,
        revision_digest=view.revision_digest,
        rationale="Too vague.",
    )
    with pytest.raises(Invalid):
        norms.check_citation(people["uni"], view.norm_id, "sha256:" + "0" * 64)
    assert norms.list(people["uni"], open_only=True) == ()


def test_the_same_request_twice_proposes_once(norms: NormService, people: People) -> None:
    draft = NormDraft(institution_id="uni", text=text())
    first = norms.propose(people["uni"], draft, idempotency_key="k")
    assert norms.propose(people["uni"], draft, idempotency_key="k") == first
    assert len(norms.list(people["uni"])) == 1


def test_outsiders_read_no_norms(norms: NormService, people: People) -> None:
    view = propose(norms, people)
    for outsider in (Actor(person_id="x", name="X"), Actor.automatic("rule")):
        with pytest.raises(Forbidden):
            norms.get(outsider, view.norm_id)
    with pytest.raises(NotFound):
        norms.get(people["uni"], "NRM-0099")
