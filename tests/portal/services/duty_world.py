"""An agreement with duties and a ladder in a world, and people who do and do not do them."""

from typing import Any

from agreements.agreement import Agreement
from agreements.clauses import LateDuties
from agreements.grants import Grant
from agreements.standard_terms import template
from portal.services.duties import DutyView
from tests.portal.services.world import LEADS, World

STATEMENT = "Four hundred runs, nothing that was not known."
MODEL = "ladder-l"


def terms(**changes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The clauses of the standard template with other data, by kind; None takes a clause out."""
    found = []
    for clause in template("software-access").clauses:
        data = clause.model_dump(mode="json")
        change = changes.get(data["kind"], {})
        if change is not None:
            found.append({**data, **change})
    return found


def sign_by_both(world: World, agreement: Agreement, institution: str = "north") -> Agreement:
    """The version on the table, signed by both."""
    tabled = agreement.proposal or agreement.shown
    for name in (LEADS[institution], "ada"):
        signer = world.actor(name)
        agreement = world.portal.agreements.sign(
            signer, agreement.id, typed_name=signer.name, document_digest=tabled.digest or ""
        )
    return agreement


def in_force(world: World, institution: str = "north", **changes: dict[str, Any] | None) -> Agreement:
    """An agreement in force with these changes to the standard clauses."""
    ada = world.actor("ada")
    drafted = world.portal.agreements.draft(ada, institution_id=institution, clauses=terms(**changes))
    return sign_by_both(world, world.portal.agreements.offer(ada, drafted.id), institution)


def amended(world: World, agreement: Agreement, **changes: dict[str, Any] | None) -> Agreement:
    """The agreement under an amendment that both signed."""
    ada = world.actor("ada")
    world.portal.agreements.propose(ada, agreement.id, change="amendment", clauses=terms(**changes))  # type: ignore[arg-type]  # as a client sends it
    return sign_by_both(world, world.portal.agreements.offer(ada, agreement.id))


def granted(world: World, agreement: Agreement) -> Grant:
    """All that it allows."""
    return world.portal.grants.issue(world.actor("ada"), agreement_id=agreement.id, label="A study")


def ladder_of(agreement: Agreement) -> LateDuties:
    """Its ladder."""
    return next(clause for clause in agreement.clauses if isinstance(clause, LateDuties))


def duty(world: World, agreement: Agreement, key: str) -> DutyView:
    """A duty as its lead sees it."""
    return world.portal.duties.get(world.actor("ben"), agreement.id, key)


def keys(views: tuple[DutyView, ...]) -> list[str]:
    """The keys, in order."""
    return [view.standing.duty.key for view in views]
