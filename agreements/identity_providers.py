"""Identity providers: where an institution's people sign in, registered by a coordinator.

active  ⇄ paused     nobody signs in through it, and sessions opened through it end
either  → removed    for good; who they are there stays on record
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden
from agreements.people import Why


class ClientAuthentication(StrEnum):
    """How the portal shows a provider that it is itself (RFC 6749, section 2.3; OpenID Connect Core 1.0, section 9)."""

    NONE = "none"
    """A public client: by PKCE alone."""
    PRIVATE_KEY = "private_key_jwt"
    """By a signature of the portal's key."""
    SECRET = "client_secret_basic"  # noqa: S105 - the name of a method
    """By a secret that the provider handed out, kept in a file that only the operator's account can read."""

    @property
    def label(self) -> str:
        """The method as people read it."""
        return {"none": "none (PKCE)", "private_key_jwt": "the portal's key"}.get(self.value, "a client secret")


def _each_once(domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(domain.lower() for domain in domains))


Domain = Annotated[
    str, Field(max_length=190, pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+$")
]
"""What stands behind the @ of an address; international names in their ASCII form."""
Domains = Annotated[tuple[Domain, ...], Field(min_length=1, max_length=50), AfterValidator(_each_once)]
Label = Annotated[str, Field(min_length=2, max_length=80)]
ClientId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Issuer = Annotated[str, Field(min_length=8, max_length=300, pattern=r"^https?://[^\s?#\x00]+$")]
"""A URL without query or fragment (OpenID Connect Discovery 1.0, section 3)."""


class ProviderStatus(StrEnum):
    """Whether people sign in through it."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class ProviderTrial(Value):
    """What came of asking a provider for what it says of itself, and for its keys."""

    at: datetime
    code: str = ""
    """The refusal; empty where it answers as it should."""
    problem: str = ""
    """The same in words."""
    remarks: tuple[str, ...] = ()
    """What does not stand in the way for sure, and may."""
    ends_sessions: bool = False
    """Whether people can sign out there too (OpenID Connect RP-Initiated Logout 1.0)."""


class IdentityProvider(Value):
    """Current state. An empty ``id`` means that nothing was registered."""

    id: str = ""
    institution_id: str = ""
    """For whose people it speaks."""
    label: str = ""
    """What the button on the sign-in page says."""
    issuer: str = ""
    client_id: str = ""
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    domains: tuple[str, ...] = ()
    """Of which e-mail addresses it may say whose they are."""
    status: ProviderStatus = ProviderStatus.ACTIVE
    reason: str = ""
    """Why it is paused or removed."""
    registered_by: str = ""
    registered_at: datetime | None = None
    tried: ProviderTrial | None = None
    """The last trial; none since it was registered or changed."""

    def serves(self, email: str) -> bool:
        """Whether the address is in one of its domains."""
        return email.rpartition("@")[2].casefold() in self.domains


class ProviderRegistered(Event, type="identity_provider:registered"):
    """A coordinator named a provider for an institution."""

    provider_id: str
    institution_id: str
    label: str
    issuer: str
    client_id: str
    client_authentication: ClientAuthentication
    domains: tuple[str, ...]
    registered_by: str
    at: datetime


class ProviderChanged(Event, type="identity_provider:changed"):
    """What may change did. Issuer and institution never do: identities hang on them."""

    label: str
    client_id: str
    client_authentication: ClientAuthentication
    domains: tuple[str, ...]
    at: datetime


class ProviderPaused(Event, type="identity_provider:paused"):
    """Nobody signs in through it until it is resumed."""

    reason: str
    at: datetime


class ProviderResumed(Event, type="identity_provider:resumed"):
    """People sign in through it again."""

    at: datetime


class ProviderRemoved(Event, type="identity_provider:removed"):
    """Nobody will sign in through it any more."""

    reason: str
    at: datetime


class ProviderTried(Event, type="identity_provider:tried"):
    """A coordinator had the provider asked. The fields are those of ``ProviderTrial``."""

    code: str
    problem: str
    remarks: tuple[str, ...]
    ends_sessions: bool
    at: datetime


class _Details(Value):
    label: Label
    client_id: ClientId
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    domains: Domains


class RegisterProvider(_Details):
    """Name a provider for an institution."""

    provider_id: str
    institution_id: str
    issuer: Issuer


class ChangeProvider(_Details):
    """Change what may change."""


class PauseProvider(Value):
    """Let nobody sign in through it for now."""

    reason: Why


class ResumeProvider(Value):
    """Let people sign in through it again."""


class RemoveProvider(Value):
    """Let nobody sign in through it any more."""

    reason: Why


class RecordTrial(Value):
    """Keep what came of asking the provider. Whoever asked has checked what it answered."""

    code: str = ""
    problem: Annotated[str, Field(max_length=500)] = ""
    remarks: Annotated[tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=10)] = ()
    ends_sessions: bool = False


ProviderCommand = RegisterProvider | ChangeProvider | PauseProvider | ResumeProvider | RemoveProvider | RecordTrial


def decide(state: IdentityProvider, command: ProviderCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden or Conflict."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator registers and changes identity providers.")
    if isinstance(command, RegisterProvider):
        if state.id:
            raise Conflict("provider_exists", "An identity provider with this id exists.")
        fields = {name: getattr(command, name) for name in RegisterProvider.model_fields}
        return [ProviderRegistered(**fields, registered_by=actor.person_id, at=now)]
    if state.status is ProviderStatus.REMOVED:
        raise Conflict("provider_removed", "The identity provider was removed.", hint="Register it anew.")
    match command:
        case ChangeProvider():
            fields = {name: getattr(command, name) for name in ChangeProvider.model_fields}
            same = all(getattr(state, name) == value for name, value in fields.items())
            return [] if same else [ProviderChanged(**fields, at=now)]
        case PauseProvider():
            return [] if state.status is ProviderStatus.PAUSED else [ProviderPaused(reason=command.reason, at=now)]
        case ResumeProvider():
            return [ProviderResumed(at=now)] if state.status is ProviderStatus.PAUSED else []
        case RemoveProvider():
            return [ProviderRemoved(reason=command.reason, at=now)]
        case RecordTrial():
            return [ProviderTried(**command.model_dump(), at=now)]


def evolve(state: IdentityProvider, event: Event) -> IdentityProvider:
    """Fold one event into the state."""
    match event:
        case ProviderRegistered():
            fields = event.model_dump(exclude={"provider_id", "at"})
            return IdentityProvider(id=event.provider_id, registered_at=event.at, **fields)
        case ProviderChanged():
            return state.model_copy(
                update={
                    "label": event.label,
                    "client_id": event.client_id,
                    "client_authentication": event.client_authentication,
                    "domains": event.domains,
                    "tried": None,
                }
            )
        case ProviderPaused():
            return state.model_copy(update={"status": ProviderStatus.PAUSED, "reason": event.reason})
        case ProviderResumed():
            return state.model_copy(update={"status": ProviderStatus.ACTIVE, "reason": ""})
        case ProviderTried():
            return state.model_copy(update={"tried": ProviderTrial(**event.model_dump())})
        case ProviderRemoved():
            return state.model_copy(update={"status": ProviderStatus.REMOVED, "reason": event.reason})
        case _:
            raise TypeError(f"an identity provider has no event {event.type_name!r}")


IDENTITY_PROVIDER: Decider[IdentityProvider, ProviderCommand] = Decider(
    category="identity_provider", initial=IdentityProvider(), decide=decide, evolve=evolve
)
