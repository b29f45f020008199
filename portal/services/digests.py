"""Digests: once a day at most, by mail to those who have something unread; without mail, in the portal."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Unavailable
from agreements.people import Person
from portal.config import Settings
from portal.notices.decider import RecordDelivery, RecordFailure
from portal.notices.digest import Digest, compose
from portal.notices.mail import Mailer
from portal.notices.model import DeliveryChannel, NoticeState, reader_keys
from portal.notices.projection import NOTICES
from portal.notices.retrying import ATTEMPTS, next_attempt_at
from portal.services.aggregates import stamp
from portal.services.kernel import Kernel, Step
from portal.services.notices import NoticeService
from portal.services.people import PeopleService

DIGEST = Actor.automatic("digest")
"""The named rule that sends digests."""

# Unread notices that mail has not brought yet, or whose next attempt is due, with those they are for.
_DUE = """
    WITH address AS (
        SELECT person_id, person_id AS reader FROM person
        UNION ALL
        SELECT person_id, role || '@' || institution_id AS reader FROM person_institution
    )
    SELECT DISTINCT a.person_id, n.notice_id, n.raised_at
    FROM notice n
    JOIN notice_reader r USING (notice_id)
    JOIN address a ON a.reader = r.reader
    JOIN person p ON p.person_id = a.person_id AND p.active
    LEFT JOIN notice_read m ON m.notice_id = n.notice_id AND m.person_id = a.person_id
    LEFT JOIN notice_delivery d
        ON d.notice_id = n.notice_id AND d.channel = 'mail' AND d.target_id = a.person_id
    WHERE m.notice_id IS NULL AND (d.notice_id IS NULL OR (d.status = 'waiting' AND d.next_at <= ?))
    ORDER BY a.person_id, n.raised_at, n.notice_id
"""
_LAST_SENT = """
    SELECT target_id AS person_id, max(attempted_at) AS sent_at FROM notice_delivery
    WHERE channel = 'mail' AND status = 'delivered' GROUP BY target_id
"""


class DigestReport(Value):
    """What one pass came to."""

    sent: int = 0
    failed: int = 0


class DigestService:
    """Composes digests, and mails them where the operator has set up a mail server."""

    def __init__(self, kernel: Kernel, notices: NoticeService, people: PeopleService, settings: Settings) -> None:
        self._kernel = kernel
        self._notices = notices
        self._people = people
        self._settings = settings

    @property
    def by_mail(self) -> bool:
        """Whether a mail server is set up."""
        return bool(self._settings.smtp_url and self._settings.mail_from)

    def preview(self, actor: Actor) -> Digest:
        """The digest of everything the actor has not read, as mail would bring it. Raises NotFound for a rule."""
        return self.digest_for(self._people.get(actor.person_id), None, self._kernel.clock())

    def digest_for(self, person: Person, since: datetime | None, now: datetime) -> Digest:
        """What was raised for a person after ``since`` and is unread; everything unread without it."""
        after = since.astimezone(UTC) if since else None
        unread = self._notices.unread_of(person.id, reader_keys(person.id, person.memberships), since=after)
        return self._compose(person, unread, since, now)

    def send_digests(self, now: datetime, over: Callable[[], bool] = lambda: False) -> DigestReport:
        """Mail each person, at most once between two digest hours, what mail has not brought them yet.

        Does nothing without a mail server. A letter that fails is tried again as webhooks are. Stops at the first
        letter for which the server cannot be used at all, and before the next letter once it is ``over``; the next
        pass goes on. A crash between sending and
        recording sends a letter twice, never not at all.
        """
        if not self.by_mail:
            return DigestReport()
        due: dict[str, list[str]] = defaultdict(list)
        for row in self._kernel.store.query(_DUE, [stamp(now.astimezone(UTC))]):
            due[row["person_id"]].append(row["notice_id"])
        last = {row["person_id"]: row["sent_at"] for row in self._kernel.store.query(_LAST_SENT)}
        day_began = stamp(self._day_began(now))
        sent = failed = 0
        for person_id, notice_ids in due.items():
            if over():
                break
            since = last.get(person_id, "")
            if since >= day_began:
                continue
            refusal = self._send(self._people.get(person_id), notice_ids, since, now)
            sent, failed = sent + (refusal is None), failed + (refusal is not None)
            if refusal is not None and refusal.code != "mail_refused":
                break
        return DigestReport(sent=sent, failed=failed)

    def _send(self, person: Person, notice_ids: Sequence[str], since: str, now: datetime) -> Unavailable | None:
        states = [self._notices.state(notice_id) for notice_id in notice_ids]
        digest = self._compose(person, states, datetime.fromisoformat(since) if since else None, now)
        try:
            self._mailer.send(
                to=person.email, name=person.name, subject=digest.subject, text=digest.text, html=digest.html
            )
        except Unavailable as refusal:
            self._record([self._failure(state, person.id, refusal, now) for state in states], notice_ids)
            return refusal
        delivered = RecordDelivery(channel=DeliveryChannel.MAIL, target_id=person.id)
        self._record([delivered] * len(notice_ids), notice_ids)
        return None

    def _failure(self, state: NoticeState, person_id: str, refusal: Unavailable, now: datetime) -> RecordFailure:
        attempt = state.next_attempt(DeliveryChannel.MAIL, person_id)
        if refusal.code != "mail_refused":
            # Not this letter's fault: what waits for the server is never given up.
            attempt = min(attempt, ATTEMPTS - 1)
        return RecordFailure(
            channel=DeliveryChannel.MAIL,
            target_id=person_id,
            reason=refusal.message,
            next_at=next_attempt_at(attempt, now, spread_by=person_id),
        )

    def _record(self, commands: Sequence[RecordDelivery | RecordFailure], notice_ids: Sequence[str]) -> None:
        steps = [Step(NOTICES, notice_id, command) for notice_id, command in zip(notice_ids, commands, strict=True)]
        self._kernel.execute_all(steps, DIGEST)

    def _compose(self, person: Person, states: Sequence[NoticeState], since: datetime | None, now: datetime) -> Digest:
        return compose(
            [state.notice for state in states if state.notice is not None],
            person_id=person.id,
            person_name=person.name,
            portal_name=self._settings.lab_name,
            portal_url=self._settings.url,
            since=since,
            now=now,
        )

    def _day_began(self, now: datetime) -> datetime:
        """The latest digest hour that has struck, UTC."""
        today = now.astimezone(UTC).replace(hour=self._settings.digest_hour, minute=0, second=0, microsecond=0)
        return today if today <= now else today - timedelta(days=1)

    @cached_property
    def _mailer(self) -> Mailer:
        return Mailer(self._settings)
