"""Papers and bundles from a real portal: whom they are for, what they prove, and how the program checks them."""

import io
from pathlib import Path

import pytest
from pypdf import PdfReader

from agreements.actors import LAB, Role
from agreements.agreement import Agreement, Change
from agreements.bundle import verify_bundle
from agreements.bundle.container import unpack
from agreements.canonical import canonical_bytes
from agreements.errors import Conflict, Invalid, NotFound, VerificationError
from agreements.institutions import Custody
from agreements.keys import PublicKey, SigningKey
from portal.documents import verify_document
from tests.portal.cli.cli_stand import run
from tests.portal.services.world import World


def amended(world: World, agreement: Agreement) -> Agreement:
    """The agreement under a second version."""
    service, ada, ben = world.portal.agreements, world.actor("ada"), world.actor("ben")
    clauses = [clause.model_dump(mode="json") for clause in agreement.clauses]
    limits = next(clause for clause in clauses if clause["kind"] == "usage_limits")
    limits["token_budget"] += 1000
    service.propose(ada, agreement.id, change=Change.AMENDMENT, clauses=clauses)
    proposal = service.offer(ada, agreement.id).proposal
    assert proposal is not None
    for actor in (ben, ada):
        agreement = service.sign(actor, agreement.id, typed_name=actor.name, document_digest=proposal.digest or "")
    return agreement


