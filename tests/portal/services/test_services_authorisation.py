"""Who may do what to which object: every role with every method, on north's objects. What is refused writes nothing."""

from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import pytest

from agreements.actors import Actor, Membership, Role
from agreements.errors import Conflict, Forbidden, NotFound
from agreements.institutions import Constituency
from agreements.key_succession import possession_challenge
from agreements.keys import SigningKey
from portal.services.agreements import AgreementService
from tests.portal.services.authorisation_agreements import AGREEMENTS, FINAL_AGREEMENTS, OUT_OF_TURN
from tests.portal.services.authorisation_stage import (
    EVERYONE,
    LAB_ONLY,
    LEAD,
    NORTH,
    PARTIES,
    SIGNATORIES,
    Rows,
    Stage,
    set_up,
)
from tests.portal.services.world import CAST, PURPOSE, World, ask


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = set_up(tmp_path_factory.mktemp("refused"))
    yield made
    made.world.portal.close()


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For what is allowed and leaves the objects as they are, whatever it adds."""
    made = set_up(tmp_path_factory.mktemp("allowed"))
    yield made
    made.world.portal.close()


def _register_key(stage: Stage, actor: Actor) -> object:
    key = SigningKey.generate()
    public_key = key.public.raw.hex()
    proof = key.sign(possession_challenge("north", public_key)).hex()
    return stage.world.portal.institutions.register_key(actor, "north", public_key=public_key, proof=proof)


def _revoke_key(stage: Stage, actor: Actor) -> object:
    (key, *_) = stage.world.portal.institutions.active_keys("north")
    return stage.world.portal.institutions.revoke_key(actor, "north", public_key=key, reason="it leaked")


def _register_institution(stage: Stage, actor: Actor) -> object:
    return stage.world.portal.institutions.register(
        actor,
        institution_id="west",
        name="West University",
        constituency=Constituency.ACADEMIA,
        contact_email="office@west.example",
    )


def _register_person(stage: Stage, actor: Actor) -> object:
    return stage.world.portal.people.register(
        actor,
        name="Finn",
        email=f"finn.{actor.person_id}@people.example",
        memberships=[("north", Role.PARTNER_MEMBER)],
    )


LEAD_ONLY = frozenset({"ben"})

METHODS: Rows = {
    "institutions.register": (_register_institution, LAB_ONLY),
    "institutions.register_key": (_register_key, LEAD_ONLY),
    "institutions.create_key": (lambda s, a: s.world.portal.institutions.create_key(a, "north"), LEAD_ONLY),
    "institutions.revoke_key": (_revoke_key, SIGNATORIES),
    "institutions.sign": (lambda s, a: s.world.portal.institutions.sign("north", a, "text/plain", b"x"), LEAD),
    "people.register": (_register_person, SIGNATORIES),
    "people.deactivate": (
        lambda s, a: s.world.portal.people.deactivate(a, s.world.people["cleo"].id, reason="left"),
        SIGNATORIES,
    ),
    "sign_in.issue_link": (lambda s, a: s.world.portal.sign_in.issue_link(a, s.world.people["cleo"].id), LAB_ONLY),
    **AGREEMENTS,
    "grants.bounds": (lambda s, a: s.world.portal.grants.bounds(a, s.in_force), PARTIES),
    "grants.issue": (lambda s, a: s.world.portal.grants.issue(a, agreement_id=s.in_force, label="More"), LAB_ONLY),
    "grants.get": (lambda s, a: s.world.portal.grants.get(a, s.grant), PARTIES),
    "grants.revoke": (lambda s, a: s.world.portal.grants.revoke(a, s.grant, reason="a breach"), LAB_ONLY),
    "tokens.issue (grant)": (lambda s, a: s.world.portal.tokens.issue(a, label="mine", grant_id=s.grant), NORTH),
    "tokens.revoke": (lambda s, a: s.world.portal.tokens.revoke(a, s.token), frozenset({"ada", "cleo"})),
    "checkpoints.add": (
        lambda s, a: s.world.portal.checkpoints.add(a, Path("/nowhere"), checkpoint_id="new", family="ladder"),
        LAB_ONLY,
    ),
    "runs.begin": (lambda s, a: s.world.portal.runs.begin(a, "ladder-l", ask(), purpose=PURPOSE), PARTIES),
    "runs.get": (lambda s, a: s.world.portal.runs.get(a, s.run), PARTIES),
    "runs.receipt": (lambda s, a: s.world.portal.runs.receipt(a, s.run), PARTIES),
    "runs.facts": (lambda s, a: s.world.portal.runs.facts(s.run, a), PARTIES),
    "log.evidence": (lambda s, a: s.world.portal.log.evidence(a, 0), LAB_ONLY),
    "log.verify": (lambda s, a: s.world.portal.log.verify(a), LAB_ONLY),
}

FINAL = frozenset(
    {
        "institutions.register_key",
        "institutions.create_key",
        "institutions.register",
        "institutions.revoke_key",
        "people.deactivate",
        *FINAL_AGREEMENTS,
        "grants.revoke",
        "tokens.revoke",
    }
)
"""Done to an object, it cannot be done to it again."""

NOBODY = Actor(person_id="per_nobody", name="Nobody")
IMPOSTOR = Actor(
    person_id="per_impostor",
    name="Impostor",
    memberships=(
        Membership(institution_id="south", role=Role.COORDINATOR),
        Membership(institution_id="lab", role=Role.PARTNER_LEAD),
    ),
)
"""Holds strong roles at the wrong institutions."""


def _key_files(world: World) -> set[str]:
    return {path.name for path in world.settings.keys_dir.iterdir()}


@pytest.mark.parametrize(
    ("method", "who"), [(method, who) for method, (_, allowed) in METHODS.items() for who in sorted(EVERYONE - allowed)]
)
def test_what_is_not_allowed_is_refused_and_writes_nothing(stage: Stage, method: str, who: str) -> None:
    world = stage.world
    before = world.size, _key_files(world)
    with pytest.raises(Conflict if (method, who) in OUT_OF_TURN else (Forbidden, NotFound)):
        METHODS[method][0](stage, world.actor(who))
    assert (world.size, _key_files(world)) == before


@pytest.mark.parametrize("actor", [NOBODY, IMPOSTOR], ids=lambda actor: actor.name)
@pytest.mark.parametrize("method", METHODS)
def test_no_role_works_at_another_institution_than_its_own(stage: Stage, method: str, actor: Actor) -> None:
    before = stage.world.size, _key_files(stage.world)
    with pytest.raises((Forbidden, NotFound)):
        METHODS[method][0](stage, actor)
    assert (stage.world.size, _key_files(stage.world)) == before


def _allowed(*, final: bool) -> list[tuple[str, str]]:
    return [
        (method, who)
        for method, (_, allowed) in METHODS.items()
        for who in sorted(allowed)
        if method != "checkpoints.add" and (method in FINAL) is final
    ]


@pytest.mark.parametrize(("method", "who"), _allowed(final=False))
def test_what_is_allowed_is_done(spare: Stage, method: str, who: str) -> None:
    assert METHODS[method][0](spare, spare.world.actor(who))


@pytest.mark.parametrize(("method", "who"), _allowed(final=True))
def test_what_is_allowed_once_is_done(tmp_path: Path, method: str, who: str) -> None:
    fresh = set_up(tmp_path)
    assert METHODS[method][0](fresh, fresh.world.actor(who))
    fresh.world.portal.close()


def test_nothing_is_done_to_agreements_that_is_not_held_to_every_role() -> None:
    asked = {
        name
        for name, method in vars(AgreementService).items()
        if not name.startswith("_") and "actor" in signature(method).parameters
    }
    assert {name for name in asked if not any(row.split()[0] == f"agreements.{name}" for row in METHODS)} == {"list"}


def test_lists_show_each_reader_only_what_is_theirs(stage: Stage) -> None:
    portal, actor = stage.world.portal, stage.world.actor
    assert {a.id for a in portal.agreements.list(actor("ben"))} == stage.agreements
    assert stage.draft in {a.id for a in portal.agreements.list(actor("ada"))}
    assert portal.agreements.list(actor("dan")) == ()
    assert portal.agreements.list(actor("rae")) == ()
    assert [view.grant.id for view in portal.grants.list(actor("nina"))] == [stage.grant]
    assert portal.grants.list(actor("eve")) == ()
    assert [record.id for record in portal.tokens.list(actor("cleo"))] == [stage.token]
    assert portal.tokens.list(actor("ben")) == ()
    assert [record.id for record in portal.tokens.list(actor("ada"))] == [stage.token]
    assert [run.terms.run_id for run in portal.runs.list(actor("ben")) if run.terms] == [stage.run]
    assert portal.runs.list(actor("ben"), mine=True) == ()
    assert portal.runs.list(actor("eve")) == ()
    assert {person.name for person in portal.people.list(actor("cleo"))} == {"Ben", "Cleo", "Nina"}
    assert len(portal.people.list(actor("ada"))) == 1 + len(CAST)
    assert [i.id for i in portal.institutions.list(actor("eve"))] == ["lab", "north", "south"]
    assert portal.institutions.list(NOBODY) == ()


def test_a_foreign_object_and_one_that_is_not_there_are_refused_alike(stage: Stage) -> None:
    portal, dan = stage.world.portal, stage.world.actor("dan")
    reads: list[tuple[Callable[[str], object], str]] = [
        (lambda name: portal.agreements.get(dan, name), stage.offered),
        (lambda name: portal.grants.get(dan, name), stage.grant),
        (lambda name: portal.runs.get(dan, name), stage.run),
        (lambda name: portal.tokens.revoke(dan, name), stage.token),
    ]
    for read, theirs in reads:
        refusals = []
        for name in (theirs, "xyz_0000000000000000"):
            with pytest.raises(NotFound) as refusal:
                read(name)
            refusals.append((refusal.value.code, refusal.value.message.replace(name, "…"), refusal.value.hint))
        assert refusals[0] == refusals[1]
