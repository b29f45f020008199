"""Programs: OAuth clients of an institution, known by their public keys (RFC 7523 section 2.2)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.actors import LAB, Actor, Channel, Membership, Role
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Invalid, NotFound
from agreements.jwks import MAX_KEYS, PublicJwk

Contact = Annotated[str, Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]
Reason = Annotated[str, Field(min_length=3, max_length=500)]


class ProgramStatus(StrEnum):
    """Whether it may ask for tokens and use them."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class ProgramKey(Value):
    """A key that the program signs its assertions with, and since when."""

    jwk: PublicJwk
    added_at: datetime


class Program(Value):
    """Current state. An empty ``id`` means it does not exist yet. The id is its OAuth ``client_id``."""

    id: str = ""
    institution_id: str = ""
    name: str = ""
    contact: str = ""
    keys: tuple[ProgramKey, ...] = ()
    status: ProgramStatus = ProgramStatus.ACTIVE
    registered_at: datetime | None = None
    registered_by: str = ""
    reason: str = ""
    """Why it is suspended or ended."""

    @property
    def active(self) -> bool:
        """Whether it may ask for tokens and use them."""
        return bool(self.id) and self.status is ProgramStatus.ACTIVE

    def actor(self, *, token_id: str | None = None, grant_id: str | None = None) -> Actor:
        """The program as the subject of a command: a member of its institution that binds nobody."""
        return Actor(
            person_id=self.id,
            name=self.name,
            memberships=(Membership(institution_id=self.institution_id, role=Role.PARTNER_MEMBER),),
            channel=Channel.API,
            token_id=token_id,
            grant_id=grant_id,
            email=self.contact,
            program=True,
        )


class ProgramRegistered(Event, type="program:registered"):
    """An institution's program may ask for tokens."""

    program_id: str
    institution_id: str
    name: str
    contact: str
    keys: tuple[PublicJwk, ...]
    registered_by: str
    at: datetime


class ProgramKeysReplaced(Event, type="program:keys_replaced"):
    """These are its keys from now on; what another one signs is refused."""

    keys: tuple[PublicJwk, ...]
    at: datetime


class ProgramSuspended(Event, type="program:suspended"):
    """It may not ask for tokens, and those it has are refused, until it is resumed."""

    reason: str
    at: datetime


class ProgramResumed(Event, type="program:resumed"):
    """It may ask for tokens again."""

    at: datetime


class ProgramEnded(Event, type="program:ended"):
    """It is over for good."""

    reason: str
    at: datetime


class RegisterProgram(Value):
    """Register a program of an institution with its public keys."""

    program_id: str
    institution_id: str
    name: Annotated[str, Field(min_length=2, max_length=120)]
    contact: Contact
    keys: Annotated[tuple[PublicJwk, ...], Field(min_length=1, max_length=MAX_KEYS)]


class ReplaceKeys(Value):
    """Replace all its keys; to rotate, name the old and the new one together, and later the new one alone."""

    keys: Annotated[tuple[PublicJwk, ...], Field(min_length=1, max_length=MAX_KEYS)]


class SuspendProgram(Value):
    """Stop it for now."""

    reason: Reason


class ResumeProgram(Value):
    """Let it ask for tokens again."""


class EndProgram(Value):
    """Stop it for good."""

    reason: Reason


ProgramCommand = RegisterProgram | ReplaceKeys | SuspendProgram | ResumeProgram | EndProgram


def decide(state: Program, command: ProgramCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound, Conflict or Invalid."""
    institution_id = command.institution_id if isinstance(command, RegisterProgram) else state.institution_id
    if not may_manage(actor, institution_id):
        raise Forbidden("not_lead", "Only a partner lead of the institution or a coordinator manages its programs.")
    if isinstance(command, RegisterProgram):
        return _register(state, command, actor, now)
    if not state.id:
        raise NotFound("program_not_found", "There is no such program.")
    if state.status is ProgramStatus.ENDED:
        raise Conflict("program_ended", f"Program {state.id} has ended for good: {state.reason.rstrip('.')}.")
    match command:
        case ReplaceKeys():
            same = tuple(key.jwk for key in state.keys) == command.keys
            return [] if same else [ProgramKeysReplaced(keys=command.keys, at=now)]
        case SuspendProgram():
            if state.status is ProgramStatus.SUSPENDED:
                raise Conflict("program_suspended", f"Program {state.id} is suspended already.")
            return [ProgramSuspended(reason=command.reason, at=now)]
        case ResumeProgram():
            if state.status is ProgramStatus.ACTIVE:
                raise Conflict("program_active", f"Program {state.id} is not suspended.")
            return [ProgramResumed(at=now)]
        case EndProgram():
            return [ProgramEnded(reason=command.reason, at=now)]


def may_manage(actor: Actor, institution_id: str) -> bool:
    """Whether the actor registers and stops programs of the institution."""
    return actor.is_coordinator or (bool(institution_id) and actor.has(Role.PARTNER_LEAD, institution_id))


def _register(state: Program, command: RegisterProgram, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("program_exists", f"Program {state.id} exists.")
    if command.institution_id == LAB:
        raise Invalid(
            "no_program_of_lab",
            "A program belongs to a partner institution: it draws on a grant, and the lab has none.",
            param="institution_id",
        )
    fields = {name: getattr(command, name) for name in RegisterProgram.model_fields}
    return [ProgramRegistered(**fields, registered_by=actor.person_id, at=now)]


def evolve(state: Program, event: Event) -> Program:
    """Fold one event into the state."""
    match event:
        case ProgramRegistered():
            return Program(
                id=event.program_id,
                institution_id=event.institution_id,
                name=event.name,
                contact=event.contact,
                keys=_since(event.keys, (), event.at),
                registered_at=event.at,
                registered_by=event.registered_by,
            )
        case ProgramKeysReplaced():
            return state.model_copy(update={"keys": _since(event.keys, state.keys, event.at)})
        case ProgramSuspended():
            return state.model_copy(update={"status": ProgramStatus.SUSPENDED, "reason": event.reason})
        case ProgramResumed():
            return state.model_copy(update={"status": ProgramStatus.ACTIVE, "reason": ""})
        case ProgramEnded():
            return state.model_copy(update={"status": ProgramStatus.ENDED, "reason": event.reason})
        case _:
            raise TypeError(f"a program has no event {event.type_name!r}")


def _since(keys: tuple[PublicJwk, ...], before: tuple[ProgramKey, ...], at: datetime) -> tuple[ProgramKey, ...]:
    known = {key.jwk: key.added_at for key in before}
    return tuple(ProgramKey(jwk=jwk, added_at=known.get(jwk, at)) for jwk in keys)


PROGRAM: Decider[Program, ProgramCommand] = Decider(category="program", initial=Program(), decide=decide, evolve=evolve)