def text_of(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_both_parties_take_the_same_bundle_away(world: World) -> None:
    agreement = world.agreement()
    papers, lab = world.portal.papers, world.portal.kernel.lab_key.public
    bundle = papers.bundle(world.actor("ben"), agreement.id)
    assert papers.bundle(world.actor("ada"), agreement.id) == bundle
    proof = verify_bundle(bundle, keys=[lab], vkey=world.portal.log.vkey)
    assert proof.document_digest == agreement.document_digest
    assert [one.custody for one in proof.signatures] == [Custody.PORTAL] * 2
    assert unpack(bundle)["agreement.json"] == agreement.document_bytes()
    assert unpack(bundle)["agreement.pdf"] == papers.pdf(world.actor("ben"), agreement.id)


def test_a_bundle_has_every_version_that_was_in_force(world: World) -> None:
    first = world.agreement()
    world.clock.advance(days=30)
    second = amended(world, first)
    world.clock.advance(days=1)
    proof = verify_bundle(bundle := world.portal.papers.bundle(world.actor("ben"), first.id))
    assert (proof.version, proof.earlier_versions) == (2, (1,))
    parts = unpack(bundle)
    assert parts["versions/1/agreement.json"] == first.document_bytes()
    assert parts["agreement.json"] == second.document_bytes()
    assert "versions/1/signatures/1-institution.dsse.json" in parts
    for part in ("versions/1/agreement.json", "versions/1/signatures/2-lab.dsse.json"):
        changed = bundle.replace(parts[part], bytes([parts[part][0] ^ 1]) + parts[part][1:])
        with pytest.raises(VerificationError) as refused:
            verify_bundle(changed)
        assert refused.value.param == part


def test_a_key_revoked_after_signing_leaves_the_bundle_whole(world: World) -> None:
    agreement, ada = world.agreement(), world.actor("ada")
    world.clock.advance(days=1)
    key = agreement.signatures[0].public_key
    world.portal.institutions.revoke_key(ada, "north", public_key=key, reason="Rotated.")
    proof = verify_bundle(world.portal.papers.bundle(ada, agreement.id))
    assert proof.signatures[0].public_key == key


def test_who_gives_no_key_is_told_what_that_is_worth(world: World, tmp_path: Path) -> None:
    path = tmp_path / "agreement.zip"
    path.write_bytes(world.portal.papers.bundle(world.actor("ben"), world.agreement().id))
    said = run("verify", path)
    assert said.status == 0
    assert "anybody could have made this file" in " ".join(said.err.split())
    lab = run("verify", path, "--key", world.portal.kernel.lab_key.public.raw.hex())
    assert "On the file's own word: key of signature 1, log key." in " ".join(lab.err.split())
    assert run("verify", path, "--vkey", world.portal.log.vkey).err == ""


def test_what_is_on_the_files_word_is_told_for_every_signature(world: World) -> None:
    first, ada = world.agreement(), world.actor("ada")
    world.clock.advance(days=30)
    world.portal.institutions.create_key(world.actor("ben"), "north")
    bundle = world.portal.papers.bundle(ada, amended(world, first).id)
    before, after = first.signatures[0].public_key, world.portal.institutions.kept_key("north")
    assert before != after
    lab, early = world.portal.kernel.lab_key.public, PublicKey.from_raw(bytes.fromhex(before))
    told = {fact.name: fact.value for fact in verify_document(bundle, keys=[lab, early]).on_its_word}
    assert told == {"key of signature 1": after, "log key": world.portal.log.vkey}
    told = {fact.name: fact.value for fact in verify_document(bundle, keys=[lab]).on_its_word}
    assert told["key of signature 1 of version 1"] == before
    assert verify_document(bundle, vkey=world.portal.log.vkey).on_its_word == ()


def test_what_was_never_in_force_has_a_paper_and_no_bundle(world: World) -> None:
    papers, ada, ben = world.portal.papers, world.actor("ada"), world.actor("ben")
    offered = world.agreement(until="signed")
    assert "Not signed." in text_of(papers.pdf(ben, offered.id))
    with pytest.raises(Conflict) as refused:
        papers.bundle(ben, offered.id)
    assert refused.value.code == "never_in_force"
    draft = world.agreement(until="draft")
    assert "DRAFT" in text_of(papers.pdf(ada, draft.id))


def test_earlier_versions_and_what_came_of_them(world: World) -> None:
    papers, ben = world.portal.papers, world.actor("ben")
    agreement = amended(world, world.agreement())
    assert "SUPERSEDED" in text_of(papers.pdf(ben, agreement.id, version=1))
    assert "SUPERSEDED" not in text_of(papers.pdf(ben, agreement.id))
    with pytest.raises(NotFound) as refused:
        papers.pdf(ben, agreement.id, version=9)
    assert refused.value.code == "version_not_found"


@pytest.mark.parametrize("name", ["dan", "eve"])
def test_an_agreement_of_others_is_as_one_that_is_not_there(world: World, name: str) -> None:
    agreement, papers, outsider = world.agreement(), world.portal.papers, world.actor(name)
    for take in (papers.pdf, papers.bundle):
        with pytest.raises(NotFound) as refused:
            take(outsider, agreement.id)
        with pytest.raises(NotFound) as absent:
            take(outsider, "agr_none")
        assert refused.value.message == absent.value.message.replace("agr_none", agreement.id)
    draft = world.agreement(until="draft")
    with pytest.raises(NotFound):
        papers.pdf(world.actor("ben"), draft.id)


def test_a_proposal_of_the_lab_that_is_not_tabled_has_no_paper_for_the_partner(world: World) -> None:
    agreement, ada = world.agreement(), world.actor("ada")
    clauses = [clause.model_dump(mode="json") for clause in agreement.clauses]
    world.portal.agreements.propose(ada, agreement.id, change=Change.AMENDMENT, clauses=clauses)
    assert "DRAFT" in text_of(world.portal.papers.pdf(ada, agreement.id, version=2))
    with pytest.raises(NotFound):
        world.portal.papers.pdf(world.actor("ben"), agreement.id, version=2)


def test_taking_papers_writes_nothing(world: World) -> None:
    agreement, before = world.agreement(), world.size
    before = world.size
    world.portal.papers.pdf(world.actor("ben"), agreement.id)
    world.portal.papers.bundle(world.actor("ben"), agreement.id)
    assert world.size == before


def test_verify_knows_a_bundle_and_sends_a_pdf_away(world: World, tmp_path: Path) -> None:
    agreement, ben = world.agreement(), world.actor("ben")
    bundle = world.portal.papers.bundle(ben, agreement.id)
    keys = [PublicKey.from_raw(bytes.fromhex(one.public_key)) for one in agreement.signatures]
    stated = verify_document(bundle)
    assert stated.kind == "agreement bundle"
    assert {fact.name for fact in stated.on_its_word} == {
        "key of signature 1",
        "key of signature 2",
        "key of the manifest",
        "log key",
    }
    assert agreement.document_digest in {fact.value for fact in stated.facts}
    assert verify_document(bundle, vkey=world.portal.log.vkey, keys=keys).on_its_word == ()
    with pytest.raises(VerificationError) as refused:
        verify_document(bundle, keys=[SigningKey.generate().public])
    assert refused.value.code == "other_lab_key"
    with pytest.raises(VerificationError) as unused:
        verify_document(bundle, vkey=world.portal.log.vkey, keys=[SigningKey.generate().public])
    assert unused.value.code == "key_did_not_sign"
    with pytest.raises(Invalid) as reading:
        verify_document(world.portal.papers.pdf(ben, agreement.id))
    assert reading.value.code == "reading_copy"


def signed_by_four(world: World) -> Agreement:
    """In force, once two people of each side have signed."""
    portal, ada = world.portal, world.actor("ada")
    for name, membership in (("abe", (LAB, Role.COORDINATOR)), ("bea", ("north", Role.PARTNER_LEAD))):
        world.people[name] = portal.people.register(
            ada, name=name.title(), email=f"{name}@people.example", memberships=[membership]
        )
    draft = portal.agreements.draft(ada, institution_id="north")
    order = {
        "kind": "signatories",
        "clause_id": "signatories",
        "title": "Signatures",
        "text": "Signed by {order}.",
        "order": [{"party": party, "role": "signatory"} for party in ("institution", "lab", "institution", "lab")],
    }
    clauses = [clause.model_dump(mode="json") for clause in draft.clauses if clause.kind != "signatories"]
    portal.agreements.edit(ada, draft.id, clauses=[*clauses, order], title=draft.title)
    agreement = portal.agreements.offer(ada, draft.id)
    for name in ("ben", "ada", "bea", "abe"):
        agreement = portal.agreements.sign(
            world.actor(name),
            draft.id,
            typed_name=name.title(),
            document_digest=agreement.document_digest or "",
        )
    return agreement


def test_an_export_that_four_signed_is_not_short_of_any(world: World) -> None:
    agreement = signed_by_four(world)
    keys = [PublicKey.from_raw(bytes.fromhex(one.public_key)) for one in agreement.signatures[:2]]
    proof = verify_document(
        canonical_bytes(world.portal.agreements.export(world.actor("ben"), agreement.id)), keys=keys
    )
    assert proof.kind == "agreement signed by the institution and the lab"
    assert [fact.name for fact in proof.facts if fact.name.startswith("signature")] == [
        f"signature {place}" for place in range(1, 5)
    ]
    # Both people of a side signed with one key here, so that there were two is not shown by the file.
    assert [fact.name for fact in proof.on_its_word] == ["signatories"]


def test_an_export_says_whose_signature_is_missing_and_takes_none_for_it(world: World) -> None:
    agreement, ben = world.agreement(until="signed"), world.actor("ben")
    exported = world.portal.agreements.export(ben, agreement.id)
    partner = PublicKey.from_raw(bytes.fromhex(agreement.signatures[0].public_key))
    proof = verify_document(canonical_bytes(exported), keys=[partner])
    assert proof.kind == "agreement not yet signed by the lab"
    assert proof.on_its_word == ()
    stated = verify_document(canonical_bytes(exported))
    assert [(fact.name, fact.value) for fact in stated.on_its_word] == [("key of signature 1", partner.raw.hex())]
    exported["signatures"].append(exported["signatures"][0] | {"party": "lab", "signer_id": "per_ada"})
    with pytest.raises(VerificationError) as refused:
        verify_document(canonical_bytes(exported), keys=[partner])
    assert refused.value.code == "same_key_twice"
    with pytest.raises(VerificationError) as foreign:
        verify_document(
            canonical_bytes(exported | {"signatures": exported["signatures"][:1]}),
            keys=[world.portal.kernel.lab_key.public],
        )
    assert foreign.value.code == "key_did_not_sign"
