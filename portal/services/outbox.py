"""The outbox: brings notices to endpoints and mailboxes, again and again until they are taken or given up."""

import threading
from datetime import UTC, datetime

from agreements.actors import LAB, Actor, Role
from agreements.deciders import Value
from portal.config import Settings
from portal.notices.decider import RecordDelivery, RecordFailure
from portal.notices.model import DeliveryChannel, Notice
from portal.notices.projection import NOTICES
from portal.notices.retrying import ATTEMPTS, next_attempt_at
from portal.services.digests import DigestService
from portal.services.kernel import Kernel, Step
from portal.services.notices import NoticeService
from portal.services.webhooks import WebhookService
from portal.webhooks.decider import PauseWebhook, RemoveWebhook, Webhook
from portal.webhooks.message import notice_message
from portal.webhooks.posting import GONE, Outcome
from portal.webhooks.projection import WEBHOOKS

OUTBOX = Actor.automatic("outbox")
"""The named rule that delivers to webhooks, and pauses or removes those that cannot be delivered to."""

PER_PASS = 100
"""How many notices one endpoint is sent in one pass, so that a busy one does not keep the others waiting."""

_REASON_LENGTH = 160


class OutboxReport(Value):
    """What one pass came to."""

    delivered: int = 0
    failed: int = 0
    stopped: tuple[str, ...] = ()
    """Endpoints that were paused or removed."""
    digests_sent: int = 0
    digests_failed: int = 0


class OutboxService:
    """Delivers whatever is due. One pass at a time."""

    def __init__(
        self,
        kernel: Kernel,
        notices: NoticeService,
        webhooks: WebhookService,
        digests: DigestService,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._notices = notices
        self._webhooks = webhooks
        self._digests = digests
        self._settings = settings
        self._passing = threading.Lock()  # the portal is one process: what holds this is the only one that sends

    def deliver_due(self, now: datetime) -> OutboxReport:
        """Send what is due at ``now`` to webhooks, then digests by mail. Blocks; for a thread of its own.

        Called while another pass is under way, it does nothing. An attempt is recorded after it was made: a crash in
        between sends again, under the same ``webhook-id``, and never not at all.
        """
        if not self._passing.acquire(blocking=False):
            return OutboxReport()
        try:
            now = now.astimezone(UTC)
            delivered, failed, stopped = 0, 0, []
            for webhook in self._webhooks.active():
                taken, refused, gone = self._serve(webhook, now)
                delivered, failed = delivered + taken, failed + refused
                if gone:
                    stopped.append(webhook.id)
            digests = self._digests.send_digests(now)
            return OutboxReport(
                delivered=delivered,
                failed=failed,
                stopped=tuple(stopped),
                digests_sent=digests.sent,
                digests_failed=digests.failed,
            )
        finally:
            self._passing.release()

    def _serve(self, webhook: Webhook, now: datetime) -> tuple[int, int, bool]:
        """Send an endpoint what is due until one attempt fails: what is down is not asked again in the same pass.

        Returns how many it took, how many failed, and whether it was paused or removed.
        """
        taken = 0
        for notice_id in self._webhooks.due(webhook, now, limit=PER_PASS):
            notice = self._notices.state(notice_id).notice
            if notice is None:
                continue
            message = notice_message(notice, webhook.id, self._settings.url)
            outcome = self._webhooks.send(webhook, message, now)
            if not outcome.delivered:
                return taken, 1, self._record_failure(webhook, notice_id, outcome, now)
            delivery = RecordDelivery(
                channel=DeliveryChannel.WEBHOOK, target_id=webhook.id, status_code=outcome.status_code
            )
            self._kernel.execute(NOTICES, notice_id, delivery, OUTBOX)
            taken += 1
        return taken, 0, False

    def _record_failure(self, webhook: Webhook, notice_id: str, outcome: Outcome, now: datetime) -> bool:
        """Keep what happened, and stop the endpoint where that was the end. Returns whether it was."""
        attempt = self._notices.state(notice_id).next_attempt(DeliveryChannel.WEBHOOK, webhook.id)
        gone = outcome.status_code == GONE
        next_at = (
            None
            if gone
            else next_attempt_at(attempt, now, spread_by=f"{webhook.id}/{notice_id}", not_before=outcome.retry_after)
        )
        failure = RecordFailure(
            channel=DeliveryChannel.WEBHOOK,
            target_id=webhook.id,
            status_code=outcome.status_code,
            reason=outcome.reason,
            next_at=next_at,
        )
        steps = [Step(NOTICES, notice_id, failure)]
        if next_at is None:
            told = (
                "The endpoint said that it is gone (410)."
                if gone
                else f"Given up after {ATTEMPTS} attempts: {outcome.reason}"
            )
            reason = told[:_REASON_LENGTH]
            stop = RemoveWebhook(reason=reason) if gone else PauseWebhook(reason=reason)
            steps += [
                Step(WEBHOOKS, webhook.id, stop),
                self._notices.raising(_stopped(webhook, reason, now, removed=gone)),
            ]
        self._kernel.execute_all(steps, OUTBOX)
        return next_at is None


def _stopped(webhook: Webhook, reason: str, now: datetime, *, removed: bool) -> Notice:
    """What those who manage the endpoint are told."""
    word, remedy = (
        ("removed", "Register its address anew where it should hear from the portal again.")
        if removed
        else ("paused", "Resume it once it answers: what was missed is sent then.")
    )
    role = Role.COORDINATOR if webhook.institution_id == LAB else Role.PARTNER_LEAD
    return Notice(
        id=f"webhook:{webhook.id}:{word}/{now:%Y-%m-%dT%H.%M.%SZ}",
        kind=f"webhook.{word}",
        institution_id=webhook.institution_id,
        subject=f"A webhook was {word}: {webhook.url}",
        body=f"{reason}\n{remedy}",
        at=now,
        audience=frozenset({role.value}),
    )
