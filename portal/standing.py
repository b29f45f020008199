"""Standing: for which institution an actor may speak, and how firmly."""

from agreements.actors import LAB, Actor, Role

CONTRIBUTING = (Role.COORDINATOR, Role.PARTNER_LEAD, Role.PARTNER_MEMBER, Role.RESEARCHER)
"""Roles that may file findings and propose norms; observers read."""


def contributes(actor: Actor, institution_id: str) -> bool:
    """Whether the actor may file and propose on behalf of the institution."""
    return any(actor.has(role, institution_id) for role in CONTRIBUTING)


def represents(actor: Actor, institution_id: str) -> bool:
    """Whether the actor may bind the institution: its partner lead, or a coordinator for the lab."""
    if institution_id == LAB:
        return actor.is_coordinator
    return actor.has(Role.PARTNER_LEAD, institution_id)


def is_active(actor: Actor | None) -> bool:
    """Whether a person of some institution is signed in (an automatic rule is nobody's reader)."""
    return actor is not None and not actor.is_automatic and bool(actor.memberships)
