"""Passports on a real database: who reads and writes them, what lapses soon, and a takeover between two portals."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agreements.actors import LAB, Role
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound, VerificationError
from agreements.keys import PublicKey, SigningKey
from agreements.passport_credential import verify_passport
from agreements.passports import Evidence, ItemStatus, Passport, VettingItem
from portal.documents import verify_document
from portal.services.passports import PassportView
from tests.portal.services.world import START, World, found_world

IDENTITY, TRAINING = VettingItem.IDENTITY, VettingItem.TRAINING
YEAR = timedelta(days=365)


def submit(world: World, item: VettingItem = IDENTITY, who: str = "ben", institution: str = "north") -> PassportView:
    return world.portal.passports.submit(
        world.actor(who),
        institution,
        item=item,
        statement="As the register says.",
        evidence=[Evidence(label="Charter", sha256="a" * 64)],
    )


def vet(world: World, item: VettingItem = IDENTITY, *, valid: timedelta = YEAR) -> PassportView:
    submit(world, item)
    return world.portal.passports.review(
        world.actor("ada"), "north", item=item, accepted=True, valid_until=world.clock() + valid
    )


def lab_key(world: World) -> PublicKey:
    return world.portal.kernel.lab_key.public


def test_a_passport_is_there_before_anything_was_handed_in(world: World) -> None:
    view = world.portal.passports.get(world.actor("cleo"), "north")
    assert {line.status for line in view.checklist} == {ItemStatus.MISSING}
    assert (view.institution_name, len(view.checklist)) == ("North University", len(VettingItem))
    assert world.portal.passports.state("nowhere") == Passport(institution_id="nowhere")


def test_vetting_is_recorded_once_and_survives_a_crash(world: World) -> None:
    view = vet(world)
    assert view.checklist[0].status is ItemStatus.VALID
    world.reopen(crash=True)
    again = world.portal.passports.get(world.actor("ada"), "north")
    assert again == view
    assert world.portal.passports.state("north").valid_items(world.clock()) == {IDENTITY}


def test_who_may_read_which(world: World) -> None:
    passports = world.portal.passports
    assert [view.institution_id for view in passports.list(world.actor("ada"))] == ["north", "south"]
    for who in ("ben", "cleo", "nina"):
        assert [view.institution_id for view in passports.list(world.actor(who))] == ["north"]
    for who in ("rae", "olga"):
        assert passports.list(world.actor(who)) == ()
    told = set()
    for who, institution in (("dan", "north"), ("rae", "north"), ("dan", "nowhere"), ("ada", "nowhere"), ("ada", LAB)):
        with pytest.raises(NotFound) as refusal:
            passports.get(world.actor(who), institution)
        told.add(refusal.value.message.replace(institution, "…"))
    assert len(told) == 1


def test_who_may_write(world: World) -> None:
    submit(world)
    passports, before = world.portal.passports, world.size
    until = world.clock() + YEAR

    def writes(who: str) -> list[Callable[[], object]]:
        actor = world.actor(who)
        return [
            lambda: passports.submit(actor, "north", item=IDENTITY, statement="Words."),
            lambda: passports.review(actor, "north", item=IDENTITY, accepted=True, valid_until=until),
            lambda: passports.revoke(actor, "north", item=IDENTITY, reason="struck off"),
            lambda: passports.import_credential(actor, "north", b"{}", issuer_key=lab_key(world)),
        ]

    refused: list[tuple[Callable[[], object], type[ConcordatError]]] = [
        *((write, NotFound) for who in ("dan", "eve", "rae") for write in writes(who)),
        *((write, Forbidden) for who in ("cleo", "nina") for write in writes(who)),
        *((write, Forbidden) for write in writes("ben")[1:]),
    ]
    for write, kind in refused:
        with pytest.raises(kind):
            write()
    assert world.size == before


def test_a_coordinator_hands_in_and_another_reviews(world: World) -> None:
    submit(world, who="ada")
    before = world.size
    with pytest.raises(Conflict) as refusal:
        world.portal.passports.review(
            world.actor("ada"), "north", item=IDENTITY, accepted=True, valid_until=START + YEAR
        )
    assert refusal.value.code == "own_evidence"
    assert world.size == before
    world.people["mo"] = world.portal.people.register(
        world.actor("ada"), name="Mo", email="mo@lab.example", memberships=[(LAB, Role.COORDINATOR)]
    )
    view = world.portal.passports.review(
        world.actor("mo"), "north", item=IDENTITY, accepted=True, valid_until=START + YEAR
    )
    assert "accepted by Mo" in view.checklist[0].message


def test_what_is_returned_or_revoked_says_why(world: World) -> None:
    passports, ada = world.portal.passports, world.actor("ada")
    submit(world)
    view = passports.review(ada, "north", item=IDENTITY, accepted=False, reason="The page is cut off.")
    assert view.checklist[0].status is ItemStatus.RETURNED
    view = passports.revoke(ada, "north", item=vet(world).checklist[0].item, reason="Struck off the register.")
    assert view.checklist[0].status is ItemStatus.REVOKED
    assert len(view.passport.record(IDENTITY).entries) == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"statement": ""},
        {"statement": "x" * 4001},
        {"statement": "turned \u202e round"},
        {"evidence": [Evidence(label="x")] * 21},
        {"people": ["Cleo"]},
        {"item": "charm"},
    ],
)
def test_what_is_not_well_formed_is_refused(world: World, fields: dict[str, object]) -> None:
    good: dict[str, object] = {"item": IDENTITY, "statement": "Words."}
    before = world.size
    with pytest.raises(Invalid):
        world.portal.passports.submit(world.actor("ben"), "north", **{**good, **fields})  # type: ignore[arg-type]  # what a caller of the API may send
    assert world.size == before


def test_writes_are_idempotent(world: World) -> None:
    passports, ada, ben = world.portal.passports, world.actor("ada"), world.actor("ben")
    until = START + YEAR
    writes: list[Callable[[], PassportView]] = [
        lambda: passports.submit(ben, "north", item=IDENTITY, statement="Words.", idempotency_key="k-submit"),
        lambda: passports.review(
            ada, "north", item=IDENTITY, accepted=True, valid_until=until, idempotency_key="k-review"
        ),
        lambda: passports.revoke(ada, "north", item=IDENTITY, reason="struck off", idempotency_key="k-revoke"),
    ]
    for write in writes:
        first, before = write(), world.size
        assert (write(), world.size) == (first, before)


def test_what_lapses_soon_is_found_without_reading_every_passport(world: World) -> None:
    vet(world, IDENTITY, valid=timedelta(days=10))
    vet(world, TRAINING, valid=timedelta(days=5))
    submit(world, TRAINING)
    expiring = world.portal.passports.expiring
    assert expiring(timedelta(days=4)) == ()
    soon = [(one.institution_id, one.item, one.awaiting_review) for one in expiring(timedelta(days=30))]
    assert soon == [("north", TRAINING, True), ("north", IDENTITY, False)]
    assert expiring(timedelta(days=30))[0].valid_until == START + timedelta(days=5)
    world.clock.advance(days=6)
    assert [one.item for one in expiring(timedelta(days=30))] == [IDENTITY]
    world.portal.passports.revoke(world.actor("ada"), "north", item=IDENTITY, reason="struck off")
    assert expiring(timedelta(days=30)) == ()


def test_read_rows_follow_from_the_events(world: World) -> None:
    vet(world)
    submit(world, TRAINING)
    assert world.portal.log.verify(world.actor("ada")).ok


def test_an_export_verifies_offline(world: World) -> None:
    vet(world)
    data = json.dumps(world.portal.passports.export(world.actor("nina"), "north")).encode()
    credential = verify_passport(data, [lab_key(world)])
    assert (credential.subject_name, credential.issuer_key) == ("North University", lab_key(world).raw.hex())
    proof = verify_document(data, keys=[lab_key(world)])
    facts = {fact.name: fact.value for fact in proof.facts}
    assert proof.kind == "institution's passport"
    assert facts["institution"] == "North University"
    assert facts["identity"].startswith("accepted by Ada on 2026-11-23, valid until 2027-11-23")
    with pytest.raises(VerificationError):
        verify_document(data, keys=[SigningKey.generate().public])
    with pytest.raises(VerificationError) as refusal:
        verify_document(data)
    assert refusal.value.code == "signer_key_needed"
    with pytest.raises(NotFound):
        world.portal.passports.export(world.actor("dan"), "north")


def test_another_portal_takes_a_passport_over(world: World, tmp_path: Path) -> None:
    vet(world)
    data = json.dumps(world.portal.passports.export(world.actor("ben"), "north")).encode()
    elsewhere = found_world(tmp_path / "elsewhere")
    with elsewhere.portal as portal:
        elsewhere.clock.advance(days=30)
        ada = elsewhere.actor("ada")
        with pytest.raises(VerificationError):
            portal.passports.import_credential(ada, "north", data, issuer_key=lab_key(elsewhere))
        with pytest.raises(Conflict) as refusal:
            portal.passports.import_credential(ada, "south", data, issuer_key=lab_key(world))
        assert refusal.value.code == "other_subject"
        view = portal.passports.import_credential(
            ada, "north", data, issuer_key=lab_key(world), idempotency_key="k-import"
        )
        assert view.checklist[0].valid_until == START + YEAR
        assert "on the word of" in view.checklist[0].message
        size = elsewhere.size
        assert (
            portal.passports.import_credential(
                ada, "north", data, issuer_key=lab_key(world), idempotency_key="k-import"
            )
            == view
        )
        assert elsewhere.size == size
        with pytest.raises(Conflict):
            portal.passports.export(ada, "north")


def test_a_portal_takes_nothing_over_from_itself(world: World) -> None:
    vet(world)
    ada = world.actor("ada")
    data = json.dumps(world.portal.passports.export(ada, "north")).encode()
    world.portal.passports.revoke(ada, "north", item=IDENTITY, reason="struck off")
    with pytest.raises(Conflict) as refusal:
        world.portal.passports.import_credential(ada, "north", data, issuer_key=lab_key(world))
    assert refusal.value.code == "own_credential"
