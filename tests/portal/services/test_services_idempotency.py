"""The same request under the same key changes nothing and is answered alike; another one is refused."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from agreements.actors import Role
from agreements.deciders import Value
from agreements.errors import Conflict, Forbidden
from agreements.institutions import Constituency
from tests.portal.services.world import World


def _register(world: World, institution_id: str, key: str) -> Value:
    return world.portal.institutions.register(
        world.actor("ada"),
        institution_id=institution_id,
        name=f"{institution_id} University",
        constituency=Constituency.ACADEMIA,
        contact_email="office@example.org",
        idempotency_key=key,
    )


def _person(world: World, who: str, key: str) -> Value:
    return world.portal.people.register(
        world.actor(who),
        name="Finn",
        email="finn@people.example",
        memberships=[("north", Role.PARTNER_MEMBER)],
        idempotency_key=key,
    )


def _requests(world: World) -> dict[str, Callable[[str], Value]]:
    portal, ada, ben = world.portal, world.actor("ada"), world.actor("ben")
    draft, offered = world.agreement(until="draft"), world.agreement(until="offered")
    grant = world.grant()
    return {
        "register an institution": lambda key: _register(world, "west", key),
        "register a person": lambda key: _person(world, "ada", key),
        "draft": lambda key: portal.agreements.draft(ada, institution_id="north", idempotency_key=key),
        "offer": lambda key: portal.agreements.offer(ada, draft.id, idempotency_key=key),
        "sign": lambda key: portal.agreements.sign(
            ben,
            offered.id,
            typed_name="ben",
            document_digest=offered.document_digest or "",
            idempotency_key=key,
        ),
        "issue a grant": lambda key: portal.grants.issue(
            ada, agreement_id=grant.agreement_id, label="More", idempotency_key=key
        ),
        "revoke a grant": lambda key: portal.grants.revoke(ada, grant.id, reason="a breach", idempotency_key=key),
        "issue a token": lambda key: portal.tokens.issue(ben, label="notebook", idempotency_key=key),
    }


def test_a_repeated_request_is_answered_alike_and_changes_nothing(world: World) -> None:
    for name, request in _requests(world).items():
        first = request(name)
        before = world.size
        world.clock.advance(minutes=1)
        assert request(name) == first, name
        assert world.size == before, name


def test_a_key_stands_for_one_kind_of_request_on_one_object(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    one, other = world.grant(), world.grant()
    portal.grants.revoke(ada, one.id, reason="a breach", idempotency_key="k")
    draft = world.agreement(until="draft")
    portal.agreements.offer(ada, draft.id, idempotency_key="offer")
    before = world.size
    for reuse in (
        lambda: portal.grants.revoke(ada, other.id, reason="a breach", idempotency_key="k"),
        lambda: portal.agreements.draft(ada, institution_id="north", idempotency_key="k"),
        lambda: portal.tokens.issue(ada, label="x", idempotency_key="k"),
    ):
        with pytest.raises(Conflict) as refusal:
            reuse()
        assert refusal.value.code == "idempotency_key_reused"
    assert world.size == before
    assert portal.grants.get(ada, other.id).active


def test_a_key_is_its_actors_own(world: World) -> None:
    _person(world, "ada", "k")
    with pytest.raises(Conflict) as refusal:
        _person(world, "ben", "k")
    assert refusal.value.code == "address_taken"


def test_a_request_is_authorised_again_when_it_is_repeated(world: World) -> None:
    """What a person may no longer do is not done, nor shown, because they once could."""
    _person(world, "ben", "k")
    demoted = world.actor("ben").model_copy(update={"memberships": world.actor("nina").memberships})
    with pytest.raises(Forbidden):
        world.portal.people.register(
            demoted,
            name="Finn",
            email="finn@people.example",
            memberships=[("north", Role.PARTNER_MEMBER)],
            idempotency_key="k",
        )


def test_one_request_sent_many_times_at_once_is_done_once(world: World) -> None:
    start, before = threading.Barrier(8), world.size

    def send(_: int) -> Value:
        start.wait()
        return _person(world, "ada", "k")

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(send, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert world.size == before + 2, "the person, and their address"
