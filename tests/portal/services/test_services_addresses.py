"""An e-mail address is one person's at a time: agreements name people by it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agreements.actors import Role
from agreements.errors import ConcordatError, Conflict, Forbidden
from agreements.people import Person, RegisterPerson
from portal.services.aggregates import PEOPLE
from tests.portal.services.world import World


def _register(world: World, email: str, *, who: str = "ben", name: str = "Mallory") -> Person:
    return world.portal.people.register(
        world.actor(who), name=name, email=email, memberships=[("north", Role.PARTNER_MEMBER)]
    )


@pytest.mark.parametrize(
    "email",
    ["cleo@people.example", "CLEO@People.Example", "\uff43leo@people.example", "eve@people.example"],
    ids=["the same", "in capitals", "in wide letters", "of another institution"],
)
def test_nobody_is_registered_under_anothers_address(world: World, email: str) -> None:
    before = world.size
    for who in ("ben", "ada"):
        with pytest.raises(Conflict) as refusal:
            _register(world, email, who=who)
        assert (refusal.value.code, refusal.value.param) == ("address_taken", "email")
        assert "Cleo" not in str(refusal.value)
    assert world.size == before


def test_who_may_add_nobody_learns_nothing_of_addresses(world: World) -> None:
    with pytest.raises(Forbidden):
        _register(world, "ada@lab.example", who="cleo")


def test_the_address_of_somebody_who_left_is_free(world: World) -> None:
    world.portal.people.deactivate(world.actor("ben"), world.people["cleo"].id, reason="left the project")
    assert _register(world, "cleo@people.example", name="Cleo Again").email == "cleo@people.example"
    with pytest.raises(Conflict):
        _register(world, "Cleo@people.example")


def test_people_registered_before_addresses_were_kept_hold_theirs(world: World) -> None:
    old = RegisterPerson(
        person_id="per_0000000000000001",
        name="Olive",
        email="Olive@people.example",
        memberships=world.people["cleo"].memberships,
    )
    world.portal.kernel.execute(PEOPLE, old.person_id, old, world.actor("ben"))
    with pytest.raises(Conflict) as refusal:
        _register(world, "olive@people.example")
    assert refusal.value.code == "address_taken"
    world.portal.people.deactivate(world.actor("ben"), old.person_id, reason="left the project")
    assert _register(world, "olive@people.example").name == "Mallory"


def test_of_many_who_ask_for_an_address_at_once_one_gets_it(world: World) -> None:
    start, before = threading.Barrier(8), world.size

    def ask(number: int) -> str:
        start.wait()
        try:
            return _register(world, "finn@people.example", name=f"Finn {number}").id
        except ConcordatError as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(ask, range(8)))
    assert answers.count("address_taken") == 7
    assert world.size == before + 2
