"""Records behind every credential: access tokens, what keeps them fresh, one-time sign-in links and sessions.

None of them holds a secret: a link, a session and a refresh token are named by the SHA-256 of what is presented, an
access token by its ``jti``. One decider serves them all, for they live the same life: issued, perhaps used once, ended
for good. A credential made from another one names it as its parent; whoever asks whether it is live asks for every
credential above it too, so that ending one ends all that came of it.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor, Role
from agreements.areas import Area
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Unauthenticated
from agreements.jwks import Thumbprint
from agreements.narrowing import Narrowing
from agreements.scopes import Slug


class CredentialKind(StrEnum):
    """What is presented."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - a kind, not a secret
    SIGN_IN_LINK = "sign_in_link"
    SESSION = "session"
    REFRESH_FAMILY = "refresh_family"
    """What the refresh tokens of one line, and the access tokens they give, descend from; never presented."""
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - as above


class SignInMethod(StrEnum):
    """How a session was opened."""

    LINK = "link"
    PROVIDER = "provider"
    INVITATION = "invitation"
    DEMO = "demo"


class Credential(Value):
    """Current state. An empty ``id`` means it does not exist. ``person_id`` is its holder, who may be a program."""

    id: str = ""
    kind: CredentialKind = CredentialKind.SESSION
    person_id: str = ""
    label: str = ""
    grant_id: str | None = None
    purpose: str | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    parent_id: str = ""
    """What it was made from; empty for one that its holder was issued."""
    granted_by: tuple[str, ...] = ()
    """Whose rights it carries on to its holder: the holders of what it was made from, the first of them first."""
    institution_id: str = ""
    """Whose program holds it."""
    continues: str = ""
    """The token whose place it took when that was rotated, the first of them: its use is charged to that one's
    limits, so that rotating gives nothing anew."""
    narrowing: Narrowing = Narrowing()
    areas: tuple[Area, ...] | None = None
    """For what it may be used if it names no grant; None is all that its holder's role allows."""
    key_thumbprint: Thumbprint | None = None
    """The key whose possession every use has to prove."""
    ended_at: datetime | None = None
    end_reason: str = ""
    """Why it ended; of a live one, why it ends sooner than it was issued to."""
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

    @property
    def subject_id(self) -> str:
        """Whose rights it carries."""
        return self.granted_by[0] if self.granted_by else self.person_id

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
    parent_id: str = ""
    granted_by: tuple[str, ...] = ()
    institution_id: str = ""
    continues: str = ""
    narrowing: Narrowing = Narrowing()
    areas: tuple[Area, ...] | None = None
    key_thumbprint: Thumbprint | None = None


class CredentialSeen(Event, type="credential:seen"):
    """A session was in use; recorded now and then, not at every request."""

    at: datetime


class CredentialShortened(Event, type="credential:shortened"):
    """It ends sooner than it was issued to."""

    expires_at: datetime
    reason: str
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
    parent_id: str = ""
    granted_by: tuple[str, ...] = ()
    institution_id: str = ""
    continues: str = ""
    narrowing: Narrowing = Narrowing()
    areas: tuple[Area, ...] | None = None
    key_thumbprint: Thumbprint | None = None


class MarkSeen(Value):
    """Record that a session is in use, unless that was done less than ``every`` ago."""

    every: timedelta


class UseOnce(Value):
    """Present a one-time link or a refresh token; it is spent by this."""


class ShortenCredential(Value):
    """Let a token go on for a while and then end, because another one took its place."""

    expires_at: datetime
    reason: str


class EndCredential(Value):
    """Revoke a token or end a session."""

    reason: Annotated[str, Field(max_length=1000)]


_ISSUED = tuple(name for name in IssueCredential.model_fields if name != "credential_id")
_USED_ONCE = frozenset({CredentialKind.SIGN_IN_LINK, CredentialKind.REFRESH_TOKEN})

CredentialCommand = IssueCredential | MarkSeen | UseOnce | ShortenCredential | EndCredential


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
            if state.kind is CredentialKind.REFRESH_TOKEN and not state.live_on(now):
                raise Unauthenticated(
                    "refresh_spent", "This refresh token was used before, or its time is over.", hint="Sign in again."
                )
            if state.kind not in _USED_ONCE or not state.live_on(now):
                raise Unauthenticated(
                    "link_spent",
                    "This sign-in link was used before, or its time is over.",
                    hint="Ask for a new one: each link signs in once.",
                )
            return [CredentialEnded(reason="used", at=now)]
        case ShortenCredential():
            _check_ends(actor, state)
            if not state.live_on(now) or (state.expires_at is not None and command.expires_at >= state.expires_at):
                return []
            return [CredentialShortened(expires_at=command.expires_at, reason=command.reason, at=now)]
        case EndCredential():
            _check_ends(actor, state)
            return [] if state.ended_at else [CredentialEnded(reason=command.reason, at=now)]


def _check_ends(actor: Actor, state: Credential) -> None:
    if not may_end(actor, state):
        raise Forbidden("not_yours", "Only its holder, whoever narrowed it, or a coordinator ends a credential.")


def may_end(actor: Actor, state: Credential) -> bool:
    """Whether the actor may end it: its holder, whose rights it carries, the lead of its program, a coordinator."""
    leads = bool(state.institution_id) and actor.has(Role.PARTNER_LEAD, state.institution_id)
    concerned = actor.person_id in {state.person_id, *state.granted_by}
    return actor.is_coordinator or actor.is_automatic or concerned or leads


def evolve(state: Credential, event: Event) -> Credential:
    """Fold one event into the state."""
    match event:
        case CredentialIssued():
            issued = {name: getattr(event, name) for name in _ISSUED}
            return Credential(id=event.credential_id, issued_at=event.at, **issued)
        case CredentialSeen():
            return state.model_copy(update={"seen_at": event.at})
        case CredentialShortened():
            return state.model_copy(update={"expires_at": event.expires_at, "end_reason": event.reason})
        case CredentialEnded():
            return state.model_copy(update={"ended_at": event.at, "end_reason": event.reason})
        case _:
            raise TypeError(f"a credential has no event {event.type_name!r}")


CREDENTIAL: Decider[Credential, CredentialCommand] = Decider(
    category="credential", initial=Credential(), decide=decide, evolve=evolve
)
