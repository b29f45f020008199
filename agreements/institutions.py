"""Institutions: partner organisations, vetted once, each with Ed25519 signing keys."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from agreements.actors import Actor, Role
from agreements.canonical import canonical_bytes
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Invalid, VerificationError
from agreements.keys import PublicKey

Name = Annotated[str, Field(min_length=2, max_length=160)]
KeyHex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Constituency(StrEnum):
    """Which part of society an institution speaks for; quorums count by it."""

    LAB = "lab"
    ACADEMIA = "academia"
    CIVIL_SOCIETY = "civil_society"
    DEVELOPER = "developer"
    GOVERNMENT = "government"

    @property
    def label(self) -> str:
        """The constituency as people read it."""
        return self.value.replace("_", " ")


class Custody(StrEnum):
    """Where the private half of a key lives; every signature shows it."""

    OWN = "own"
    """With the institution; the portal has never seen it."""
    PORTAL = "portal"
    """Held by the portal for the institution and used only when its signatory signs on screen."""


class InstitutionKey(Value):
    """A registered public key. ``public_key`` is the raw 32 bytes in hex."""

    public_key: KeyHex
    custody: Custody
    registered_at: datetime
    revoked_at: datetime | None = None

    @property
    def public(self) -> PublicKey:
        """The key as an object that verifies."""
        return PublicKey.from_raw(bytes.fromhex(self.public_key))

    @property
    def key_id(self) -> str:
        """The key's stable id."""
        return self.public.key_id


class Institution(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    name: str = ""
    constituency: Constituency = Constituency.ACADEMIA
    country: str = ""
    contact_email: str = ""
    registered_at: datetime | None = None
    keys: tuple[InstitutionKey, ...] = ()

    @property
    def active_keys(self) -> tuple[InstitutionKey, ...]:
        """Keys that may sign now."""
        return tuple(key for key in self.keys if key.revoked_at is None)


class InstitutionRegistered(Event, type="institution:registered"):
    """A coordinator entered the institution."""

    institution_id: str
    name: str
    constituency: Constituency
    country: str
    contact_email: str
    at: datetime


class InstitutionKeyRegistered(Event, type="institution:key_registered"):
    """A key was registered with proof of possession."""

    public_key: KeyHex
    custody: Custody
    proof: str
    at: datetime


class InstitutionKeyRevoked(Event, type="institution:key_revoked"):
    """A key may sign no more; what it signed stays valid."""

    public_key: KeyHex
    reason: str
    at: datetime


class RegisterInstitution(Value):
    """Enter a new institution."""

    institution_id: Annotated[str, Field(min_length=2, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    name: Name
    constituency: Constituency
    country: Annotated[str, Field(max_length=60)] = ""
    contact_email: Annotated[str, Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]


class RegisterKey(Value):
    """Register a signing key; ``proof`` is its hex signature over ``possession_challenge``."""

    public_key: KeyHex
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    custody: Custody = Custody.OWN


class RevokeKey(Value):
    """Stop a key from signing anything further."""

    public_key: KeyHex
    reason: Annotated[str, Field(min_length=3, max_length=500)]


InstitutionCommand = RegisterInstitution | RegisterKey | RevokeKey


def possession_challenge(institution_id: str, public_key: str) -> bytes:
    """The bytes a key signs to prove possession; bound to the institution so that a proof cannot be moved."""
    return canonical_bytes(
        {"type": "concordat-key-registration/v1", "institution_id": institution_id, "public_key": public_key}
    )


def decide(state: Institution, command: InstitutionCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict, Invalid or VerificationError."""
    match command:
        case RegisterInstitution():
            return _register(state, command, actor, now)
        case RegisterKey():
            return _register_key(state, command, actor, now)
        case RevokeKey():
            return _revoke_key(state, command, actor, now)


def _register(state: Institution, command: RegisterInstitution, actor: Actor, now: datetime) -> Sequence[Event]:
    if not (actor.is_coordinator or actor.is_automatic):
        raise Forbidden("not_coordinator", "Only a coordinator registers institutions.")
    if state.id:
        raise Conflict(
            "institution_exists", f"An institution with the id {state.id!r} exists.", hint="Choose another id."
        )
    return [
        InstitutionRegistered(
            institution_id=command.institution_id,
            name=command.name,
            constituency=command.constituency,
            country=command.country,
            contact_email=command.contact_email,
            at=now,
        )
    ]


def _may_manage_keys(state: Institution, actor: Actor) -> None:
    if not (actor.is_coordinator or actor.is_automatic or actor.has(Role.PARTNER_LEAD, state.id)):
        raise Forbidden("not_signatory", f"Only a partner lead of {state.name} or a coordinator manages its keys.")


def _register_key(state: Institution, command: RegisterKey, actor: Actor, now: datetime) -> Sequence[Event]:
    _may_manage_keys(state, actor)
    if any(key.public_key == command.public_key for key in state.keys):
        raise Conflict("key_known", "This key was registered before; a revoked key never comes back.")
    try:
        PublicKey.from_raw(bytes.fromhex(command.public_key)).verify(
            bytes.fromhex(command.proof), possession_challenge(state.id, command.public_key)
        )
    except VerificationError:
        raise VerificationError(
            "no_possession",
            "The proof is not a signature by this key over this institution's challenge.",
            hint="Sign the challenge with the private half of the key you register.",
        ) from None
    return [
        InstitutionKeyRegistered(public_key=command.public_key, custody=command.custody, proof=command.proof, at=now)
    ]


def _revoke_key(state: Institution, command: RevokeKey, actor: Actor, now: datetime) -> Sequence[Event]:
    _may_manage_keys(state, actor)
    if not any(key.public_key == command.public_key for key in state.active_keys):
        raise Invalid("key_not_active", "No active key of this institution has that public key.")
    return [InstitutionKeyRevoked(public_key=command.public_key, reason=command.reason, at=now)]


def evolve(state: Institution, event: Event) -> Institution:
    """Fold one event into the state."""
    match event:
        case InstitutionRegistered():
            return Institution(
                id=event.institution_id,
                name=event.name,
                constituency=event.constituency,
                country=event.country,
                contact_email=event.contact_email,
                registered_at=event.at,
            )
        case InstitutionKeyRegistered():
            key = InstitutionKey(public_key=event.public_key, custody=event.custody, registered_at=event.at)
            return state.model_copy(update={"keys": (*state.keys, key)})
        case InstitutionKeyRevoked():
            keys = tuple(
                key.model_copy(update={"revoked_at": event.at}) if key.public_key == event.public_key else key
                for key in state.keys
            )
            return state.model_copy(update={"keys": keys})
        case _:
            raise TypeError(f"an institution has no event {event.type_name!r}")


INSTITUTION: Decider[Institution, InstitutionCommand] = Decider(
    category="institution", initial=Institution(), decide=decide, evolve=evolve
)

SigningParty = Literal["institution", "lab"]
