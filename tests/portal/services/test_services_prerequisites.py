"""The checklist says what is missing, and who can clear it, exactly where a signature would be refused."""

from typing import Any

import pytest

from agreements.actors import LAB, Role
from agreements.agreement import Agreement
from agreements.errors import Conflict, Fixer
from portal.services.prerequisites import Requirement, _filled
from tests.portal.services.world import World

INSTITUTION, THE_LAB = "institution", "lab"


def offered(world: World, *places: tuple[str, str | None]) -> Agreement:
    """On the table, with these places for signatures: side and address."""
    service, ada = world.portal.agreements, world.actor("ada")
    clauses = [clause.model_dump(mode="json") for clause in service.templates()[0].clauses]
    order = [{"party": party, "role": "signatory", "email": email} for party, email in places]
    signatories = {"kind": "signatories", "clause_id": "who-signs", "title": "Who signs", "text": "In this order."}
    drafted = service.draft(
        ada,
        institution_id="north",
        clauses=[*(one for one in clauses if one["kind"] != "signatories"), {**signatories, "order": order}],
    )
    return service.offer(ada, drafted.id)


def lines(world: World, agreement: Agreement) -> dict[str, Requirement]:
    found = world.portal.agreement_facts.checklist(world.actor("ada"), agreement.id)
    return {line.code: line for line in found if line.code in {"signatory", "signatories"}}


@pytest.mark.parametrize(
    ("email", "says"),
    [
        ("ben@people.example", None),
        ("BEN@people.example", None),
        ("cleo@people.example", "is registered there but not as its partner lead"),
        ("nina@people.example", "is registered there but not as its partner lead"),
        ("dan@people.example", "is not registered there"),
        ("nobody@people.example", "is not registered there"),
    ],
)
def test_a_named_signatory_has_to_be_somebody_who_may_sign(world: World, email: str, says: str | None) -> None:
    line = lines(world, offered(world, (INSTITUTION, email), (THE_LAB, None)))["signatory"]
    assert (line.met, line.fixer) == (says is None, Fixer.COORDINATOR)
    assert says is None or says in line.message


@pytest.mark.parametrize("email", ["rae@people.example", "nobody@lab.example"])
def test_a_named_signatory_of_the_lab_is_a_coordinators_to_register(world: World, email: str) -> None:
    line = lines(world, offered(world, (INSTITUTION, None), (THE_LAB, email)))["signatory"]
    assert (line.met, line.fixer) == (False, Fixer.COORDINATOR)


def test_each_place_needs_somebody_of_its_own(world: World) -> None:
    agreement = offered(world, (INSTITUTION, None), (INSTITUTION, None), (THE_LAB, None))
    line = lines(world, agreement)["signatories"]
    assert (line.met, line.fixer) == (False, Fixer.COORDINATOR)
    assert "2 different people have to sign for North University, and there are 1" in line.message
    _register(world, "bea", ("north", Role.PARTNER_LEAD))
    assert lines(world, agreement)["signatories"].met


def test_an_institution_without_a_lead_is_told_so(world: World) -> None:
    agreement = offered(world, (INSTITUTION, None), (THE_LAB, None))
    assert lines(world, agreement) == {}
    world.portal.people.deactivate(
        world.actor("ada"), world.people["ben"].id, reason="left the university", without_lead=True
    )
    line = lines(world, agreement)["signatories"]
    assert (line.met, line.fixer) == (False, Fixer.COORDINATOR)
    checklist = world.portal.agreement_facts.checklist(world.actor("ada"), agreement.id)
    assert {one.fixer for one in checklist if one.code in {"person", "signing_key"}} == {Fixer.COORDINATOR}


def test_somebody_of_both_sides_counts_once(world: World) -> None:
    zoe = ("north", Role.PARTNER_LEAD), (LAB, Role.COORDINATOR)
    _register(world, "zoe", *zoe)
    world.portal.people.deactivate(
        world.actor("zoe"), world.people["ben"].id, reason="left the university", without_lead=True
    )
    agreement = offered(world, (INSTITUTION, None), (THE_LAB, None))
    assert lines(world, agreement) == {}, "Zoe for the institution, Ada for the lab"
    world.portal.people.deactivate(world.actor("zoe"), world.people["ada"].id, reason="left the lab")
    found = world.portal.agreement_facts.checklist(world.actor("zoe"), agreement.id)
    assert [line.met for line in found if line.code == "signatories"] == [False]


def test_who_has_signed_stays_counted_after_leaving(world: World) -> None:
    agreement = offered(world, (INSTITUTION, "ben@people.example"), (THE_LAB, None))
    ben, digest = world.actor("ben"), agreement.document_digest or ""
    world.portal.agreements.sign(ben, agreement.id, typed_name=ben.name, document_digest=digest)
    world.portal.people.deactivate(world.actor("ada"), ben.person_id, reason="left the university", without_lead=True)
    assert lines(world, agreement)["signatory"].met


def test_nobody_signs_for_both_sides(world: World) -> None:
    _register(world, "zoe", ("north", Role.PARTNER_LEAD), (LAB, Role.COORDINATOR))
    agreement = offered(world, (INSTITUTION, None), (THE_LAB, None))
    zoe, digest, service = world.actor("zoe"), agreement.document_digest or "", world.portal.agreements
    service.sign(zoe, agreement.id, typed_name=zoe.name, document_digest=digest)
    before = world.size
    with pytest.raises(Conflict) as refusal:
        service.sign(zoe, agreement.id, typed_name=zoe.name, document_digest=digest)
    assert (refusal.value.code, world.size) == ("signed_for_other_side", before)
    ada = world.actor("ada")
    assert service.sign(ada, agreement.id, typed_name=ada.name, document_digest=digest).in_force_on(world.clock())


@pytest.mark.parametrize(
    ("able", "filled"),
    [
        ([{"a"}, {"a"}], 1),
        ([{"a", "b"}, {"a"}], 2),
        ([{"a", "b"}, {"a"}, {"b"}], 2),
        ([{"a", "b"}, {"b", "c"}, {"a"}], 3),
        ([set(), {"a"}], 1),
        ([], 0),
    ],
)
def test_as_many_places_are_filled_as_can_be(able: list[set[str]], filled: int) -> None:
    assert len(_filled([frozenset(one) for one in able])) == filled


def _register(world: World, name: str, *memberships: tuple[str, Role]) -> Any:
    world.people[name] = world.portal.people.register(
        world.actor("ada"), name=name.title(), email=f"{name}@people.example", memberships=memberships
    )
