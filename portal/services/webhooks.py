"""Webhooks: institutions name endpoints, and see how deliveries to them fare."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Conflict, Limited, NotFound
from agreements.ids import new_id
from agreements.keys import SigningKey
from portal.config import Settings
from portal.inputs import parse
from portal.notices.model import Delivery, DeliveryChannel, DeliveryStatus
from portal.notices.projection import NOTICES
from portal.services.aggregates import stamp
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel
from portal.webhooks.addresses import Policy, check_url
from portal.webhooks.decider import (
    PauseWebhook,
    RecordTest,
    RegisterWebhook,
    RemoveWebhook,
    ResumeWebhook,
    Webhook,
    WebhookCommand,
    WebhookStatus,
    may_manage,
    no_such_webhook,
)
from portal.webhooks.message import Message, public_form, trial_message
from portal.webhooks.posting import Outcome, Poster
from portal.webhooks.projection import WEBHOOKS

MOST_PER_INSTITUTION = 20
BETWEEN_TESTS = timedelta(seconds=10)
"""A test makes the portal send a request elsewhere; nobody needs many."""

# What an endpoint is told of, from its registration on. Notices for single people stay between them and the portal.
_FOR_WEBHOOK = """
    FROM notice n
    LEFT JOIN notice_delivery d ON d.notice_id = n.notice_id AND d.channel = 'webhook' AND d.target_id = ?
    WHERE n.raised_at >= ?
    AND EXISTS (
        SELECT 1 FROM notice_reader r WHERE r.notice_id = n.notice_id
        AND r.institution_id <> '' AND (? OR r.institution_id = ?)
    )
    AND (? OR EXISTS (
        SELECT 1 FROM (SELECT unnest(?::VARCHAR[]) AS kind) k
        WHERE n.kind = k.kind OR starts_with(n.kind, k.kind || '.')
    ))
