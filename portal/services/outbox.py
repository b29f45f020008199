"""The outbox: brings notices to endpoints and mailboxes, again and again until they are taken or given up."""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

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
from portal.webhooks.decider import PauseWebhook, RemoveWebhook, Webhook, WebhookStatus
from portal.webhooks.message import notice_message
from portal.webhooks.posting import GONE, Outcome
from portal.webhooks.projection import WEBHOOKS

logger = logging.getLogger(__name__)

OUTBOX = Actor.automatic("outbox")
"""The named rule that delivers to webhooks, and pauses or removes those that cannot be delivered to."""

PER_PASS = 100
"""How many notices one endpoint is sent in one pass, so that a busy one does not keep the others waiting."""

PER_INSTITUTION = timedelta(seconds=30)
"""How long the endpoints of one institution may take in one pass, all together; the attempt under way is finished."""

_REASON_LENGTH = 160
_NEVER = datetime.min.replace(tzinfo=UTC)


class OutboxReport(Value):
    """What one pass came to."""

    delivered: int = 0
    failed: int = 0
    stopped: tuple[str, ...] = ()
    """Endpoints that were paused or removed."""
    digests_sent: int = 0
    digests_failed: int = 0


class _Came(Enum):
    """What came of one attempt."""

    DELIVERED = auto()
    FAILED = auto()
    STOPPED = auto()
    """It failed, and the endpoint was paused or removed for it."""
    MOOT = auto()
    """Nothing was sent: people had paused or removed the endpoint meanwhile."""


@dataclass
class _Turn:
    """What one institution's endpoints are still to be sent in this pass."""

    endpoints: deque[tuple[str, deque[str]]] = field(default_factory=deque)
    """Ids of webhooks, and of the notices due to each."""
    spent: timedelta = timedelta(0)


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
        self._closed = threading.Event()
        self._attempted: dict[str, datetime] = {}

    def deliver_due(self, stop: threading.Event | None = None) -> OutboxReport:
        """Send what is due to webhooks, then digests by mail. Blocks; for a thread of its own.

        Institutions take turns, an attempt each, and so do the endpoints of one; who answers slowly uses up the time of
        their own institution. Ends after the attempt under way once ``stop`` is set or the outbox is closed.

        Called while another pass is under way, it does nothing. An attempt is recorded after it was made: a crash in
        between sends again, under the same ``webhook-id``, and never not at all.
        """
        if not self._passing.acquire(blocking=False):
            return OutboxReport()
        try:

            def over() -> bool:
                return self._closed.is_set() or (stop is not None and stop.is_set())

            came, stopped = self._serve(over)
            digests = self._digests.send_digests(self._kernel.clock(), over)
            return OutboxReport(
                delivered=came[_Came.DELIVERED],
                failed=came[_Came.FAILED] + came[_Came.STOPPED],
                stopped=tuple(stopped),
                digests_sent=digests.sent,
                digests_failed=digests.failed,
            )
        finally:
            self._passing.release()

    def close(self) -> None:
        """Send nothing any more. Waits for the attempt under way, about ten seconds at most."""
        self._closed.set()
        with self._passing:
            pass

    def _serve(self, over: Callable[[], bool]) -> tuple[Counter[_Came], list[str]]:
        """Send to endpoints. Returns how the attempts went, and which endpoints were paused or removed."""
        came: Counter[_Came] = Counter()
        stopped = []
        turns = deque(self._turns())
        while turns and not over():
            turn = turns.popleft()
            webhook_id, waiting = turn.endpoints.popleft()
            began = self._kernel.clock()
            result = self._attempt_safely(webhook_id, waiting.popleft(), began)
            turn.spent += self._kernel.clock() - began
            came[result] += 1
            if result is _Came.STOPPED:
                stopped.append(webhook_id)
            # What is down is not asked again in the same pass.
            if result is _Came.DELIVERED and waiting:
                turn.endpoints.append((webhook_id, waiting))
            if turn.endpoints and turn.spent < PER_INSTITUTION:
                turns.append(turn)
        return came, stopped

    def _turns(self) -> Iterable[_Turn]:
        """What is due to each institution's endpoints, those first that have waited longest for an attempt."""
        now = self._kernel.clock()
        turns: dict[str, _Turn] = {}
        for webhook in sorted(self._webhooks.active(), key=lambda each: self._attempted.get(each.id, _NEVER)):
            if due := self._webhooks.due(webhook, now, limit=PER_PASS):
                turns.setdefault(webhook.institution_id, _Turn()).endpoints.append((webhook.id, deque(due)))
        return turns.values()

    def _attempt_safely(self, webhook_id: str, notice_id: str, now: datetime) -> _Came:
        self._attempted[webhook_id] = now
        try:
            return self._attempt(webhook_id, notice_id, now)
        except Exception as error:
            # Sent again in the next pass; whatever it is, it must not keep the others from theirs.
            logger.exception("a delivery to webhook %s failed: %s", webhook_id, type(error).__name__)
            return _Came.FAILED

    def _attempt(self, webhook_id: str, notice_id: str, now: datetime) -> _Came:
        """Send one notice, signed as of now, and record what came of it."""
        webhook, notice = self._kernel.state(WEBHOOKS, webhook_id), self._notices.state(notice_id).notice
        if notice is None or webhook.status is not WebhookStatus.ACTIVE:
            return _Came.MOOT
        outcome = self._webhooks.send(webhook, notice_message(notice, webhook.id, self._settings.url), now)
        if not outcome.delivered:
            given_up = self._record_failure(webhook, notice_id, outcome, self._kernel.clock())
            return _Came.STOPPED if given_up else _Came.FAILED
        delivery = RecordDelivery(
            channel=DeliveryChannel.WEBHOOK, target_id=webhook.id, status_code=outcome.status_code
        )
        self._kernel.execute(NOTICES, notice_id, delivery, OUTBOX)
        return _Came.DELIVERED

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
