"""Who may do what to which object: every role with every method, on north's objects. What is refused writes nothing."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agreements.actors import Actor, Membership, Role
from agreements.errors import Conflict, Forbidden, NotFound
from agreements.institutions import Constituency
from agreements.key_succession import possession_challenge
from agreements.keys import SigningKey
from model_access.metering import RATE_WINDOW_S
from tests.portal.services.authorisation_agreements import AGREEMENTS, FINAL_AGREEMENTS, OUT_OF_TURN
from tests.portal.services.authorisation_grants import GRANTS
from tests.portal.services.authorisation_made import ready
from tests.portal.services.authorisation_people import NEEDS_MORE, PEOPLE
from tests.portal.services.authorisation_rest import REST
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
    made = ready(set_up(tmp_path_factory.mktemp("refused")))
    yield made
    made.world.portal.close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """With one of each and no more, to be listed."""
    made = set_up(tmp_path_factory.mktemp("listed"))
    yield made
    made.world.portal.close()


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For what is allowed and leaves the objects as they are, or has one made for it, whatever it adds."""
    made = ready(set_up(tmp_path_factory.mktemp("allowed")), anew=True)
    # A minute passes with every look at the clock of rates: the grant that some narrow to one request a minute is
    # the one that others then query with, in whatever order the tests come.
    minutes = itertools.count()
    made.world.portal.meter._monotonic = lambda: RATE_WINDOW_S * next(minutes)
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
    **PEOPLE,
    **GRANTS,
    **REST,
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
    "checkpoints.queried": (lambda s, a: s.world.portal.checkpoints.queried(a, "ladder-l"), PARTIES),
    "checkpoints.tokenizer": (lambda s, a: s.world.portal.checkpoints.tokenizer(a, "ladder-l"), PARTIES),
    "tokenising.tokenize": (
        lambda s, a: s.world.portal.tokenising.tokenize(a, "ladder-l", "once", purpose=PURPOSE) is not None,
        PARTIES,
    ),
    "tokenising.detokenize": (
        lambda s, a: s.world.portal.tokenising.detokenize(a, "ladder-l", [0], purpose=PURPOSE),
        PARTIES,
    ),
    "runs.begin": (lambda s, a: s.world.portal.runs.begin(a, "ladder-l", ask(), purpose=PURPOSE), PARTIES),
    "runs.get": (lambda s, a: s.world.portal.runs.get(a, s.run), PARTIES),
    "runs.place": (lambda s, a: s.world.portal.runs.place(a, s.run), PARTIES),
    "runs.receipt": (lambda s, a: s.world.portal.runs.receipt(a, s.run), PARTIES),
    "runs.facts": (lambda s, a: s.world.portal.runs.facts(s.run, a), PARTIES),
    "replaying.begin": (
        lambda s, a: s.world.portal.replaying.begin(a, s.run, prompts=("once upon a time",)),
        PARTIES,
    ),
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
        if method not in NEEDS_MORE and (method in FINAL) is final
    ]


@pytest.mark.parametrize(("method", "who"), _allowed(final=False))
def test_what_is_allowed_is_done(spare: Stage, method: str, who: str) -> None:
    assert METHODS[method][0](spare, spare.world.actor(who))


@pytest.mark.parametrize(("method", "who"), _allowed(final=True))
def test_what_is_allowed_once_is_done(tmp_path: Path, method: str, who: str) -> None:
    fresh = set_up(tmp_path)
    assert METHODS[method][0](fresh, fresh.world.actor(who))
    fresh.world.portal.close()


def test_lists_show_each_reader_only_what_is_theirs(bare: Stage) -> None:
    portal, actor = bare.world.portal, bare.world.actor
    assert {a.id for a in portal.agreements.list(actor("ben"))} == bare.agreements
    assert bare.draft in {a.id for a in portal.agreements.list(actor("ada"))}
    assert portal.agreements.list(actor("dan")) == ()
    assert portal.agreements.list(actor("rae")) == ()
    assert [view.grant.id for view in portal.grants.list(actor("nina"))] == [bare.grant]
    assert portal.grants.list(actor("eve")) == ()
    assert [record.id for record in portal.tokens.list(actor("cleo"))] == [bare.token]
    assert portal.tokens.list(actor("ben")) == ()
    assert [record.id for record in portal.tokens.list(actor("ada"))] == [bare.token]
    assert [run.terms.run_id for run in portal.runs.list(actor("ben")) if run.terms] == [bare.run]
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
