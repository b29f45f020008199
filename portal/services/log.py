"""The log as people read it: its head, its entries as far as they may be known, and its verification."""

from collections.abc import Callable
from datetime import datetime

from agreements.access_requests import DRAFTING
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Forbidden, NotFound
from agreements.inclusion import InclusionEvidence
from agreements.log_head import LogHead, open_head
from portal.findings.reads import FindingReads
from portal.services.kernel import Kernel
from portal.standing import is_active
from portal.store import RecordedEvent
from portal.store.verify import VerifyReport, verify_store

PAGE = 50


class LogLine(Value):
    """One entry, without its content."""

    position: int
    stream: str
    type: str
    actor_name: str
    channel: str
    at: datetime


class LogService:
    """Reads and verifies the transparency log."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._findings = FindingReads(kernel.store)

    @property
    def vkey(self) -> str:
        """The key that verifies heads; pin it."""
        return self._kernel.store.log.vkey

    def head(self) -> str:
        """The signed head (C2SP tlog-checkpoint)."""
        return self._kernel.store.log.head()

    def size_and_root(self) -> LogHead:
        """The head, opened."""
        return open_head(self.head(), self.vkey)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """A hash tile. Raises NotFound ``no_such_tile``."""
        return self._kernel.store.log.tile(level, index, width)

    def entries(
        self, actor: Actor, *, before: int | None = None, limit: int = PAGE, stream: str | None = None
    ) -> tuple[LogLine, ...]:
        """Entries the actor may know of, newest first, from before a position.

        Everyone sees what they did themselves. Coordinators see the rest too, except for findings whose audience they
        are not in, since no role reaches into a marking, and for what others drafted. What is not seen shows in the
        log as hashes.
        """
        if not is_active(actor):
            return ()
        size = self.size_and_root().size
        rows = self._kernel.store.query(
            """
            SELECT position FROM event
            WHERE (actor_id = ? OR (
                    ? AND NOT list_contains(?::VARCHAR[], stream) AND NOT list_contains(?::VARCHAR[], type)
                ))
                AND position < ? AND (?::VARCHAR IS NULL OR stream = ?)
            ORDER BY position DESC LIMIT ?
            """,
            [
                actor.person_id,
                actor.is_coordinator,
                list(self._hidden_streams(actor)),
                sorted(DRAFTING),
                size if before is None else max(0, min(before, size)),
                stream,
                stream,
                max(1, min(limit, 500)),
            ],
        )
        return tuple(_line(self._recorded(row["position"])) for row in rows)

    def evidence(self, actor: Actor, position: int) -> InclusionEvidence:
        """Proof of inclusion, with the entry itself. Raises NotFound for an entry the actor may not know of."""
        recorded = self._kernel.store.events(after=position - 1, limit=1)
        if not recorded or recorded[0].position != position or not self._may_open(actor, recorded[0]):
            raise NotFound("no_such_entry", f"There is no entry {position} that you may see.")
        return self._kernel.store.log.evidence(position)

    def verify(self, actor: Actor, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
        """Recompute the whole log, every state and every read row. ``progress`` hears (done, total)."""
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator has the whole store verified from inside.")
        return verify_store(self._kernel.store, self.vkey, progress=progress)

    def _may_open(self, actor: Actor, recorded: RecordedEvent) -> bool:
        if recorded.actor_id == actor.person_id:
            return True
        hidden = recorded.event.type_name in DRAFTING or recorded.stream in self._hidden_streams(actor)
        return actor.is_coordinator and not hidden

    def _hidden_streams(self, actor: Actor) -> tuple[str, ...]:
        drafts = self._kernel.store.query(
            "SELECT request_id FROM access_request WHERE submitted_at = '' AND requester_id <> ?", [actor.person_id]
        )
        theirs = (f"access_request/{row['request_id']}" for row in drafts)
        return (*self._findings.hidden_streams(actor), *theirs)

    def _recorded(self, position: int) -> RecordedEvent:
        return self._kernel.store.events(after=position - 1, limit=1)[0]


def _line(recorded: RecordedEvent) -> LogLine:
    return LogLine(
        position=recorded.position,
        stream=recorded.stream,
        type=recorded.event.type_name,
        actor_name=recorded.actor_name,
        channel=recorded.channel,
        at=recorded.at,
    )
