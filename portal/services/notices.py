"""Notices: raised by rules, found in the inboxes of those they are for."""

from collections.abc import Collection
from datetime import datetime

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import NotFound
from portal.notices.decider import MarkRead, RaiseNotice, no_such_notice
from portal.notices.model import Notice, NoticeState, reader_keys
from portal.notices.projection import NOTICES
from portal.services.aggregates import stamp
from portal.services.kernel import Kernel, Step

__all__ = ["Notice", "NoticeService", "NoticeView"]

INBOX_SIZE = 200

ANNOUNCER = Actor.automatic("notices")
"""The named rule that raises notices for those who name no other."""

_FOR_READER = """
    FROM notice n
    WHERE EXISTS (
        SELECT 1 FROM notice_reader r
        WHERE r.notice_id = n.notice_id AND list_contains(?::VARCHAR[], r.reader)
    )
"""
_UNREAD = "AND NOT EXISTS (SELECT 1 FROM notice_read m WHERE m.notice_id = n.notice_id AND m.person_id = ?)"


class NoticeView(Value):
    """A notice as one of its readers sees it."""

    notice_id: str
    kind: str
    institution_id: str
    subject: str
    body: str
    link: str
    at: datetime
    raised_at: datetime
    read_at: datetime | None


class NoticeService:
    """Raises notices, shows each reader their own, and keeps what was read."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def raise_(self, notice: Notice, *, by: Actor = ANNOUNCER) -> None:
        """Tell of something once: a notice of the same id that was raised before stays as it is.

        Raises Forbidden ``rules_only`` unless ``by`` is an automatic actor.
        """
        self._kernel.execute(NOTICES, notice.id, RaiseNotice(notice=notice), by)

    @staticmethod
    def raising(notice: Notice) -> Step:
        """The step that raises a notice in the same transaction as what it tells of, when a rule carries that out."""
        return Step(NOTICES, notice.id, RaiseNotice(notice=notice))

    def inbox(self, actor: Actor, *, unread_only: bool = False, limit: int = INBOX_SIZE) -> tuple[NoticeView, ...]:
        """What the actor is addressed by, newest first, read or not."""
        condition = _UNREAD if unread_only else ""
        rows = self._kernel.store.query(
            f"SELECT n.notice_id {_FOR_READER} {condition} ORDER BY n.raised_at DESC, n.notice_id LIMIT ?",
            [*self._parameters(actor, unread_only=unread_only), limit],
        )
        return tuple(self._view(row["notice_id"], actor.person_id) for row in rows)

    def unread(self, actor: Actor) -> int:
        """How many notices the actor has not read."""
        rows = self._kernel.store.query(
            f"SELECT count(*) AS number {_FOR_READER} {_UNREAD}",
            self._parameters(actor, unread_only=True),
        )
        number: int = rows[0]["number"]
        return number

    def get(self, actor: Actor, notice_id: str) -> NoticeView:
        """One notice. Raises NotFound for one that is not there or not for the actor."""
        notice = self.state(notice_id).notice
        if notice is None or not notice.is_for(reader_keys(actor.person_id, actor.memberships)):
            raise no_such_notice(notice_id)
        return self._view(notice_id, actor.person_id)

    def mark_read(self, actor: Actor, notice_id: str) -> NoticeView:
        """Keep that the actor has seen it; a second time changes nothing. Raises NotFound as ``get`` does."""
        self.get(actor, notice_id)
        self._kernel.execute(NOTICES, notice_id, MarkRead(notice_id=notice_id), actor)
        return self.get(actor, notice_id)

    def state(self, notice_id: str) -> NoticeState:
        """The notice with its deliveries, for the rules that deliver it. Raises NotFound."""
        try:
            return self._kernel.state(NOTICES, notice_id)
        except NotFound:
            raise no_such_notice(notice_id) from None

    def unread_of(self, person_id: str, keys: Collection[str], *, since: datetime | None) -> tuple[NoticeState, ...]:
        """What a person with these reader keys has not read, oldest first; only what was raised after ``since``."""
        rows = self._kernel.store.query(
            f"SELECT n.notice_id {_FOR_READER} {_UNREAD} AND n.raised_at > ? ORDER BY n.raised_at, n.notice_id",
            [sorted(keys), person_id, stamp(since)],
        )
        return tuple(self.state(row["notice_id"]) for row in rows)

    @staticmethod
    def _parameters(actor: Actor, *, unread_only: bool) -> list[object]:
        keys: object = sorted(reader_keys(actor.person_id, actor.memberships))
        return [keys, actor.person_id] if unread_only else [keys]

    def _view(self, notice_id: str, person_id: str) -> NoticeView:
        state = self.state(notice_id)
        if state.notice is None or state.raised_at is None:
            raise no_such_notice(notice_id)
        shown = state.notice.model_dump(exclude={"id", "audience"})
        return NoticeView(notice_id=notice_id, raised_at=state.raised_at, read_at=state.read_at(person_id), **shown)
