"""Grants: what one agreement allows one holder, and what that holder passes on.

coordinator ──issue──▶ the institution's grant ──delegate──▶ a lead's ──delegate──▶ a researcher's or a program's
                               │ narrow, suspend, revoke: what is below follows          ⊆ its parent, always
"""

from collections.abc import Sequence
from datetime import datetime

from agreements.actors import Actor, Role
from agreements.deciders import Decider, Event
from agreements.errors import Conflict, Fixer, Forbidden, Invalid
from agreements.grants.authority import (
    check_above,
    check_lift,
    coordinator_only,
    may_delegate,
    may_suspend,
    signed_in,
    standing,
)
from agreements.grants.commands import (
    CarryOverGrant,
    DelegateGrant,
    ExtendGrant,
    GrantCommand,
    IssueGrant,
    LiftGrantSuspension,
    MakeRoom,
    NarrowGrant,
    NarrowWithAncestor,
    ReceiveGrant,
    RevokeGrant,
    RevokeWithAncestor,
    SuspendGrant,
)
from agreements.grants.events import (
    GrantCarriedOver,
    GrantChildExtended,
    GrantDelegated,
    GrantExtended,
    GrantIssued,
    GrantNarrowed,
    GrantRevoked,
    GrantSuspended,
    GrantSuspensionLifted,
)
from agreements.grants.fold import evolve
from agreements.grants.model import MAX_CHILDREN, MAX_DEPTH, Grant, GrantStatus, Holder, HolderKind
from agreements.grants.tree import carried_scope
from agreements.scopes import Scope, excesses


