"""People: who signs in, and what they are at which institution.

Somebody is registered by a person who may, or asks to be let in by signing in through their institution's identity
provider; then they wait, may do nothing, and a partner lead or a coordinator answers.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from agreements.actors import LAB, Actor, Channel, Membership, Role
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid
from agreements.texts import one_line

Name = Annotated[str, Field(min_length=2, max_length=120), AfterValidator(one_line)]
Email = Annotated[str, Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(one_line)]
Why = Annotated[str, Field(min_length=3, max_length=500)]
Roles = Annotated[tuple[Membership, ...], Field(min_length=1, max_length=20)]

MOST_MEMBERSHIPS = 20


class Pending(Value):
    """A membership that somebody waits for."""

    institution_id: str
    requested_at: datetime
    refused: str = ""
    """Why it was refused; empty while nobody has answered."""


class PersonState(StrEnum):
    """Whether somebody may act here, and what keeps them from it."""

    ACTIVE = "active"
    WAITING = "waiting"
    """Signed in through their institution, and nobody has answered."""
    REFUSED = "refused"
    """Not let in; can still be."""
    DEACTIVATED = "deactivated"


class Person(Value):
    """Current state. An empty ``id`` means nobody yet."""

    id: str = ""
    name: str = ""
    email: str = ""
    memberships: tuple[Membership, ...] = ()
    registered_at: datetime | None = None
    deactivated_at: datetime | None = None
    pending: Pending | None = None
    """The membership they wait for; none once it was approved."""

    @property
    def active(self) -> bool:
        """Whether they may act."""
        return bool(self.id) and self.deactivated_at is None and self.pending is None

    @property
    def state(self) -> PersonState:
        """The same with what keeps them from it."""
        if self.deactivated_at is not None:
            return PersonState.DEACTIVATED
        if self.pending is not None:
            return PersonState.REFUSED if self.pending.refused else PersonState.WAITING
        return PersonState.ACTIVE

    def actor(self, channel: Channel, *, token_id: str | None = None, grant_id: str | None = None) -> Actor:
        """The person as the subject of a command."""
        return Actor(
            person_id=self.id,
            name=self.name,
            memberships=self.memberships,
            channel=channel,
            token_id=token_id,
            grant_id=grant_id,
            email=self.email,
        )


class PersonRegistered(Event, type="person:registered"):
    """Somebody may sign in."""

    person_id: str
    name: str
    email: str
    memberships: tuple[Membership, ...]
    at: datetime


class MembershipRequested(Event, type="person:membership_requested"):
    """Somebody whom an institution's identity provider knows signed in for the first time, and waits."""

    person_id: str
    name: str
    email: str
    institution_id: str
    at: datetime


class MembershipApproved(Event, type="person:membership_approved"):
    """Who waited is let in."""

    membership: Membership
    at: datetime


class MembershipRefused(Event, type="person:membership_refused"):
    """Who waited is not let in."""

    reason: str
    at: datetime


class MembershipAdded(Event, type="person:membership_added"):
    """Somebody has one more role."""

    membership: Membership
    at: datetime


class RoleChanged(Event, type="person:role_changed"):
    """Somebody is something else at an institution."""

    institution_id: str
    before: Role
    after: Role
    at: datetime


class MembershipRemoved(Event, type="person:membership_removed"):
    """Somebody has one role less."""

    membership: Membership
    reason: str
    at: datetime


class PersonDeactivated(Event, type="person:deactivated"):
    """Somebody may sign in no more; what they did stays theirs."""

    reason: str
    at: datetime


class PersonReactivated(Event, type="person:reactivated"):
    """Somebody may sign in again; their sessions and tokens of before stay ended."""

    reason: str
    at: datetime


class RegisterPerson(Value):
    """Let somebody in, with their roles."""

    person_id: str
    name: Name
    email: Email
    memberships: Roles


class RequestMembership(Value):
    """Ask to be let in. Given by the rule that has checked who signs in."""

    person_id: str
    name: Name
    email: Email
    institution_id: str


