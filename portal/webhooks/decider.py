"""The rules of endpoints: registered by whoever binds their institution, paused by those or by the rule that delivers.

active  ⇄ paused     by its people; by the outbox when the last attempt of a notice failed
either  → removed    by its people; by the outbox when the endpoint says that it is gone (410)
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints, field_serializer

from agreements.actors import LAB, Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Fixer, Forbidden, NotFound
from portal.inputs import Identifier, Line
from portal.standing import represents

KindFilter = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=80)]
"""A kind of notice, or the beginning of several: ``duty`` stands for ``duty.due_soon`` and ``duty.overdue``."""

Kinds = Annotated[frozenset[KindFilter], Field(max_length=50)]


class WebhookStatus(StrEnum):
    """Whether notices are sent to it."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Trial(Value):
    """What came of the last test delivery."""

    status_code: int | None
    reason: str
    """Why it failed; empty when it did not."""
    at: AwareDatetime


class Webhook(Value):
    """Current state. An empty ``id`` means that nothing was registered."""

    id: str = ""
    institution_id: str = ""
    """Whose it is. The lab's hears of every institution."""
    url: str = ""
    kinds: frozenset[str] = frozenset()
    """What it is told of; everything when empty."""
    status: WebhookStatus = WebhookStatus.ACTIVE
    reason: str = ""
    """Why it is paused or removed."""
    registered_by: str = ""
    registered_at: AwareDatetime | None = None
    resumed_at: AwareDatetime | None = None
    """What was given up before this is tried again."""
    tested: Trial | None = None

    @field_serializer("kinds")
    def _sorted(self, kinds: frozenset[str]) -> list[str]:
        return sorted(kinds)

    @property
    def hears_all(self) -> bool:
        """Whether it is told of every institution."""
        return self.institution_id == LAB


class WebhookRegistered(Event, type="webhook:registered"):
    """An institution named an address to send notices to."""

    webhook_id: str
    institution_id: str
    url: str
    kinds: frozenset[str]
    registered_by: str
    at: AwareDatetime

    @field_serializer("kinds")
    def _sorted(self, kinds: frozenset[str]) -> list[str]:
        return sorted(kinds)


class WebhookPaused(Event, type="webhook:paused"):
    """Nothing is sent until it is resumed."""

    reason: str
    at: AwareDatetime


class WebhookResumed(Event, type="webhook:resumed"):
    """Notices are sent again, those that waited or were given up first."""

    at: AwareDatetime


class WebhookRemoved(Event, type="webhook:removed"):
    """Nothing will be sent any more."""

    reason: str
    at: AwareDatetime


class WebhookTested(Event, type="webhook:tested"):
    """Somebody had a test delivery sent."""

    status_code: int | None
    reason: str
    at: AwareDatetime


class RegisterWebhook(Value):
    """Name an address. Whether it may be sent to is checked by the service, which knows the settings."""

    webhook_id: Identifier
    institution_id: Identifier
    url: Annotated[str, Field(max_length=1000)]
    kinds: Kinds = frozenset()


class PauseWebhook(Value):
    """Stop sending for now."""

    reason: Line


class ResumeWebhook(Value):
    """Send again."""


class RemoveWebhook(Value):
    """Stop sending for good."""

    reason: Line


class RecordTest(Value):
    """Keep what came of a test delivery."""

    status_code: int | None
    reason: str


WebhookCommand = RegisterWebhook | PauseWebhook | ResumeWebhook | RemoveWebhook | RecordTest


def no_such_webhook(webhook_id: str) -> NotFound:
    """The refusal for an endpoint that is not there, or not the caller's."""
    return NotFound("webhook_not_found", f"There is no webhook {webhook_id!r}.")


def may_manage(actor: Actor, webhook: Webhook) -> bool:
    """Whether the actor may see and change it: who binds its institution, and coordinators."""
    return bool(webhook.id) and (represents(actor, webhook.institution_id) or actor.is_coordinator)


def decide(state: Webhook, command: WebhookCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound or Conflict."""
    if isinstance(command, RegisterWebhook):
        return _register(state, command, actor, now)
    if actor.is_automatic:
        return _by_rule(state, command, now)
    if not may_manage(actor, state):
        raise no_such_webhook(state.id)
    if state.status is WebhookStatus.REMOVED:
        raise Conflict(
            "webhook_removed", "The webhook was removed.", hint="Register its address anew.", fixer=Fixer.CALLER
        )
    match command:
        case PauseWebhook():
            if state.status is WebhookStatus.PAUSED:
                return []
            return [WebhookPaused(reason=command.reason, at=now)]
        case ResumeWebhook():
            return [WebhookResumed(at=now)] if state.status is WebhookStatus.PAUSED else []
        case RemoveWebhook():
            return [WebhookRemoved(reason=command.reason, at=now)]
        case RecordTest():
            return [WebhookTested(status_code=command.status_code, reason=command.reason, at=now)]


def _register(state: Webhook, command: RegisterWebhook, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("webhook_exists", f"{state.id} is registered already.")
    if not represents(actor, command.institution_id):
        raise Forbidden(
            "not_lead",
            "Only an institution's partner lead registers a webhook for it, and a coordinator one for the lab.",
            hint="Ask the partner lead.",
            fixer=Fixer.LEAD,
        )
    return [
        WebhookRegistered(
            webhook_id=command.webhook_id,
            institution_id=command.institution_id,
            url=command.url,
            kinds=command.kinds,
            registered_by=actor.person_id,
            at=now,
        )
    ]


def _by_rule(state: Webhook, command: WebhookCommand, now: datetime) -> Sequence[Event]:
    """What the outbox does. People may have paused or removed it while an attempt was under way; then nothing."""
    match command:
        case PauseWebhook() if state.status is WebhookStatus.ACTIVE:
            return [WebhookPaused(reason=command.reason, at=now)]
        case RemoveWebhook() if state.status is not WebhookStatus.REMOVED:
            return [WebhookRemoved(reason=command.reason, at=now)]
        case PauseWebhook() | RemoveWebhook():
            return []
        case _:
            raise Forbidden("people_only", "A rule may pause or remove a webhook, nothing else.")


def evolve(state: Webhook, event: Event) -> Webhook:
    """Fold one event into the state."""
    match event:
        case WebhookRegistered():
            return Webhook(
                id=event.webhook_id,
                institution_id=event.institution_id,
                url=event.url,
                kinds=event.kinds,
                registered_by=event.registered_by,
                registered_at=event.at,
            )
        case WebhookPaused():
            return state.model_copy(update={"status": WebhookStatus.PAUSED, "reason": event.reason})
        case WebhookResumed():
            return state.model_copy(update={"status": WebhookStatus.ACTIVE, "reason": "", "resumed_at": event.at})
        case WebhookRemoved():
            return state.model_copy(update={"status": WebhookStatus.REMOVED, "reason": event.reason})
        case WebhookTested():
            result = Trial(status_code=event.status_code, reason=event.reason, at=event.at)
            return state.model_copy(update={"tested": result})
        case _:
            raise TypeError(f"a webhook has no event {event.type_name!r}")


WEBHOOK: Decider[Webhook, WebhookCommand] = Decider(category="webhook", initial=Webhook(), decide=decide, evolve=evolve)
"""The decider of endpoints; streams are ``webhook/whk_…``."""
