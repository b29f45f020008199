"""Who may do what with a grant, by where they stand in its tree."""

from collections.abc import Sequence
from typing import Final

from agreements.actors import Actor, Role
from agreements.errors import Fixer, Forbidden
from agreements.grants.model import Grant, GrantSuspension, Holder, HolderKind


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


LAB_STANDS: Final = -1
"""Where a coordinator stands: above every root."""


def standing(state: Grant, above: Sequence[Holder], actor: Actor) -> int | None:
    """From where the actor may stop, narrow or end a grant, in steps from the root; the less, the higher. Else None.

    ``above`` are the holders of the grants above it, the parent's first. A coordinator may, from ``LAB_STANDS``; of a
    child also a lead of the institution, which holds the root, whoever holds a grant above it, and whoever issued it,
    from no higher than the child itself. Nobody of the institution stands above its root.
    """
    if actor.is_coordinator:
        return LAB_STANDS
    if not state.parent_id or not actor.belongs_to(state.institution_id):
        return None
    if actor.has(Role.PARTNER_LEAD, state.institution_id):
        return 0
    held = [state.depth - 1 - steps for steps, holder in enumerate(above) if _holds(actor, holder)]
    if held:
        return min(held)
    return state.depth if actor.person_id == state.issued_by else None


def stands_above(state: Grant, above: Sequence[Holder], actor: Actor) -> bool:
    """Whether the actor may stop, narrow or end a grant."""
    return standing(state, above, actor) is not None


def may_suspend(state: Grant, above: Sequence[Holder], actor: Actor) -> bool:
    """Whether the actor may stop a grant; one that is stopped already, only from higher up than it was.

    The suspension is then theirs: else whoever suspended it first could lift it against those above.
    """
    place, suspension = standing(state, above, actor), state.suspension
    return place is not None and (suspension is None or place < _suspended_from(suspension))


def may_lift(state: Grant, above: Sequence[Holder], actor: Actor) -> bool:
    """Whether the actor stands where whoever suspended a grant stood, or higher."""
    place, suspension = standing(state, above, actor), state.suspension
    return place is not None and suspension is not None and place <= _suspended_from(suspension)


def check_lift(state: Grant, above: Sequence[Holder], actor: Actor) -> None:
    """Raises Forbidden ``not_coordinator`` for what the lab suspended, ``suspended_from_above`` for what others did."""
    suspension = state.suspension
    if suspension is None or may_lift(state, above, actor):
        return
    if suspension.by_lab:
        coordinator_only(actor, "lifts what a coordinator suspended")
    who = "A lead of the institution" if _suspended_from(suspension) == 0 else "Somebody who stands above you"
    raise Forbidden(
        "suspended_from_above",
        f"{who} suspended grant {state.id}; only they lift it, or whoever stands higher still.",
        hint="Ask your partner lead, and say why it should go on.",
        fixer=Fixer.LEAD,
    )


def _suspended_from(suspension: GrantSuspension) -> int:
    """A suspension that does not say from where is taken for a lead's, or the lab's."""
    if suspension.by_lab:
        return LAB_STANDS
    return suspension.stands if suspension.stands is not None else 0


def check_above(state: Grant, above: Sequence[Holder], actor: Actor) -> None:
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
