"""Identities: who a person is at an identity provider, keyed by issuer and subject and by nothing else.

An e-mail address may pass to somebody else; a subject never does (OpenID Connect Core 1.0, section 5.7).
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden
from agreements.people import Why

Subject = Annotated[str, Field(min_length=1, max_length=255)]
"""OpenID Connect Core 1.0, section 2: at most 255 characters."""


class Identity(Value):
    """Current state. An empty ``person_id`` means that it stands for nobody."""

    issuer: str = ""
    subject: str = ""
    provider_id: str = ""
    person_id: str = ""
    linked_at: datetime | None = None


class IdentityLinked(Event, type="identity:linked"):
    """Whoever the provider says this is, is that person."""

    issuer: str
    subject: str
    provider_id: str
    person_id: str
    at: datetime


class IdentityUnlinked(Event, type="identity:unlinked"):
    """It stands for nobody any more."""

    reason: str
    at: datetime


class LinkIdentity(Value):
    """Let an identity stand for a person. Given by the rule that has checked both."""

    issuer: str
    subject: Subject
    provider_id: str
    person_id: str


class UnlinkIdentity(Value):
    """Let it stand for nobody."""

    reason: Why


IdentityCommand = LinkIdentity | UnlinkIdentity


def identity_id(issuer: str, subject: str) -> str:
    """The id of what an issuer calls ``subject``; an issuer is a URL and holds no zero byte."""
    return hashlib.sha256(f"{issuer}\0{subject}".encode("utf-8", "surrogatepass")).hexdigest()


def decide(state: Identity, command: IdentityCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden or Conflict."""
    match command:
        case LinkIdentity():
            if not actor.is_automatic:
                raise Forbidden("rules_only", "Only the rule that signs people in links an identity.")
            if state.person_id:
                raise Conflict("identity_linked", "Somebody signed in with this identity before.")
            fields = {name: getattr(command, name) for name in LinkIdentity.model_fields}
            return [IdentityLinked(**fields, at=now)]
        case UnlinkIdentity():
            if not actor.is_coordinator:
                raise Forbidden("not_coordinator", "Only a coordinator unlinks an identity.")
            if not state.person_id:
                raise Conflict("identity_not_linked", "The identity stands for nobody.")
            return [IdentityUnlinked(reason=command.reason, at=now)]


def evolve(state: Identity, event: Event) -> Identity:
    """Fold one event into the state."""
    match event:
        case IdentityLinked():
            return Identity(
                issuer=event.issuer,
                subject=event.subject,
                provider_id=event.provider_id,
                person_id=event.person_id,
                linked_at=event.at,
            )
        case IdentityUnlinked():
            return state.model_copy(update={"person_id": "", "linked_at": None})
        case _:
            raise TypeError(f"an identity has no event {event.type_name!r}")


IDENTITY: Decider[Identity, IdentityCommand] = Decider(
    category="identity", initial=Identity(), decide=decide, evolve=evolve
)
