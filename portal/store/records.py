"""What goes into the store and what comes out of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value

S = TypeVar("S", bound=Value)

SqlValue = str | int | float | bool | bytes | datetime | Sequence[str] | None
"""What a column of a read row may hold. Datetimes are timezone-aware and stored as UTC."""


@dataclass(frozen=True)
class Append:
    """Events for one stream, made from its state at ``expected_version``; 0 means that it must not exist yet.

    Without events it only holds the others to that version: they are recorded if the stream has not moved on.
    """

    stream: str
    expected_version: int
    events: tuple[Event, ...]
    fresh: bool = False
    """Whether the object's id was drawn at random for this, so that nobody need look whether there is one already."""


@dataclass(frozen=True)
class Row:
    """One row of a read table, identified by the table's primary key. A row belongs to one object."""

    table: str
    values: dict[str, SqlValue]


@dataclass(frozen=True)
class Aggregate(Generic[S]):
    """One kind of object as the store sees it.

    ``project(object_id, version, state)`` names every read row that stands for the object now. It is a pure function:
    rows it no longer names are removed, and verification recomputes it.
    """

    decider: Decider[S, Any]
    state_type: type[S]
    project: Callable[[str, int, S], Sequence[Row]]


Guard = Callable[[], None]
"""Asked by the writer just before it admits a request, when all that was admitted before is announced.

It raises the refusal if the request must not be recorded any more. It only looks at what its maker noted: it neither
waits nor reads the store.
"""


@dataclass(frozen=True)
class Request:
    """Appends that are recorded together or not at all."""

    appends: tuple[Append, ...]
    actor: Actor
    at: datetime
    """Timezone-aware."""
    idempotency_key: str | None = None
    guard: Guard | None = None
    received: float | None = None
    """When the portal was asked for it, by ``time.perf_counter``; None where nobody measures."""


@dataclass(frozen=True)
class Committed:
    """What a request came to: its places in the log and the versions its streams have now."""

    positions: range
    versions: dict[str, int]
    replayed: bool = False
    """Whether an earlier request under the same idempotency key had done it already."""


@dataclass(frozen=True)
class Held:
    """An object at a version; version 0 is one to which nothing has happened."""

    version: int
    state: Value


@dataclass(frozen=True)
class Change:
    """A request that was just recorded, and what it made of the objects that it changed, by stream."""

    request: Request
    committed: Committed
    before: Mapping[str, Held]
    after: Mapping[str, Held]


class Listener(Protocol):
    """Hears of what is written, in order, from the writer's own thread: it only notes it and never waits."""

    def admitted(self, streams: Collection[str]) -> None:
        """These streams are about to change, unless the transaction fails."""
        ...

    def committed(self, changes: Sequence[Change]) -> None:
        """This is durable and can be read; those who asked for it are told next."""
        ...


@dataclass(frozen=True)
class RecordedEvent:
    """One event with everything that is known about it."""

    position: int
    """Its place in the log, from 0."""
    stream: str
    version: int
    """Its place in the stream, from 1."""
    event: Event
    actor_id: str
    actor_name: str
    """How the actor is called now; the log itself names actors by id only."""
    channel: str
    at: datetime