def decide(state: Grant, command: GrantCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    match command:
        case IssueGrant():
            return _issue(state, command, actor, now)
        case ReceiveGrant():
            return _receive(state, command, actor, now)
        case DelegateGrant():
            return _delegate(state, command, actor, now)
        case MakeRoom():
            _within(state, command.scope, actor, now)
            return [GrantChildExtended(child_id=command.child_id, by=actor.person_id, at=now)]
        case NarrowGrant():
            return _narrow(state, command, actor, now)
        case ExtendGrant():
            return _extend(state, command, actor, now)
        case SuspendGrant():
            return _suspend(state, command, actor, now)
        case LiftGrantSuspension():
            return _lift(state, command, actor, now)
        case RevokeGrant() | RevokeWithAncestor():
            return _revoke(state, command, actor, now)
        case NarrowWithAncestor():
            return _follow(state, command, actor, now)
        case CarryOverGrant():
            return _carry_over(state, command, actor, now)


# ---- coming to be ----------------------------------------------------------------------------------------------------


def _issue(state: Grant, command: IssueGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    if not (actor.is_automatic and command.request_id):
        coordinator_only(actor, "opens access to an institution")
    _new(state)
    if not command.request_id:
        _two_people(command, actor)
    _not_over(command.scope, now)
    if beyond := command.bounds.beyond(command.scope):
        first = beyond[0]
        raise Invalid(
            "beyond_agreement",
            f"The grant goes beyond the agreement in {first.dimension}: {first.message}.",
            hint="Narrow the grant, or amend the agreement first.",
            param=first.dimension,
        )
    fields = {name: getattr(command, name) for name in IssueGrant.model_fields if name not in _NOT_RECORDED}
    issued = GrantIssued(**fields, issued_by=actor.person_id, at=now)
    if command.child_holder is None:
        return [issued]
    _named(command.child_holder)
    return [
        issued,
        GrantDelegated(child_id=command.child_id, holder=command.child_holder, by=actor.person_id, at=now),
    ]


_NOT_RECORDED = frozenset({"bounds", "child_id", "child_holder", "high_risk", "agreed_by"})


def _receive(state: Grant, command: ReceiveGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    _new(state)
    fields = {name: getattr(command, name) for name in ReceiveGrant.model_fields}
    return [GrantIssued(**fields, issued_by=actor.person_id, at=now)]


def _delegate(state: Grant, command: DelegateGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    _within(state, command.scope, actor, now)
    _not_over(command.scope, now)
    _named(command.holder)
    if command.agreement_digest != state.agreement_digest:
        raise _changed(state)
    if state.depth >= MAX_DEPTH:
        raise Conflict(
            "tree_too_deep",
            f"Grant {state.id} is {MAX_DEPTH} steps below the institution's; nothing is delegated from there.",
            hint="Delegate from a grant further up.",
        )
    if len(state.children) >= MAX_CHILDREN:
        raise Conflict(
            "too_many_children",
            f"{MAX_CHILDREN} grants were delegated from grant {state.id}; more are not.",
            hint="Delegate to a group leader, who delegates on.",
        )
    return [GrantDelegated(child_id=command.child_id, holder=command.holder, by=actor.person_id, at=now)]


# ---- changes ---------------------------------------------------------------------------------------------------------


def _narrow(state: Grant, command: NarrowGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    check_above(_existing(state), command.above, actor)
    scope = _scope_of_live(state, now)
    _not_over(command.scope, now)
    if wider := excesses(command.scope, scope):
        first = wider[0]
        raise Invalid(
            "not_narrower",
            f"Narrowed, grant {state.id} would allow more in {first.dimension}: {first.message}.",
            hint="Extend it for that.",
            param=first.dimension,
        )
    if command.scope == scope:
        raise Invalid("nothing_changes", f"Grant {state.id} allows just that already.")
    _unchanged(state, command.seen)
    return [GrantNarrowed(scope=command.scope, reason=command.reason, by=actor.person_id, at=now)]


def _follow(state: Grant, command: NarrowWithAncestor, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.scope is None or state.status is GrantStatus.REVOKED or excesses(command.scope, state.scope):
        raise _changed(state)
    _unchanged(state, command.seen)
    return [
        GrantNarrowed(
            scope=command.scope, reason=command.reason, by=actor.person_id, ancestor_id=command.ancestor_id, at=now
        )
    ]


def _extend(state: Grant, command: ExtendGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    check_above(_existing(state), command.above, actor)
    scope = _scope_of_live(state, now)
    if narrower := excesses(scope, command.scope):
        first = narrower[0]
        raise Invalid(
            "not_wider",
            f"Extended, grant {state.id} would allow less in {first.dimension}.",
            hint="Narrow it for that.",
            param=first.dimension,
        )
    if command.scope == scope:
        raise Invalid("nothing_changes", f"Grant {state.id} allows just that already.")
    if not state.parent_id:
        _two_people(command, actor)
        if command.bounds is None:
            raise TypeError("the service gives the bounds of a root")
        if beyond := command.bounds.beyond(command.scope):
            first = beyond[0]
            raise Invalid(
                "beyond_agreement",
                f"The grant would go beyond the agreement in {first.dimension}: {first.message}.",
                hint="Amend the agreement first.",
                param=first.dimension,
            )
    return [GrantExtended(scope=command.scope, reason=command.reason, by=actor.person_id, at=now)]


def _suspend(state: Grant, command: SuspendGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    check_above(_existing(state), command.above, actor)
    _scope_of_live(state, now)
    if not may_suspend(state, command.above, actor):
        raise Conflict("already_suspended", f"Grant {state.id} is suspended already.")
    return [
        GrantSuspended(
            reason=command.reason,
            by=actor.person_id,
            by_lab=actor.is_coordinator,
            at=now,
            stands=standing(state, command.above, actor),
        )
    ]


def _lift(state: Grant, command: LiftGrantSuspension, actor: Actor, now: datetime) -> Sequence[Event]:
    check_above(_existing(state), command.above, actor)
    if state.status is not GrantStatus.SUSPENDED or state.suspension is None:
        raise Conflict("not_suspended", f"Grant {state.id} is not suspended.")
    check_lift(state, command.above, actor)
    return [GrantSuspensionLifted(reason=command.reason, by=actor.person_id, at=now)]


def _revoke(
    state: Grant, command: RevokeGrant | RevokeWithAncestor, actor: Actor, now: datetime
) -> Sequence[GrantRevoked]:
    _existing(state)
    if isinstance(command, RevokeGrant):
        check_above(state, command.above, actor)
    if state.status is GrantStatus.REVOKED:
        raise Conflict("already_revoked", f"Grant {state.id} was revoked before; that cannot be undone.")
    _unchanged(state, command.seen)
    ancestor = command.ancestor_id if isinstance(command, RevokeWithAncestor) else ""
    return [GrantRevoked(reason=command.reason, by=actor.person_id, ancestor_id=ancestor, at=now)]


def _carry_over(state: Grant, command: CarryOverGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    # An amendment may be completed by either side's signature, and carries the grants over with it.
    if not (actor.is_coordinator or actor.has(Role.PARTNER_LEAD, state.institution_id)):
        raise Forbidden("not_coordinator", "A grant is carried over by whoever brings the new version into force.")
    if state.scope is None or not state.live_on(now):
        raise Conflict("grant_not_active", f"Grant {state.id} opens nothing any more.")
    scope = carried_scope(state, command.bounds, command.old_end)
    if beyond := command.bounds.beyond(scope):
        first = beyond[0]
        raise Conflict(
            "beyond_agreement",
            f"Grant {state.id} goes beyond the new version in {first.dimension}: {first.message}.",
            hint="Issue a narrower grant under the new version.",
        )
    return [GrantCarriedOver(agreement_digest=command.agreement_digest, scope=scope, at=now)]


# ---- what several of them ask ----------------------------------------------------------------------------------------


def _two_people(command: IssueGrant | ExtendGrant, actor: Actor) -> None:
    """That whoever opens what is high risk is another one than signed the agreement for the lab."""
    if command.high_risk and actor.person_id in command.agreed_by:
        raise Conflict(
            "second_person_needed",
            f"The grant is high risk ({command.high_risk[0]}), and you signed the agreement for the lab: another "
            "coordinator has to agree too.",
            hint="Ask another coordinator to do this, or have the institution ask for access, on which two decide.",
            fixer=Fixer.COORDINATOR,
        )


def _new(state: Grant) -> None:
    if state.id:
        raise Conflict("grant_exists", f"Grant {state.id} exists.")


def _named(holder: Holder) -> None:
    if holder.kind is HolderKind.INSTITUTION:
        raise Invalid("holder_not_named", "A grant is delegated to a person or a program.", param="holder")


def _existing(state: Grant) -> Grant:
    if not state.id:
        raise Invalid("no_such_grant", "There is no such grant.")
    return state


def _scope_of_live(state: Grant, now: datetime) -> Scope:
    if state.scope is None or not state.live_on(now):
        ended = "was revoked" if state.status is GrantStatus.REVOKED else "is over"
        raise Conflict(
            "grant_not_active", f"Grant {state.id} {ended}; it cannot be changed any more.", hint="Issue a new one."
        )
    return state.scope


def _not_over(scope: Scope, now: datetime) -> None:
    if scope.expires_at <= now:
        raise Invalid(
            "already_expired",
            "The grant would be over before it begins.",
            hint="Choose a later end.",
            param="expires_at",
        )


def _within(state: Grant, scope: Scope, actor: Actor, now: datetime) -> None:
    """That the actor may pass on ``scope`` of this grant, and that it lies within what the grant allows."""
    signed_in(actor)
    if not may_delegate(_existing(state), actor):
        raise Forbidden(
            "not_the_holder",
            f"Grant {state.id} is passed on by its holder, a lead of the institution or a coordinator.",
        )
    allowed = _scope_of_live(state, now)
    if state.status is GrantStatus.SUSPENDED:
        raise Conflict(
            "grant_suspended",
            f"Grant {state.id} is suspended; nothing is delegated from it.",
            hint="The suspension has to be lifted first.",
        )
    if beyond := excesses(scope, allowed):
        first = beyond[0]
        raise Invalid(
            "beyond_parent",
            f"The grant goes beyond {state.id}, from which it is delegated, in {first.dimension}: {first.message}.",
            hint="Ask for less, or have the grant above extended first.",
            param=first.dimension,
        )


def _unchanged(state: Grant, seen: int) -> None:
    if state.tree_changes != seen:
        raise _changed(state)


def _changed(state: Grant) -> Conflict:
    return Conflict(
        "tree_changed",
        f"What is delegated from grant {state.id} changed meanwhile.",
        hint="Look at the grant again and repeat what you did.",
    )


GRANT: Decider[Grant, GrantCommand] = Decider(category="grant", initial=Grant(), decide=decide, evolve=evolve)
