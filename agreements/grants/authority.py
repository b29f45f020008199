"""Who may do what with a grant, by where they stand in its tree."""

from collections.abc import Iterable

from agreements.actors import Actor, Role
from agreements.errors import Fixer, Forbidden
from agreements.grants.model import Grant, Holder, HolderKind


def signed_in(actor: Actor) -> None:
    """Refuse a token that opens one grant, and a program: both use access, and manage none. Raises Forbidden."""
    if actor.grant_id is not None or actor.program:
        raise Forbidden(
            "token_opens_only",
            "An access token opens what its grant allows; it does not manage grants.",
            hint="Sign in to the portal, or use the command line.",
            fixer=Fixer.CALLER,
        )


def coordinator_only(actor: Actor, what: str) -> None:
    """Raises Forbidden ``not_coordinator``."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", f"Only a coordinator {what}.")


def may_delegate(state: Grant, actor: Actor) -> bool:
    """Whether the actor may pass on part of a grant: its holder, a lead of the institution, or a coordinator."""
    return (
        actor.is_coordinator
        or actor.has(Role.PARTNER_LEAD, state.institution_id)
        or (actor.belongs_to(state.institution_id) and _holds(actor, state.holder))
    )


def stands_above(state: Grant, above: Iterable[Holder], actor: Actor) -> bool:
    """Whether the actor may stop, narrow or end a grant.

    A coordinator may; of a child also whoever issued it, holds a grant above it, or leads the institution, which holds
    the root. Nobody of the institution stands above its root.
    """
    if actor.is_coordinator:
        return True
    if not state.parent_id or not actor.belongs_to(state.institution_id):
        return False
    return (
        actor.person_id == state.issued_by
        or actor.has(Role.PARTNER_LEAD, state.institution_id)
        or any(_holds(actor, holder) for holder in above)
    )


def check_above(state: Grant, above: Iterable[Holder], actor: Actor) -> None:
    """Raises Forbidden: ``token_opens_only``, ``not_coordinator`` for a root, ``not_above`` for a child."""
    signed_in(actor)
    if not state.parent_id:
        coordinator_only(actor, "changes or ends a grant that an institution holds")
    if not stands_above(state, above, actor):
        raise Forbidden(
            "not_above",
            f"Grant {state.id} is changed by whoever issued it or stands above it, and you do not.",
            hint="Ask your partner lead, or whoever delegated the grant.",
            fixer=Fixer.LEAD,
        )


def _holds(actor: Actor, holder: Holder) -> bool:
    return holder.kind is HolderKind.PERSON and holder.id == actor.person_id