"""
_UNSETTLED = "AND (d.notice_id IS NULL OR d.status = 'waiting' OR (d.status = 'given_up' AND d.attempted_at < ?))"


class WebhookView(Value):
    """An endpoint and how deliveries to it fare."""

    webhook: Webhook
    delivered: int
    waiting: int
    """Notices that are still to be sent or tried again."""
    given_up: int
    last_problem: str
    """Why the latest failed delivery failed, as long as it has not succeeded."""
    public_key: str
    """What verifies the signatures, ``whpk_…``; the same for every endpoint."""


class DeliveryView(Value):
    """The latest attempt to bring one notice to an endpoint."""

    subject: str
    kind: str
    delivery: Delivery


class WebhookService:
    """Registers endpoints, tries them, and knows what each is to be told."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService, settings: Settings, key: SigningKey) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._key = key
        self._policy = Policy(
            loopback=settings.demo or settings.webhook_allow_loopback, private=settings.webhook_allow_private
        )
        self._poster = Poster(self._policy)

    @property
    def public_key(self) -> str:
        """What verifies every signature, as the Standard Webhooks specification writes it."""
        return public_form(self._key.public)

    def register(
        self,
        actor: Actor,
        *,
        institution_id: str,
        url: str,
        kinds: Collection[str] = (),
        idempotency_key: str | None = None,
    ) -> WebhookView:
        """Name an address to send notices to; of all kinds, or of those that begin with one of ``kinds``.

        Raises Forbidden for whoever does not bind the institution, Invalid ``webhook_address_refused``, Conflict
        ``too_many_webhooks``.
        """
        command = parse(
            RegisterWebhook,
            {
                "webhook_id": new_id("whk"),
                "institution_id": institution_id,
                "url": url,
                "kinds": frozenset(kinds),
            },
        )
        # Refused before anything is looked up for somebody who may not.
        WEBHOOKS.decider.decide(Webhook(), command, actor, self._kernel.clock())
        self._institutions.get(institution_id)
        check_url(command.url, self._policy)
        store = self._kernel.store
        repeated = idempotency_key is not None and store.committed_under(actor.person_id, idempotency_key) is not None
        if not repeated:
            self._refuse_too_many(institution_id)
        made = self._kernel.execute(WEBHOOKS, command.webhook_id, command, actor, idempotency_key=idempotency_key)
        return self.get(actor, made.id)

    def pause(self, actor: Actor, webhook_id: str, *, reason: str) -> WebhookView:
        """Send nothing until it is resumed. Raises NotFound or Conflict ``webhook_removed``."""
        return self._change(actor, webhook_id, parse(PauseWebhook, {"reason": reason}))

    def resume(self, actor: Actor, webhook_id: str) -> WebhookView:
        """Send again, first what waited or was given up. Raises NotFound or Conflict ``webhook_removed``."""
        return self._change(actor, webhook_id, ResumeWebhook())

    def remove(self, actor: Actor, webhook_id: str, *, reason: str) -> WebhookView:
        """Send nothing any more. Raises NotFound or Conflict ``webhook_removed``."""
        return self._change(actor, webhook_id, parse(RemoveWebhook, {"reason": reason}))

    def test(self, actor: Actor, webhook_id: str) -> WebhookView:
        """Send a test delivery now, also to a paused endpoint, and keep what came of it.

        Blocks for as long as the endpoint takes, at most about ten seconds. Raises NotFound, Conflict
        ``webhook_removed``, Limited ``tested_just_now``.
        """
        webhook = self.get(actor, webhook_id).webhook
        now = self._kernel.clock()
        # Refused before anything is sent.
        WEBHOOKS.decider.decide(webhook, RecordTest(status_code=None, reason=""), actor, now)
        if webhook.tested and (waited := now - webhook.tested.at) < BETWEEN_TESTS:
            raise Limited(
                "tested_just_now",
                "The webhook was tested a moment ago.",
                hint=f"Wait {BETWEEN_TESTS.seconds} seconds between tests.",
                retry_after_s=(BETWEEN_TESTS - waited).total_seconds(),
            )
        outcome = self.send(webhook, trial_message(webhook_id, webhook.institution_id, now), now)
        return self._change(actor, webhook_id, RecordTest(status_code=outcome.status_code, reason=outcome.reason))

    def get(self, actor: Actor, webhook_id: str) -> WebhookView:
        """One endpoint, removed ones included. Raises NotFound for one that is not there or not the actor's."""
        try:
            webhook = self._kernel.state(WEBHOOKS, webhook_id)
        except NotFound:
            raise no_such_webhook(webhook_id) from None
        if not may_manage(actor, webhook):
            raise no_such_webhook(webhook_id)
        return self._view(webhook)

    def list(self, actor: Actor) -> tuple[WebhookView, ...]:
        """The endpoints that the actor may manage, newest first."""
        found = (self._kernel.state(WEBHOOKS, webhook_id) for webhook_id in self._ids())
        return tuple(self._view(webhook) for webhook in found if may_manage(actor, webhook))

    def deliveries(self, actor: Actor, webhook_id: str, *, limit: int = 20) -> tuple[DeliveryView, ...]:
        """What was last sent to an endpoint and what came of it, the latest attempt first. Raises NotFound."""
        self.get(actor, webhook_id)
        rows = self._kernel.store.query(
            "SELECT notice_id FROM notice_delivery WHERE channel = 'webhook' AND target_id = ? "
            "ORDER BY attempted_at DESC, notice_id LIMIT ?",
            [webhook_id, limit],
        )
        found = (self._kernel.state(NOTICES, row["notice_id"]) for row in rows)
        return tuple(
            DeliveryView(subject=state.notice.subject, kind=state.notice.kind, delivery=latest)
            for state in found
            if state.notice is not None and (latest := state.delivery(DeliveryChannel.WEBHOOK, webhook_id)) is not None
        )

    def active(self) -> tuple[Webhook, ...]:
        """Every endpoint that is sent to, oldest first, for the rule that delivers."""
        found = (self._kernel.state(WEBHOOKS, webhook_id) for webhook_id in reversed(self._ids()))
        return tuple(webhook for webhook in found if webhook.status is WebhookStatus.ACTIVE)

    def due(self, webhook: Webhook, now: datetime, *, limit: int) -> Sequence[str]:
        """Ids of the notices that are to be sent to an endpoint now, oldest first."""
        rows = self._kernel.store.query(
            f"""
            SELECT n.notice_id {_FOR_WEBHOOK} {_UNSETTLED} AND (d.status IS DISTINCT FROM 'waiting' OR d.next_at <= ?)
            ORDER BY n.raised_at, n.notice_id LIMIT ?
            """,  # noqa: S608 - constants only
            [*_parameters(webhook), stamp(webhook.resumed_at), stamp(now), limit],
        )
        return [row["notice_id"] for row in rows]

    def send(self, webhook: Webhook, message: Message, now: datetime) -> Outcome:
        """One signed attempt; never raises for what the other side does."""
        return self._poster.post(webhook.url, message.payload, message.headers(self._key, now))

    def _change(self, actor: Actor, webhook_id: str, command: WebhookCommand) -> WebhookView:
        self.get(actor, webhook_id)
        return self._view(self._kernel.execute(WEBHOOKS, webhook_id, command, actor))

    def _refuse_too_many(self, institution_id: str) -> None:
        rows = self._kernel.store.query(
            "SELECT count(*) AS number FROM webhook WHERE institution_id = ? AND status <> 'removed'", [institution_id]
        )
        if rows[0]["number"] >= MOST_PER_INSTITUTION:
            raise Conflict(
                "too_many_webhooks",
                f"{institution_id} has {MOST_PER_INSTITUTION} webhooks already.",
                hint="Remove one that is not needed.",
            )

    def _ids(self) -> Sequence[str]:
        rows = self._kernel.store.query("SELECT webhook_id FROM webhook ORDER BY registered_at DESC, webhook_id")
        return [row["webhook_id"] for row in rows]

    def _view(self, webhook: Webhook) -> WebhookView:
        settled = {
            row["status"]: row["number"]
            for row in self._kernel.store.query(
                "SELECT status, count(*) AS number FROM notice_delivery "
                "WHERE channel = 'webhook' AND target_id = ? GROUP BY status",
                [webhook.id],
            )
        }
        waiting = self._kernel.store.query(
            f"SELECT count(*) AS number {_FOR_WEBHOOK} {_UNSETTLED}",
            [*_parameters(webhook), stamp(webhook.resumed_at)],
        )
        problems = self._kernel.store.query(
            "SELECT reason FROM notice_delivery WHERE channel = 'webhook' AND target_id = ? AND status <> 'delivered' "
            "ORDER BY attempted_at DESC LIMIT 1",
            [webhook.id],
        )
        return WebhookView(
            webhook=webhook,
            delivered=settled.get(DeliveryStatus.DELIVERED.value, 0),
            waiting=0 if webhook.status is WebhookStatus.REMOVED else waiting[0]["number"],
            given_up=settled.get(DeliveryStatus.GIVEN_UP.value, 0),
            last_problem=problems[0]["reason"] if problems else "",
            public_key=self.public_key,
        )


def _parameters(webhook: Webhook) -> Sequence[object]:
    return [
        webhook.id,
        stamp(webhook.registered_at),
        webhook.hears_all,
        webhook.institution_id,
        not webhook.kinds,
        sorted(webhook.kinds),
    ]
