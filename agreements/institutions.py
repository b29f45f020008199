"""Institutions: partner organisations, vetted once, each with Ed25519 signing keys."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agreements.actors import LAB, Actor, Role
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, VerificationError
from agreements.key_succession import check_succession, possession_challenge
from agreements.keys import PublicKey
from agreements.texts import one_line

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
    registered_by: str = ""
    """Who registered it, by name; empty for keys from before that was kept."""
    handed_over_by: str = ""
    """The own key (raw, hex) that signed it over, if one did."""
    allowed_by: str = ""
    """The coordinator, by name, at whose word it came without the own key before it, which was lost."""

    @property
    def origin(self) -> str:
        """How it came, as every signature by it shows; empty where nothing is known."""
        return origin(self.registered_by, handed_over=bool(self.handed_over_by), allowed_by=self.allowed_by)

    @property
    def public(self) -> PublicKey:
        """The key as an object that verifies."""
        return PublicKey.from_raw(bytes.fromhex(self.public_key))

    @property
    def key_id(self) -> str:
        """The key's stable id."""
        return self.public.key_id


class KeyRequest(Value):
    """A key that a lead asked for without the word of the own key before it; a coordinator has to allow it."""

    public_key: KeyHex
    proof: str
    reason: str
    asked_by_id: str
    asked_by: str
    asked_at: datetime


