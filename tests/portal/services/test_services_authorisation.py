"""Who may do what to which object: every role with every method, on north's objects. What is refused writes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agreements.actors import Actor, Membership, Role
from agreements.errors import Conflict, Forbidden, NotFound
from agreements.institutions import Constituency, possession_challenge
from agreements.keys import SigningKey
from tests.portal.services.world import CAST, PURPOSE, World, ask, make_world

EVERYONE = frozenset({"ada", *CAST})
LAB_ONLY = frozenset({"ada"})
NORTH = frozenset({"ben", "cleo", "nina"})


@dataclass(frozen=True)
class Stage:
    """A world with one of everything that belongs to north."""

    world: World
    draft: str
    offered: str
    signed: str
    in_force: str
    grant: str
    token: str
    run: str


def set_up(folder: Path) -> Stage:
    """A fresh stage."""
    world = make_world(folder)
    world.checkpoint("ladder-l")
    grant = world.grant()
    cleo = world.actor("cleo")
    run = world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    run.result()
    return Stage(
        world=world,
        draft=world.agreement(until="draft").id,
        offered=world.agreement(until="offered").id,
        signed=world.agreement(until="signed").id,
        in_force=grant.agreement_id,
        grant=grant.id,
        token=world.portal.tokens.issue(cleo, label="notebook", grant_id=grant.id).record.id,
        run=run.run_id,
    )


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


Call = Callable[[Stage, Actor], object]


def _sign(agreement: str) -> Call:
    def call(stage: Stage, actor: Actor) -> object:
        agreement_id = getattr(stage, agreement)
        digest = stage.world.portal.agreements.get(stage.world.actor("ada"), agreement_id).document_digest or ""
        return stage.world.portal.agreements.sign(actor, agreement_id, typed_name=actor.name, document_digest=digest)

    return call


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
        actor, name="Finn", email="finn@people.example", memberships=[("north", Role.PARTNER_MEMBER)]
    )


def _clauses(stage: Stage) -> list[object]:
    return [clause.model_dump(mode="json") for clause in stage.world.portal.agreements.templates()[0].clauses]


METHODS: dict[str, tuple[Call, frozenset[str]]] = {
    "institutions.register": (_register_institution, LAB_ONLY),
    "institutions.register_key": (_register_key, frozenset({"ada", "ben"})),
    "institutions.create_key": (
        lambda s, a: s.world.portal.institutions.create_key(a, "north"),
        frozenset({"ada", "ben"}),
    ),
    "institutions.revoke_key": (_revoke_key, frozenset({"ada", "ben"})),
    "institutions.sign": (
        lambda s, a: s.world.portal.institutions.sign("north", a, "text/plain", b"x"),
        frozenset({"ben"}),
    ),
    "people.register": (_register_person, frozenset({"ada", "ben"})),
    "people.deactivate": (
        lambda s, a: s.world.portal.people.deactivate(a, s.world.people["cleo"].id, reason="left"),
        frozenset({"ada", "ben"}),
    ),
    "sign_in.issue_link": (lambda s, a: s.world.portal.sign_in.issue_link(a, s.world.people["cleo"].id), LAB_ONLY),
    "agreements.draft": (lambda s, a: s.world.portal.agreements.draft(a, institution_id="north"), LAB_ONLY),
    "agreements.edit": (
        lambda s, a: s.world.portal.agreements.edit(a, s.draft, title="Other terms", clauses=_clauses(s)),
        LAB_ONLY,
    ),
    "agreements.offer": (lambda s, a: s.world.portal.agreements.offer(a, s.draft), LAB_ONLY),
    "agreements.sign (institution)": (_sign("offered"), frozenset({"ben"})),
    "agreements.sign (lab)": (_sign("signed"), LAB_ONLY),
    "agreements.decline": (
        lambda s, a: s.world.portal.agreements.decline(a, s.offered, reason="not now"),
        frozenset({"ben"}),
    ),
    "agreements.withdraw": (lambda s, a: s.world.portal.agreements.withdraw(a, s.offered, reason="not now"), LAB_ONLY),
    "agreements.terminate": (
        lambda s, a: s.world.portal.agreements.terminate(a, s.in_force, reason="a breach"),
        frozenset({"ada", "ben"}),
    ),
    "agreements.get (draft)": (lambda s, a: s.world.portal.agreements.get(a, s.draft), LAB_ONLY),
    "agreements.get": (lambda s, a: s.world.portal.agreements.get(a, s.offered), LAB_ONLY | NORTH),
    "agreements.export": (lambda s, a: s.world.portal.agreements.export(a, s.in_force), LAB_ONLY | NORTH),
    "grants.bounds": (lambda s, a: s.world.portal.grants.bounds(a, s.in_force), LAB_ONLY | NORTH),
    "grants.issue": (lambda s, a: s.world.portal.grants.issue(a, agreement_id=s.in_force, label="More"), LAB_ONLY),
    "grants.get": (lambda s, a: s.world.portal.grants.get(a, s.grant), LAB_ONLY | NORTH),
    "grants.revoke": (lambda s, a: s.world.portal.grants.revoke(a, s.grant, reason="a breach"), LAB_ONLY),
    "tokens.issue (grant)": (lambda s, a: s.world.portal.tokens.issue(a, label="mine", grant_id=s.grant), NORTH),
    "tokens.revoke": (lambda s, a: s.world.portal.tokens.revoke(a, s.token), frozenset({"ada", "cleo"})),
    "checkpoints.add": (
        lambda s, a: s.world.portal.checkpoints.add(a, Path("/nowhere"), checkpoint_id="new", family="ladder"),
        LAB_ONLY,
    ),
    "runs.begin": (lambda s, a: s.world.portal.runs.begin(a, "ladder-l", ask(), purpose=PURPOSE), LAB_ONLY | NORTH),
    "runs.get": (lambda s, a: s.world.portal.runs.get(a, s.run), LAB_ONLY | NORTH),
    "runs.receipt": (lambda s, a: s.world.portal.runs.receipt(a, s.run), LAB_ONLY | NORTH),
    "runs.facts": (lambda s, a: s.world.portal.runs.facts(s.run, a), LAB_ONLY | NORTH),
    "log.evidence": (lambda s, a: s.world.portal.log.evidence(a, 0), LAB_ONLY),
    "log.verify": (lambda s, a: s.world.portal.log.verify(a), LAB_ONLY),
}

FINAL = frozenset(
    {
        "institutions.register",
        "institutions.revoke_key",
        "people.deactivate",
        "agreements.edit",
        "agreements.offer",
        "agreements.sign (institution)",
        "agreements.sign (lab)",
        "agreements.decline",
        "agreements.withdraw",
        "agreements.terminate",
        "grants.revoke",
        "tokens.revoke",
    }
)
"""Done to an object, it cannot be done to it again."""

OUT_OF_TURN = {("agreements.sign (institution)", "ada"), ("agreements.sign (lab)", "ben")}
"""May sign, but it is the other side's turn."""

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


def test_lists_show_each_reader_only_what_is_theirs(stage: Stage) -> None:
    portal, actor = stage.world.portal, stage.world.actor
    assert {a.id for a in portal.agreements.list(actor("ben"))} == {stage.offered, stage.signed, stage.in_force}
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
