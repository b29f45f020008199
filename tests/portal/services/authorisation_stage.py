"""One of everything that belongs to north, for the question who may do what with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agreements.actors import Actor
from agreements.agreement import Agreement, Change
from agreements.clauses import SuspensionReason
from agreements.grants import Grant
from agreements.scopes import Scope
from portal.services.templates import USUAL
from tests.portal.services.world import CAST, PURPOSE, World, ask, make_world

EVERYONE = frozenset({"ada", *CAST})
LAB_ONLY = frozenset({"ada"})
NORTH = frozenset({"ben", "cleo", "nina"})
PARTIES = LAB_ONLY | NORTH
LEAD = frozenset({"ben"})
SIGNATORIES = LAB_ONLY | LEAD

WORDS = "Enough words to say what happened."


@dataclass(frozen=True)
class Stage:
    """A world with one of everything that belongs to north. Agreements are named by how far they have come."""

    world: World
    draft: str
    offered: str
    countered: str
    signed: str
    in_force: str
    amending: str
    """In force, with a drafted amendment."""
    suspended: str
    """By the coordinator."""
    appealed: str
    """Suspended by a rule of the agreement, and appealed."""
    narrowed: str
    terminated: str
    grant: str
    token: str
    run: str
    standing: dict[str, str] = field(default_factory=dict)
    """One of each kind of object that ``authorisation_made`` makes, by kind."""
    makers: "dict[str, Callable[[Stage], str]]" = field(default_factory=dict)
    """Where every act needs an object of its own: how another is made."""

    def one(self, kind: str) -> str:
        """The id of an object of a kind."""
        return self.makers[kind](self) if kind in self.makers else self.standing[kind]

    @property
    def agreements(self) -> frozenset[str]:
        """All that are there, but the draft."""
        return frozenset(
            {
                *(self.offered, self.countered, self.signed, self.in_force, self.amending),
                *(self.suspended, self.appealed, self.narrowed, self.terminated),
            }
        )

    def feedback(self) -> str:
        """The key of the first duty under the agreement in force."""
        views = self.world.portal.duties.of_agreement(self.world.actor("ada"), self.in_force)
        return views[0].standing.duty.key


Call = Callable[[Stage, Actor], object]
Rows = dict[str, tuple[Call, frozenset[str]]]
"""A method by name: how it is called, and who may."""


def scope_of(grant: Grant) -> Scope:
    """What a grant that was issued allows."""
    assert grant.scope is not None
    return grant.scope


def other_clauses(agreement: Agreement) -> list[object]:
    """Its clauses with feedback less often."""
    clauses = [clause.model_dump(mode="json") for clause in agreement.clauses]
    return [{**clause, "every_weeks": 9} if clause["kind"] == "feedback" else clause for clause in clauses]


def set_up(folder: Path) -> Stage:
    """A fresh stage."""
    world = make_world(folder)
    world.checkpoint("ladder-l")
    grant = world.grant()
    ada, ben, cleo = world.actor("ada"), world.actor("ben"), world.actor("cleo")
    run = world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    run.result()
    service = world.portal.agreements

    def running() -> str:
        return world.agreement().id

    countered = world.agreement(until="offered")
    service.counter(ben, countered.id, clauses=other_clauses(countered))
    amending = service.propose(ada, running(), change=Change.AMENDMENT, title="Other terms")
    reason = SuspensionReason.SECURITY_INCIDENT
    suspended = service.suspend(ada, running(), reason=reason, statement=WORDS)
    rule = Actor.automatic("duty-ladder")
    appealed = service.suspend(rule, running(), reason=SuspensionReason.OVERDUE_DUTY, statement=WORDS)
    service.appeal(ben, appealed.id, number=1, text=WORDS)
    narrowed = service.narrow(ada, running(), operations=["score"], requests_per_minute=1, statement=WORDS)
    terminated = service.terminate(ada, running(), reason="a breach")
    publish_usual(world, ada)
    return Stage(
        world=world,
        draft=world.agreement(until="draft").id,
        offered=world.agreement(until="offered").id,
        countered=countered.id,
        signed=world.agreement(until="signed").id,
        in_force=grant.agreement_id,
        amending=amending.id,
        suspended=suspended.id,
        appealed=appealed.id,
        narrowed=narrowed.id,
        terminated=terminated.id,
        grant=grant.id,
        token=world.portal.tokens.issue(cleo, label="notebook", grant_id=grant.id).record.id,
        run=run.run_id,
    )


def publish_usual(world: World, actor: Actor) -> object:
    """Publish the next version of the usual template, with another title."""
    newest = world.portal.templates.get(USUAL)
    return world.portal.templates.publish(
        actor,
        template_id=USUAL,
        version=newest.version + 1,
        title=f"Terms of version {newest.version + 1}",
        summary=newest.summary,
        clauses=[
            {**clause.model_dump(mode="json"), **({"every_weeks": 5} if clause.kind == "feedback" else {})}
            for clause in newest.clauses
        ],
    )
