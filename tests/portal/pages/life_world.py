"""Agreements with duties, vetting and a clock that can be moved, for the screens of an agreement's life."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from agreements.agreement import Agreement
from agreements.standard_terms import template
from tests.portal.pages.pages_world import World

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
STATEMENT = "Four hundred runs, nothing that was not known."


def let_pass(world: World, days: float) -> None:
    """Move the portal's clock; every service that reads it sees the same."""
    kernel = world.portal.kernel
    before: Callable[[], datetime] = kernel.clock
    object.__setattr__(kernel, "clock", lambda: before() + timedelta(days=days))


def terms(changes: Mapping[str, Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """The clauses of the standard template with other data, by kind; None takes a clause out."""
    found = []
    for clause in template("software-access").clauses:
        data = clause.model_dump(mode="json")
        change = changes.get(data["kind"], {})
        if change is not None:
            found.append({**data, **change})
    return found


def in_force(world: World, institution: str = "northfield", **changes: Mapping[str, Any] | None) -> Agreement:
    """An agreement in force with these changes to the standard clauses."""
    lab = world.actor(world.coordinator)
    lead = world.actor(world.lead if institution == "northfield" else world.rival)
    service = world.portal.agreements
    drafted = service.draft(lab, institution_id=institution, clauses=terms(changes))
    digest = service.offer(lab, drafted.id).document_digest or ""
    for signer in (lead, lab):
        signed = service.sign(signer, drafted.id, typed_name=signer.name, document_digest=digest)
    return signed


def first_duty(world: World, agreement: Agreement) -> str:
    """The key of the duty that is due first."""
    views = world.portal.duties.of_agreement(world.actor(world.coordinator), agreement.id)
    return views[0].standing.duty.key