class Institution(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    name: str = ""
    constituency: Constituency = Constituency.ACADEMIA
    country: str = ""
    contact_email: str = ""
    registered_at: datetime | None = None
    keys: tuple[InstitutionKey, ...] = ()
    key_request: KeyRequest | None = None
    weight: float = 1.0
    """Of its share of each model worker, against others who wait."""

    @property
    def keeps_its_own(self) -> bool:
        """Whether it ever registered a key of its own: from then on nobody adds a key by their role alone."""
        return self.id != LAB and any(key.custody is Custody.OWN for key in self.keys)

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
    by: str = ""
    """The name of who registered it."""
    succession: dict[str, Any] | None = None
    """The statement by which an own key handed over to it, a DSSE envelope."""
    handed_over_by: str = ""
    allowed_by: str = ""
    """The coordinator who allowed it where the own key before it was lost."""
    note: str = ""


class InstitutionKeyAsked(Event, type="institution:key_asked"):
    """A lead has lost the own key and asks for another; it signs nothing before a coordinator allows it."""

    public_key: KeyHex
    proof: str
    reason: str
    by_id: str
    by: str
    at: datetime


class InstitutionKeyRevoked(Event, type="institution:key_revoked"):
    """A key may sign no more; what it signed stays valid."""

    public_key: KeyHex
    reason: str
    at: datetime
    by: str = ""


class InstitutionWeightSet(Event, type="institution:weight_set"):
    """A coordinator gave it a larger or smaller share of the model workers."""

    weight: float
    reason: str
    by: str
    at: datetime


class RegisterInstitution(Value):
    """Enter a new institution."""

    institution_id: Annotated[str, Field(min_length=2, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    name: Annotated[Name, AfterValidator(one_line)]
    constituency: Constituency
    country: Annotated[str, Field(max_length=60), AfterValidator(one_line)] = ""
    contact_email: Annotated[str, Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(one_line)]


class RegisterKey(Value):
    """Register a signing key; ``proof`` is its hex signature over ``possession_challenge``.

    Once the institution keeps its own, the statement of ``key_succession`` signed by an active own key goes with it.
    """

    public_key: KeyHex
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    custody: Custody = Custody.OWN
    succession: dict[str, Any] | None = None


class AskForKey(Value):
    """Ask for a key in place of an own key that was lost."""

    public_key: KeyHex
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class AllowKey(Value):
    """Let in the key that was asked for, after asking the institution by another way."""

    public_key: KeyHex
    note: Annotated[str, Field(min_length=3, max_length=500)]


class RevokeKey(Value):
    """Stop a key from signing anything further."""

    public_key: KeyHex
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class SetWeight(Value):
    """Give it a larger or smaller share of the model workers than others who wait; 1 is everybody's."""

    weight: Annotated[float, Field(ge=0.1, le=10.0, allow_inf_nan=False)]
    reason: Annotated[str, Field(min_length=3, max_length=500), AfterValidator(one_line)]


InstitutionCommand = RegisterInstitution | RegisterKey | AskForKey | AllowKey | RevokeKey | SetWeight


def origin(registered_by: str, *, handed_over: bool, allowed_by: str) -> str:
    """How a key came, in words."""
    if allowed_by:
        return f"came after an own key was lost: asked for by {registered_by}, allowed by {allowed_by} of the lab"
    if not registered_by:
        return ""
    return f"registered by {registered_by}" + (", signed over by the own key before it" if handed_over else "")


def decide(state: Institution, command: InstitutionCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict, Invalid or VerificationError."""
    match command:
        case RegisterInstitution():
            return _register(state, command, actor, now)
        case RegisterKey():
            return _register_key(state, command, actor, now)
        case AskForKey():
            return _ask(state, command, actor, now)
        case AllowKey():
            return _allow(state, command, actor, now)
        case RevokeKey():
            return _revoke_key(state, command, actor, now)
        case SetWeight():
            return _weigh(command, actor, now)


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


def _may_register(state: Institution, actor: Actor) -> None:
    if state.id == LAB:
        if not (actor.is_coordinator or actor.is_automatic):
            raise Forbidden("not_signatory", "Only a coordinator manages the lab's keys.")
    elif not actor.has(Role.PARTNER_LEAD, state.id):
        raise Forbidden(
            "not_signatory",
            f"Only a partner lead of {state.name} registers its keys; nobody of the lab does.",
            fixer=Fixer.LEAD,
        )


def _register_key(state: Institution, command: RegisterKey, actor: Actor, now: datetime) -> Sequence[Event]:
    _may_register(state, actor)
    _holds(state, command.public_key, command.proof)
    handed_over_by = ""
    if state.keeps_its_own:
        own = [key.public_key for key in state.active_keys if key.custody is Custody.OWN]
        handed_over_by = check_succession(
            command.succession,
            institution_id=state.id,
            public_key=command.public_key if command.custody is Custody.OWN else None,
            number=len(state.keys) + 1,
            own_keys=own,
        )
    elif command.succession is not None:
        raise Invalid("no_own_key", "There is no key of its own that could hand over.", param="succession")
    return [
        InstitutionKeyRegistered(
            public_key=command.public_key,
            custody=command.custody,
            proof=command.proof,
            at=now,
            by=actor.name,
            succession=command.succession,
            handed_over_by=handed_over_by,
        )
    ]


def _ask(state: Institution, command: AskForKey, actor: Actor, now: datetime) -> Sequence[Event]:
    _may_register(state, actor)
    _holds(state, command.public_key, command.proof)
    if not state.keeps_its_own:
        raise Conflict("no_own_key", "No key of its own was lost: register the key as it is.", fixer=Fixer.CALLER)
    return [
        InstitutionKeyAsked(
            public_key=command.public_key,
            proof=command.proof,
            reason=command.reason,
            by_id=actor.person_id,
            by=actor.name,
            at=now,
        )
    ]


def _allow(state: Institution, command: AllowKey, actor: Actor, now: datetime) -> Sequence[Event]:
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator allows a key in place of one that was lost.")
    asked = state.key_request
    if asked is None or asked.public_key != command.public_key:
        raise Conflict("key_not_asked", "No lead of this institution asks for this key.", fixer=Fixer.LEAD)
    if asked.asked_by_id == actor.person_id:
        raise Forbidden("own_request", "Whoever asked for the key does not allow it.", fixer=Fixer.COORDINATOR)
    return [
        InstitutionKeyRegistered(
            public_key=asked.public_key,
            custody=Custody.OWN,
            proof=asked.proof,
            at=now,
            by=asked.asked_by,
            allowed_by=actor.name,
            note=command.note,
        )
    ]


def _holds(state: Institution, public_key: str, proof: str) -> None:
    if any(key.public_key == public_key for key in state.keys):
        raise Conflict("key_known", "This key was registered before; a revoked key never comes back.")
    try:
        PublicKey.from_raw(bytes.fromhex(public_key)).verify(
            bytes.fromhex(proof), possession_challenge(state.id, public_key)
        )
    except VerificationError:
        raise VerificationError(
            "no_possession",
            "The proof is not a signature by this key over this institution's challenge.",
            hint="Sign the challenge with the private half of the key you register.",
        ) from None


def _revoke_key(state: Institution, command: RevokeKey, actor: Actor, now: datetime) -> Sequence[Event]:
    # A coordinator may stop a key that leaked: that forges nothing, since the next key needs the institution's word.
    if not (actor.is_coordinator or actor.has(Role.PARTNER_LEAD, state.id)):
        raise Forbidden("not_signatory", f"Only a partner lead of {state.name} or a coordinator revokes its keys.")
    if not any(key.public_key == command.public_key for key in state.active_keys):
        raise Invalid("key_not_active", "No active key of this institution has that public key.")
    held = [key.public_key for key in state.active_keys if key.custody is Custody.PORTAL]
    if state.id == LAB and held == [command.public_key]:
        raise Conflict(
            "last_lab_key",
            "This is the only key with which the portal signs for the lab.",
            hint="Make another first, then revoke this one.",
        )
    return [InstitutionKeyRevoked(public_key=command.public_key, reason=command.reason, at=now, by=actor.name)]


def _weigh(command: SetWeight, actor: Actor, now: datetime) -> Sequence[Event]:
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator changes shares of the model workers.")
    return [InstitutionWeightSet(weight=command.weight, reason=command.reason, by=actor.person_id, at=now)]


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
            key = InstitutionKey(
                public_key=event.public_key,
                custody=event.custody,
                registered_at=event.at,
                registered_by=event.by,
                handed_over_by=event.handed_over_by,
                allowed_by=event.allowed_by,
            )
            return state.model_copy(update={"keys": (*state.keys, key), "key_request": None})
        case InstitutionKeyAsked():
            request = KeyRequest(
                public_key=event.public_key,
                proof=event.proof,
                reason=event.reason,
                asked_by_id=event.by_id,
                asked_by=event.by,
                asked_at=event.at,
            )
            return state.model_copy(update={"key_request": request})
        case InstitutionKeyRevoked():
            keys = tuple(
                key.model_copy(update={"revoked_at": event.at}) if key.public_key == event.public_key else key
                for key in state.keys
            )
            return state.model_copy(update={"keys": keys})
        case InstitutionWeightSet():
            return state.model_copy(update={"weight": event.weight})
        case _:
            raise TypeError(f"an institution has no event {event.type_name!r}")


INSTITUTION: Decider[Institution, InstitutionCommand] = Decider(
    category="institution", initial=Institution(), decide=decide, evolve=evolve
)

SigningParty = Literal["institution", "lab"]
