"""Institutions, people and agreements through the services: keys in and out of custody, and signatures by both."""

from collections.abc import Callable
from typing import Any

import pytest

from agreements.actors import Role
from agreements.agreement import PAYLOAD_TYPE, AgreementStatus
from agreements.dsse import Envelope, sign, verify
from agreements.errors import ConcordatError, Conflict, Invalid, NotFound, VerificationError
from agreements.institutions import Constituency, Custody
from agreements.key_succession import hand_over, possession_challenge
from agreements.keys import PublicKey, SigningKey
from agreements.people import Person
from tests.portal.services.world import World


def _own_key(world: World, institution_id: str = "north") -> SigningKey:
    """A key the institution keeps itself, the one in custody revoked."""
    key, institutions = SigningKey.generate(), world.portal.institutions
    public_key = key.public.raw.hex()
    (kept,) = institutions.active_keys(institution_id)
    institutions.revoke_key(world.actor("ada"), institution_id, public_key=kept, reason="its own from now on")
    institutions.register_key(
        world.actor("ben"),
        institution_id,
        public_key=public_key,
        proof=key.sign(possession_challenge(institution_id, public_key)).hex(),
    )
    return key


def test_a_key_in_custody_signs_at_its_leads_word_only(world: World) -> None:
    envelope = world.portal.institutions.sign("north", world.actor("ben"), "text/plain", b"words")
    (public_key,) = world.portal.institutions.active_keys("north")
    assert verify(envelope, [PublicKey.from_raw(bytes.fromhex(public_key))]) == b"words"
    assert world.portal.institutions.get("north").active_keys[0].custody is Custody.PORTAL


def test_a_key_of_its_own_is_not_the_portals_to_sign_with(world: World) -> None:
    _own_key(world)
    with pytest.raises(Conflict) as refusal:
        world.portal.institutions.sign("north", world.actor("ben"), "text/plain", b"words")
    assert refusal.value.code == "no_key_in_custody"


def test_a_proof_of_another_institution_opens_nothing(world: World) -> None:
    key = SigningKey.generate()
    public_key = key.public.raw.hex()
    moved = key.sign(possession_challenge("south", public_key)).hex()
    before = world.size
    with pytest.raises(VerificationError):
        world.portal.institutions.register_key(world.actor("ben"), "north", public_key=public_key, proof=moved)
    assert world.size == before


@pytest.mark.parametrize(
    "fields",
    [
        {"institution_id": "N"},
        {"institution_id": "-n"},
        {"institution_id": "a/b"},
        {"institution_id": "x" * 41},
        {"name": ""},
        {"name": "\ud800\ud800"},
        {"contact_email": "nobody"},
        {"country": "x" * 61},
    ],
)
def test_an_institution_that_is_not_well_formed_is_refused(world: World, fields: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "institution_id": "west",
        "name": "West",
        "constituency": Constituency.CIVIL_SOCIETY,
        "contact_email": "a@b.c",
    }
    before = world.size
    with pytest.raises(Invalid):
        world.portal.institutions.register(world.actor("ada"), **{**good, **fields})
    assert world.size == before