class ApproveMembership(Value):
    """Let in who waits."""

    role: Role


class RefuseMembership(Value):
    """Do not let in who waits."""

    reason: Why


class AddMembership(Value):
    """Give somebody one more role."""

    membership: Membership


class _Leaving(Value):
    sole: tuple[Membership, ...] = ()
    """Roles that nobody else who is active holds, as the service found them."""
    without_lead: bool = False
    """That the institution is to be without a partner lead is meant."""


class ChangeRole(_Leaving):
    """Make somebody something else at an institution."""

    institution_id: str
    before: Role
    after: Role


class RemoveMembership(_Leaving):
    """Take a role from somebody."""

    membership: Membership
    reason: Why


class DeactivatePerson(_Leaving):
    """Stop somebody from signing in."""

    reason: Why


class ReactivatePerson(Value):
    """Let somebody sign in again, with the roles they had."""

    reason: Why


PersonCommand = (
    RegisterPerson
    | RequestMembership
    | ApproveMembership
    | RefuseMembership
    | AddMembership
    | ChangeRole
    | RemoveMembership
    | DeactivatePerson
    | ReactivatePerson
)

_LAB_ROLES = (Role.COORDINATOR, Role.RESEARCHER, Role.OBSERVER)
_PARTNER_ROLES = (Role.PARTNER_LEAD, Role.PARTNER_MEMBER, Role.RESEARCHER, Role.OBSERVER)


def roles_at(institution_id: str) -> tuple[Role, ...]:
    """What people can be at an institution, the most first: the lab has coordinators, the others leads and members."""
    return _LAB_ROLES if institution_id == LAB else _PARTNER_ROLES


def may_admit(actor: Actor, membership: Membership) -> bool:
    """Whether the actor may give the role: a coordinator or a rule any, a partner lead any but lead at their own."""
    by_lead = _leads(actor, membership) and membership.role is not Role.PARTNER_LEAD
    return actor.is_coordinator or actor.is_automatic or by_lead


def check_admits(actor: Actor, memberships: Collection[Membership]) -> None:
    """Return if the actor may give all the roles. Raises Invalid ``role_does_not_fit`` or Forbidden ``not_lead``."""
    for membership in memberships:
        if membership.role not in roles_at(membership.institution_id):
            raise Invalid(
                "role_does_not_fit",
                f"{membership.role.label} is no role at {membership.institution_id}.",
                hint="Coordinators belong to the lab, partner roles to partner institutions.",
                param="memberships",
            )
        if not may_admit(actor, membership):
            raise Forbidden("not_lead", "Only a coordinator, or a partner lead for their own members, adds people.")


