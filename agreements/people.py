"""People: who signs in, and what they are at which institution."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from agreements.actors import LAB, Actor, Channel, Membership, Role
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Invalid
from agreements.texts import one_line


class Person(Value):
    """Current state. An empty ``id`` means nobody yet."""

    id: str = ""
    name: str = ""
    email: str = ""
    memberships: tuple[Membership, ...] = ()
    registered_at: datetime | None = None
    deactivated_at: datetime | None = None

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


class PersonDeactivated(Event, type="person:deactivated"):
    """Somebody may sign in no more; what they did stays theirs."""

    reason: str
    at: datetime


class RegisterPerson(Value):
    """Let somebody in, with their roles."""

    person_id: str
    name: Annotated[str, Field(min_length=2, max_length=120), AfterValidator(one_line)]
    email: Annotated[str, Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(one_line)]
    memberships: tuple[Membership, ...] = Field(min_length=1, max_length=20)


class DeactivatePerson(Value):
    """Stop somebody from signing in."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


PersonCommand = RegisterPerson | DeactivatePerson

_LAB_ROLES = {Role.COORDINATOR, Role.RESEARCHER, Role.OBSERVER}


def decide(state: Person, command: PersonCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    match command:
        case RegisterPerson():
            return _register(state, command, actor, now)
        case DeactivatePerson():
            # A lead of one of several institutions must not take a person from the others, least of all from the lab.
            if not (actor.is_coordinator or (state.id and all(_leads(actor, m) for m in state.memberships))):
                raise Forbidden("not_lead", "Only a coordinator or their partner lead deactivates a person.")
            if actor.person_id == state.id:
                raise Conflict(
                    "own_account",
                    "Nobody deactivates their own account, so that there is always somebody left who can.",
                    hint="Ask another coordinator.",
                )
            if state.deactivated_at is not None:
                raise Conflict("already_deactivated", f"{state.name} was deactivated before.")
            return [PersonDeactivated(reason=command.reason, at=now)]


def _leads(actor: Actor, membership: Membership) -> bool:
    return actor.has(Role.PARTNER_LEAD, membership.institution_id)


def _register(state: Person, command: RegisterPerson, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("person_exists", f"{state.name} is registered already.")
    for membership in command.memberships:
        at_lab = membership.institution_id == LAB
        if at_lab != (membership.role in _LAB_ROLES) and not (
            not at_lab and membership.role in {Role.RESEARCHER, Role.OBSERVER}
        ):
            raise Invalid(
                "role_does_not_fit",
                f"{membership.role.label} is no role at {membership.institution_id}.",
                hint="Coordinators belong to the lab, partner roles to partner institutions.",
                param="memberships",
            )
        by_lead = _leads(actor, membership) and membership.role is not Role.PARTNER_LEAD
        if not (actor.is_coordinator or actor.is_automatic or by_lead):
            raise Forbidden("not_lead", "Only a coordinator, or a partner lead for their own members, adds people.")
    return [
        PersonRegistered(
            person_id=command.person_id,
            name=command.name,
            email=command.email,
            memberships=command.memberships,
            at=now,
        )
    ]


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
        case PersonDeactivated():
            return state.model_copy(update={"deactivated_at": event.at})
        case _:
            raise TypeError(f"a person has no event {event.type_name!r}")


PERSON: Decider[Person, PersonCommand] = Decider(category="person", initial=Person(), decide=decide, evolve=evolve)