def test_what_is_not_there_is_not_found(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    for read in (
        lambda: portal.institutions.get("west"),
        lambda: portal.institutions.create_key(world.actor("ben"), "west"),
        lambda: portal.people.get("per_nobody"),
        lambda: portal.people.deactivate(ada, "per_nobody", reason="left"),
        lambda: portal.people.register(ada, name="Fi", email="f@f.f", memberships=[("west", Role.PARTNER_LEAD)]),
        lambda: portal.agreements.draft(ada, institution_id="west"),
        lambda: portal.agreements.draft(ada, institution_id="north", template_id="no-such"),
        lambda: portal.grants.get(ada, "grt_none"),
    ):
        with pytest.raises(NotFound):
            read()


def test_people_are_known_by_name_and_rules_by_theirs(world: World) -> None:
    people = world.portal.people
    assert people.name(world.people["cleo"].id) == "Cleo"
    assert people.name("auto:run-settler") == "run-settler"
    assert people.unknown([world.people["cleo"].id, "per_nobody"]) == {"per_nobody"}
    assert people.coordinator_ids() == (world.people["ada"].id,)


def test_a_person_without_a_role_is_refused(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        world.portal.people.register(world.actor("ada"), name="Finn", email="f@f.f", memberships=[])
    assert refusal.value.param == "memberships"


def test_the_last_coordinator_stays(world: World) -> None:
    with pytest.raises(Conflict) as refusal:
        world.portal.people.deactivate(world.actor("ada"), world.people["ada"].id, reason="leaving")
    assert refusal.value.code == "own_account"


def test_an_agreement_signed_by_both_verifies_from_its_export(world: World) -> None:
    agreement = world.agreement()
    exported = world.portal.agreements.export(world.actor("nina"), agreement.id)
    assert exported["status"] == "in_force"
    assert exported["document_digest"] == agreement.document_digest
    for signature, signer in zip(exported["signatures"], ("north", "lab"), strict=True):
        (key,) = world.portal.institutions.active_keys(signer)
        envelope = Envelope.from_json(signature["envelope"])
        assert envelope.payload_type == PAYLOAD_TYPE
        assert verify(envelope, [PublicKey.from_raw(bytes.fromhex(key))]) == agreement.document_bytes()


def test_a_signature_made_elsewhere_counts(world: World) -> None:
    key = _own_key(world)
    offered = world.agreement(until="offered")
    envelope = sign(PAYLOAD_TYPE, offered.document_bytes(), key)
    signed = world.portal.agreements.submit_signature(world.actor("ben"), offered.id, envelope.to_json())
    assert signed.status is AgreementStatus.SIGNED


def test_a_signature_by_a_revoked_key_does_not(world: World) -> None:
    key = _own_key(world)
    offered = world.agreement(until="offered")
    envelope = sign(PAYLOAD_TYPE, offered.document_bytes(), key)
    world.portal.institutions.create_key(
        world.actor("ben"), "north", succession=hand_over("north", key, public_key=None, number=3).to_json()
    )
    world.portal.institutions.revoke_key(
        world.actor("ben"), "north", public_key=key.public.raw.hex(), reason="it leaked"
    )
    with pytest.raises(VerificationError) as refusal:
        world.portal.agreements.submit_signature(world.actor("ben"), offered.id, envelope.to_json())
    assert refusal.value.code == "foreign_key"


@pytest.mark.parametrize("envelope", [None, [], {}, "x", {"payload": 1, "payloadType": "", "signatures": []}])
def test_what_is_no_envelope_is_refused(world: World, envelope: object) -> None:
    offered = world.agreement(until="offered")
    with pytest.raises(ConcordatError):
        world.portal.agreements.submit_signature(world.actor("ben"), offered.id, envelope)


def test_signing_takes_the_name_and_the_digest_that_was_read(world: World) -> None:
    offered, ben = world.agreement(until="offered"), world.actor("ben")
    digest = offered.document_digest or ""
    for name, confirmed, code in (("Bern", digest, "name_differs"), ("Ben", "sha256:" + "0" * 64, "digest_differs")):
        with pytest.raises(Invalid) as refusal:
            world.portal.agreements.sign(ben, offered.id, typed_name=name, document_digest=confirmed)
        assert refusal.value.code == code
    signed = world.portal.agreements.sign(ben, offered.id, typed_name="  bEn ", document_digest=digest)
    assert signed.status is AgreementStatus.SIGNED


def test_an_offer_needs_a_partner_that_can_sign(world: World) -> None:
    (key,) = world.portal.institutions.active_keys("north")
    world.portal.institutions.revoke_key(world.actor("ada"), "north", public_key=key, reason="it leaked")
    draft = world.agreement(until="draft")
    with pytest.raises(Conflict) as refusal:
        world.portal.agreements.offer(world.actor("ada"), draft.id)
    assert refusal.value.code == "no_active_key"


def test_a_draft_is_edited_until_it_is_offered(world: World) -> None:
    service, ada = world.portal.agreements, world.actor("ada")
    draft = world.agreement(until="draft")
    clauses = [clause.model_dump(mode="json") for clause in draft.clauses]
    assert service.edit(ada, draft.id, title="Narrower terms", clauses=clauses).title == "Narrower terms"
    with pytest.raises(Invalid):
        service.edit(ada, draft.id, title="No term", clauses=[c for c in clauses if c["kind"] != "term"])
    service.offer(ada, draft.id)
    with pytest.raises(Conflict):
        service.edit(ada, draft.id, title="Too late", clauses=clauses)


@pytest.mark.parametrize("clauses", [None, 7, [None], [{}], [{"kind": "term"}], [{"kind": "no-such"}], "x"])
def test_only_refusals_leave_the_clause_reader(world: World, clauses: Any) -> None:
    draft = world.agreement(until="draft")
    with pytest.raises(Invalid):
        world.portal.agreements.edit(world.actor("ada"), draft.id, title="Terms", clauses=clauses)


def test_how_agreements_end(world: World) -> None:
    service, ada, ben = world.portal.agreements, world.actor("ada"), world.actor("ben")
    ends: list[tuple[str, Callable[[str], Any], AgreementStatus]] = [
        ("offered", lambda name: service.decline(ben, name, reason="not now"), AgreementStatus.DECLINED),
        ("draft", lambda name: service.withdraw(ada, name, reason="not now"), AgreementStatus.WITHDRAWN),
        ("in_force", lambda name: service.terminate(ben, name, reason="it is done"), AgreementStatus.TERMINATED),
    ]
    for until, end, status in ends:
        agreement = world.agreement(until=until)
        assert end(agreement.id).status is status
        with pytest.raises(Conflict):
            end(agreement.id)


def test_a_grant_needs_an_agreement_in_force(world: World) -> None:
    signed = world.agreement(until="signed")
    with pytest.raises(Conflict) as refusal:
        world.portal.grants.issue(world.actor("ada"), agreement_id=signed.id, label="Early")
    assert refusal.value.code == "agreement_not_in_force"


def test_a_grant_is_revoked_once_and_never_beyond_its_agreement(world: World) -> None:
    grant, ada = world.grant(), world.actor("ada")
    bounds = world.portal.grants.bounds(ada, grant.agreement_id)
    wider = bounds.model_copy(update={"token_budget": bounds.token_budget + 1})
    with pytest.raises(Invalid) as refusal:
        world.portal.grants.issue(ada, agreement_id=grant.agreement_id, label="Wider", scope=wider)
    assert (refusal.value.code, refusal.value.param) == ("beyond_agreement", "token_budget")
    world.portal.grants.revoke(ada, grant.id, reason="a breach")
    with pytest.raises(Conflict):
        world.portal.grants.revoke(ada, grant.id, reason="a breach")


def test_a_person_reads_back_as_registered(world: World) -> None:
    assert world.portal.people.get(world.people["cleo"].id) == world.people["cleo"]
    assert isinstance(world.people["cleo"], Person)
