"""Grants: what one agreement allows one holder, bounded by the agreement's clauses."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor, Role
from agreements.bounds import Bounds
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Invalid
from agreements.scopes import Moment, Operation, Scope


class GrantStatus(StrEnum):
    """Where a grant stands; expiry is computed, never stored."""

    ACTIVE = "active"
    REVOKED = "revoked"


class AccessLevel(StrEnum):
    """Depth of model access (Charnock et al. 2026): black, grey and white box."""

    AL1 = "AL1"
    AL2 = "AL2"
    AL3 = "AL3"


class Grant(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    institution_id: str = ""
    agreement_id: str = ""
    agreement_digest: str = ""
    label: str = ""
    scope: Scope | None = None
    status: GrantStatus = GrantStatus.ACTIVE
    issued_at: datetime | None = None
    issued_by: str = ""
    revoked_at: datetime | None = None
    revoked_reason: str = ""

    def active_on(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``, agreement and stage aside."""
        return self.status is GrantStatus.ACTIVE and self.scope is not None and now < self.scope.expires_at

    @property
    def access_level(self) -> AccessLevel:
        """Derived from the operations: outputs only, outputs with probabilities, or internals."""
        operations = self.scope.operations if self.scope else frozenset()
        if operations & {Operation.ACTIVATIONS, Operation.FINE_TUNE}:
            return AccessLevel.AL3
        if operations & {Operation.LOGPROBS, Operation.SCORE, Operation.EMBED}:
            return AccessLevel.AL2
        return AccessLevel.AL1


class GrantIssued(Event, type="grant:issued"):
    """A coordinator opened access under an agreement in force."""

    grant_id: str
    institution_id: str
    agreement_id: str
    agreement_digest: str
    label: str
    scope: Scope
    issued_by: str
    at: datetime


class GrantRevoked(Event, type="grant:revoked"):
    """Access ended; effective with the next request, for good."""

    reason: str
    at: datetime


class GrantCarriedOver(Event, type="grant:carried_over"):
    """The agreement was amended or renewed, and the grant goes on under its new version."""

    agreement_digest: str
    scope: Scope
    at: datetime


class IssueGrant(Value):
    """Open access. ``bounds`` is what the agreement allows, given by the service."""

    grant_id: str
    institution_id: str
    agreement_id: str
    agreement_digest: str
    label: Annotated[str, Field(min_length=3, max_length=120)]
    scope: Scope
    bounds: Bounds


class RevokeGrant(Value):
    """End access."""

    reason: Annotated[str, Field(min_length=3, max_length=1000)]


class CarryOverGrant(Value):
    """Go on under a new version of the agreement. All of it is given by the service that brings the version into force.

    A grant that ran until the old end of the term runs until the new one.
    """

    agreement_digest: str
    bounds: Bounds
    old_end: Moment


GrantCommand = IssueGrant | RevokeGrant | CarryOverGrant


def decide(state: Grant, command: GrantCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    # An amendment may be completed by either side's signature, and carries the grants over with it.
    carries_over = isinstance(command, CarryOverGrant) and actor.has(Role.PARTNER_LEAD, state.institution_id)
    if not (actor.is_coordinator or carries_over):
        raise Forbidden("not_coordinator", "Only a coordinator issues or revokes grants.")
    match command:
        case CarryOverGrant():
            return _carry_over(state, command, now)
        case IssueGrant():
            return _issue(state, command, actor, now)
        case RevokeGrant():
            if not state.id:
                raise Invalid("no_such_grant", "There is no such grant.")
            if state.status is GrantStatus.REVOKED:
                raise Conflict("already_revoked", f"Grant {state.id} was revoked before; that cannot be undone.")
            return [GrantRevoked(reason=command.reason, at=now)]


def carried_scope(scope: Scope, bounds: Bounds, old_end: datetime) -> Scope:
    """The scope that a grant would have under a new version."""
    if scope.expires_at == old_end:
        return scope.model_copy(update={"expires_at": bounds.scope.expires_at})
    return scope


def _carry_over(state: Grant, command: CarryOverGrant, now: datetime) -> Sequence[Event]:
    if state.scope is None or not state.active_on(now):
        raise Conflict("grant_not_active", f"Grant {state.id} opens nothing any more.")
    scope = carried_scope(state.scope, command.bounds, command.old_end)
    if beyond := command.bounds.beyond(scope):
        first = beyond[0]
        raise Conflict(
            "beyond_agreement",
            f"Grant {state.id} goes beyond the new version in {first.dimension}: {first.message}.",
            hint="Issue a narrower grant under the new version.",
        )
    return [GrantCarriedOver(agreement_digest=command.agreement_digest, scope=scope, at=now)]


def _issue(state: Grant, command: IssueGrant, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("grant_exists", f"Grant {state.id} exists.")
    if command.scope.expires_at <= now:
        raise Invalid(
            "already_expired",
            "The grant would be over before it begins.",
            hint="Choose a later end.",
            param="expires_at",
        )
    if beyond := command.bounds.beyond(command.scope):
        first = beyond[0]
        raise Invalid(
            "beyond_agreement",
            f"The grant goes beyond the agreement in {first.dimension}: {first.message}.",
            hint="Narrow the grant, or amend the agreement first.",
            param=first.dimension,
        )
    return [
        GrantIssued(
            grant_id=command.grant_id,
            institution_id=command.institution_id,
            agreement_id=command.agreement_id,
            agreement_digest=command.agreement_digest,
            label=command.label,
            scope=command.scope,
            issued_by=actor.person_id,
            at=now,
        )
    ]


def evolve(state: Grant, event: Event) -> Grant:
    """Fold one event into the state."""
    match event:
        case GrantIssued():
            return Grant(
                id=event.grant_id,
                institution_id=event.institution_id,
                agreement_id=event.agreement_id,
                agreement_digest=event.agreement_digest,
                label=event.label,
                scope=event.scope,
                issued_at=event.at,
                issued_by=event.issued_by,
            )
        case GrantCarriedOver():
            return state.model_copy(update={"agreement_digest": event.agreement_digest, "scope": event.scope})
        case GrantRevoked():
            return state.model_copy(
                update={"status": GrantStatus.REVOKED, "revoked_at": event.at, "revoked_reason": event.reason}
            )
        case _:
            raise TypeError(f"a grant has no event {event.type_name!r}")


GRANT: Decider[Grant, GrantCommand] = Decider(category="grant", initial=Grant(), decide=decide, evolve=evolve)