def decide(state: Person, command: PersonCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    match command:
        case RegisterPerson():
            return _register(state, command, actor, now)
        case RequestMembership():
            return _request(state, command, actor, now)
        case ApproveMembership():
            membership = Membership(institution_id=_awaited(state).institution_id, role=command.role)
            check_admits(actor, [membership])
            return [MembershipApproved(membership=membership, at=now)]
        case RefuseMembership():
            _answers(actor, _awaited(state).institution_id)
            return [MembershipRefused(reason=command.reason, at=now)]
        case AddMembership():
            return _add(state, command, actor, now)
        case ChangeRole():
            return _change(state, command, actor, now)
        case RemoveMembership():
            return _remove(state, command, actor, now)
        case DeactivatePerson():
            return _deactivate(state, command, actor, now)
        case ReactivatePerson():
            # A lead brings back only whom they could have let in: no other lead.
            by_lead = bool(state.memberships) and all(may_admit(actor, m) for m in state.memberships)
            if actor.is_automatic or not (actor.is_coordinator or by_lead):
                raise Forbidden("not_lead", "Only a coordinator or their partner lead reactivates a person.")
            if state.deactivated_at is None:
                raise Conflict("not_deactivated", f"{state.name} was not deactivated.")
            return [PersonReactivated(reason=command.reason, at=now)]


def _leads(actor: Actor, membership: Membership) -> bool:
    # The lab has no leads; one who came to be recorded as such would make coordinators.
    return membership.institution_id != LAB and actor.has(Role.PARTNER_LEAD, membership.institution_id)


def governs(actor: Actor, state: Person) -> bool:
    """Whether all that somebody is here is the actor's to look after: a coordinator's, or their one partner lead's."""
    # A lead of one of several institutions must not take a person from the others, least of all from the lab.
    return actor.is_coordinator or bool(state.memberships and all(_leads(actor, m) for m in state.memberships))


def _register(state: Person, command: RegisterPerson, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("person_exists", f"{state.name} is registered already.")
    check_admits(actor, command.memberships)
    return [
        PersonRegistered(
            person_id=command.person_id,
            name=command.name,
            email=command.email,
            memberships=command.memberships,
            at=now,
        )
    ]


def _request(state: Person, command: RequestMembership, actor: Actor, now: datetime) -> Sequence[Event]:
    if not actor.is_automatic:
        raise Forbidden("rules_only", "Only the rule that signs people in asks in their name.")
    if state.id:
        raise Conflict("person_exists", f"{state.name} is registered already.")
    return [
        MembershipRequested(
            person_id=command.person_id,
            name=command.name,
            email=command.email,
            institution_id=command.institution_id,
            at=now,
        )
    ]


def _awaited(state: Person) -> Pending:
    if state.pending is None:
        raise Conflict("not_waiting", f"{state.name} waits for no membership: somebody answered before.")
    if state.deactivated_at is not None:
        raise Conflict("person_deactivated", f"{state.name} was deactivated.", hint="Reactivate the person first.")
    return state.pending


def _answers(actor: Actor, institution_id: str) -> None:
    if not (actor.is_coordinator or actor.has(Role.PARTNER_LEAD, institution_id)):
        raise Forbidden(
            "not_lead", "Only the institution's partner lead or a coordinator answers who waits.", fixer=Fixer.LEAD
        )


def _changeable(state: Person, actor: Actor) -> None:
    if actor.person_id == state.id:
        raise Conflict(
            "own_account", "Nobody changes their own roles.", hint="Ask another coordinator.", fixer=Fixer.COORDINATOR
        )
    if state.pending is not None:
        raise Conflict("still_waiting", f"{state.name} waits for a first membership.", hint="Approve or refuse that.")
    if state.deactivated_at is not None:
        raise Conflict("person_deactivated", f"{state.name} was deactivated.", hint="Reactivate the person first.")


def _held(state: Person, membership: Membership) -> None:
    if membership not in state.memberships:
        raise Conflict(
            "no_such_membership",
            f"{state.name} is no {membership.role.label} at {membership.institution_id}.",
            hint="Look again: somebody may have changed it.",
        )


def _somebody_stays(command: _Leaving, leaving: Collection[Membership]) -> None:
    """Refuse to leave the lab without a coordinator, or by accident an institution without a partner lead."""
    for membership in leaving:
        if membership not in command.sole:
            continue
        if membership.role is Role.COORDINATOR:
            raise Conflict(
                "last_coordinator",
                "Nobody else coordinates, and a portal without a coordinator can be led by nobody.",
                hint="Make somebody else a coordinator first.",
            )
        if membership.role is Role.PARTNER_LEAD and not command.without_lead:
            raise Conflict(
                "last_lead",
                f"Nobody else leads {membership.institution_id}: it could sign nothing and answer nobody.",
                hint="Make somebody else its lead first, or say that it is to be without one.",
            )


def _add(state: Person, command: AddMembership, actor: Actor, now: datetime) -> Sequence[Event]:
    check_admits(actor, [command.membership])
    _changeable(state, actor)
    if command.membership in state.memberships:
        raise Conflict("membership_exists", f"{state.name} has that role already.")
    if len(state.memberships) >= MOST_MEMBERSHIPS:
        raise Conflict("too_many_memberships", f"{state.name} has {MOST_MEMBERSHIPS} roles, and nobody has more.")
    return [MembershipAdded(membership=command.membership, at=now)]


def _change(state: Person, command: ChangeRole, actor: Actor, now: datetime) -> Sequence[Event]:
    before = Membership(institution_id=command.institution_id, role=command.before)
    after = Membership(institution_id=command.institution_id, role=command.after)
    check_admits(actor, [before, after])
    _changeable(state, actor)
    _held(state, before)
    if after in state.memberships:
        raise Conflict("membership_exists", f"{state.name} has that role already.")
    _somebody_stays(command, [before])
    return [
        RoleChanged(institution_id=command.institution_id, before=command.before, after=command.after, at=now),
    ]


def _remove(state: Person, command: RemoveMembership, actor: Actor, now: datetime) -> Sequence[Event]:
    if not may_admit(actor, command.membership):
        raise Forbidden("not_lead", "Only a coordinator, or a partner lead for their own members, takes roles away.")
    _changeable(state, actor)
    _held(state, command.membership)
    if len(state.memberships) == 1:
        raise Conflict(
            "only_membership",
            f"It is the only role {state.name} has.",
            hint="Deactivate the person instead: that ends sessions and tokens too.",
        )
    _somebody_stays(command, [command.membership])
    return [MembershipRemoved(membership=command.membership, reason=command.reason, at=now)]


def _deactivate(state: Person, command: DeactivatePerson, actor: Actor, now: datetime) -> Sequence[Event]:
    waits = state.pending is not None and actor.has(Role.PARTNER_LEAD, state.pending.institution_id)
    if not (governs(actor, state) or waits):
        raise Forbidden("not_lead", "Only a coordinator or their partner lead deactivates a person.")
    if actor.person_id == state.id:
        raise Conflict(
            "own_account",
            "Nobody deactivates their own account, so that there is always somebody left who can.",
            hint="Ask another coordinator.",
        )
    if state.deactivated_at is not None:
        raise Conflict("already_deactivated", f"{state.name} was deactivated before.")
    _somebody_stays(command, state.memberships)
    return [PersonDeactivated(reason=command.reason, at=now)]


def evolve(state: Person, event: Event) -> Person:
    """Fold one event into the state."""
    match event:
        case PersonRegistered():
            return Person(
                id=event.person_id,
                name=event.name,
                email=event.email,
                memberships=event.memberships,
                registered_at=event.at,
            )
        case MembershipRequested():
            return Person(
                id=event.person_id,
                name=event.name,
                email=event.email,
                registered_at=event.at,
                pending=Pending(institution_id=event.institution_id, requested_at=event.at),
            )
        case MembershipApproved():
            return state.model_copy(update={"pending": None, "memberships": (*state.memberships, event.membership)})
        case MembershipRefused():
            pending = state.pending.model_copy(update={"refused": event.reason}) if state.pending else None
            return state.model_copy(update={"pending": pending})
        case MembershipAdded():
            return state.model_copy(update={"memberships": (*state.memberships, event.membership)})
        case RoleChanged():
            before = Membership(institution_id=event.institution_id, role=event.before)
            after = Membership(institution_id=event.institution_id, role=event.after)
            changed = tuple(after if m == before else m for m in state.memberships)
            return state.model_copy(update={"memberships": changed})
        case MembershipRemoved():
            left = tuple(m for m in state.memberships if m != event.membership)
            return state.model_copy(update={"memberships": left})
        case PersonDeactivated():
            return state.model_copy(update={"deactivated_at": event.at})
        case PersonReactivated():
            return state.model_copy(update={"deactivated_at": None})
        case _:
            raise TypeError(f"a person has no event {event.type_name!r}")


PERSON: Decider[Person, PersonCommand] = Decider(category="person", initial=Person(), decide=decide, evolve=evolve)
