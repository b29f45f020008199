"""Records behind every credential: access tokens, one-time sign-in links and sessions.

None of them holds a secret: a link and a session are named by the SHA-256 of what the browser presents, a token by its
``jti``. One decider serves the three, for they live the same life: issued, perhaps used once, ended for good.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Unauthenticated
from agreements.scopes import Slug


class CredentialKind(StrEnum):
    """What is presented."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - a kind, not a secret
    SIGN_IN_LINK = "sign_in_link"
    SESSION = "session"


class SignInMethod(StrEnum):
    """How a session was opened."""

    LINK = "link"
    PROVIDER = "provider"
    INVITATION = "invitation"
    DEMO = "demo"


class Credential(Value):
    """Current state. An empty ``id`` means it does not exist."""

    id: str = ""
    kind: CredentialKind = CredentialKind.SESSION
    person_id: str = ""
    label: str = ""
    grant_id: str | None = None
    purpose: str | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    method: SignInMethod | None = None
    """How a session was opened; unknown of those from before this was recorded."""
    provider_id: str | None = None
    """The identity provider that a session was opened through, if any."""
    browser: str = ""
    """What a session was opened with, coarsely: ``Firefox on Linux``."""
    seen_at: datetime | None = None
    """When a session was last marked as used; it may have been used a little later."""

    @property
    def last_seen(self) -> datetime | None:
        """The latest use on record."""
        return self.seen_at or self.issued_at

    def live_on(self, now: datetime) -> bool:
        """Whether it is good at ``now``."""
        return bool(self.id) and self.ended_at is None and self.expires_at is not None and now < self.expires_at


class CredentialIssued(Event, type="credential:issued"):
    """A credential was handed out; the secret itself went only to its holder."""

    credential_id: str
    kind: CredentialKind
    person_id: str
    label: str
    grant_id: str | None = None
    purpose: str | None = None
    expires_at: datetime
    at: datetime
    method: SignInMethod | None = None
    provider_id: str | None = None
    browser: str = ""


class CredentialSeen(Event, type="credential:seen"):
    """A session was in use; recorded now and then, not at every request."""

    at: datetime


class CredentialEnded(Event, type="credential:ended"):
    """Used up, revoked or signed out."""

    reason: str
    at: datetime


class IssueCredential(Value):
    """Hand a credential out. Whether the actor may is the service's question: it knows person and grant."""

    credential_id: str
    kind: CredentialKind
    person_id: str
    label: str
    grant_id: str | None = None
    purpose: Slug | None = None
    expires_at: datetime
    method: SignInMethod | None = None
    provider_id: str | None = None
    browser: Annotated[str, Field(max_length=60)] = ""


class MarkSeen(Value):
    """Record that a session is in use, unless that was done less than ``every`` ago."""

    every: timedelta


class UseOnce(Value):
    """Present a one-time link; it is spent by this."""


class EndCredential(Value):
    """Revoke a token or end a session."""

    reason: str


CredentialCommand = IssueCredential | MarkSeen | UseOnce | EndCredential


def secret_id(secret: str) -> str:
    """The id under which a link or session secret is recorded: its SHA-256, in hex."""
    # A guess may be any text; half a surrogate pair is one that fits nothing.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def decide(state: Credential, command: CredentialCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict or Unauthenticated."""
    match command:
        case IssueCredential():
            if state.id:
                raise Conflict("credential_exists", "A credential with this id exists.")
            fields = {name: getattr(command, name) for name in IssueCredential.model_fields}
            return [CredentialIssued(**fields, at=now)]
        case MarkSeen():
            if not actor.is_automatic:
                raise Forbidden("rules_only", "Only a rule records that a session is in use.")
            last = state.last_seen
            due = last is not None and now - last >= command.every
            return [CredentialSeen(at=now)] if due and state.live_on(now) else []
        case UseOnce():
            if state.kind is not CredentialKind.SIGN_IN_LINK or not state.live_on(now):
                raise Unauthenticated(
                    "link_spent",
                    "This sign-in link was used before, or its time is over.",
                    hint="Ask for a new one: each link signs in once.",
                )
            return [CredentialEnded(reason="used", at=now)]
        case EndCredential():
            if not (actor.is_coordinator or actor.is_automatic or actor.person_id == state.person_id):
                raise Forbidden("not_yours", "Only its holder or a coordinator ends a credential.")
            return [] if state.ended_at else [CredentialEnded(reason=command.reason, at=now)]


def evolve(state: Credential, event: Event) -> Credential:
    """Fold one event into the state."""
    match event:
        case CredentialIssued():
            return Credential(
                id=event.credential_id,
                kind=event.kind,
                person_id=event.person_id,
                label=event.label,
                grant_id=event.grant_id,
                purpose=event.purpose,
                issued_at=event.at,
                expires_at=event.expires_at,
                method=event.method,
                provider_id=event.provider_id,
                browser=event.browser,
            )
        case CredentialSeen():
            return state.model_copy(update={"seen_at": event.at})
        case CredentialEnded():
            return state.model_copy(update={"ended_at": event.at, "end_reason": event.reason})
        case _:
            raise TypeError(f"a credential has no event {event.type_name!r}")


CREDENTIAL: Decider[Credential, CredentialCommand] = Decider(
    category="credential", initial=Credential(), decide=decide, evolve=evolve
)
