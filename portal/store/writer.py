"""The one thread that writes. Requests that wait together share a transaction, and with it one wait for the disk."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import duckdb

from agreements.errors import ConcordatError
from portal.store.database import closed, refusals, transaction
from portal.store.group import Group
from portal.store.kinds import Kinds
from portal.store.log import Log
from portal.store.projections import ReadTables
from portal.store.records import Committed, Listener, Request
from portal.store.states import States

MAX_GROUP = 256
"""Most requests that share a transaction."""

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Write:
    request: Request
    future: "Future[Committed]"


@dataclass(frozen=True)
class _Errand(Generic[T]):
    """Something to do between transactions."""

    run: Callable[[duckdb.DuckDBPyConnection], T]
    future: "Future[T]"

    def carry_out(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            with refusals():
                self.future.set_result(self.run(connection))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the future
            self.future.set_exception(error)


class Writer:
    """Takes requests from any thread and records them in the order in which they came."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, log: Log, kinds: Kinds, tables: ReadTables, states: States
    ) -> None:
        """``connection`` is the writer's own from here on."""
        self._connection = connection
        self._log = log
        self._kinds = kinds
        self._tables = tables
        self._states = states
        self._names: dict[str, str] = {}
        self._listeners: tuple[Listener, ...] = ()
        self._queue: queue.SimpleQueue[_Write | _Errand[Any] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # nothing enters the queue behind the None that ends it
        self._open = True
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def listen(self, listener: Listener) -> None:
        """Let the listener hear of all that is written from now on."""
        self._listeners = (*self._listeners, listener)

    def submit(self, request: Request) -> "Future[Committed]":
        """A future that resolves when the request is durable, or is refused. Raises Unavailable ``store_closed``."""
        future: Future[Committed] = Future()
        self._put(_Write(request, future))
        return future

    def between_transactions(self, run: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run something on the writer's connection while nothing is being written, and return what it returns."""
        future: Future[T] = Future()
        self._put(_Errand(run, future))
        return future.result()

    def close(self) -> None:
        """Record what is waiting, then stop."""
        with self._gate:
            if self._open:
                self._open = False
                self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _put(self, item: "_Write | _Errand[T]") -> None:
        with self._gate:
            if not self._open:
                raise closed()
            self._queue.put(item)

    def _work(self) -> None:
        while True:
            group: list[_Write] = []
            for item in self._take():
                if isinstance(item, _Write):
                    if item.future.set_running_or_notify_cancel():
                        group.append(item)
                    continue
                self._settle(group)
                group = []
                if item is None:
                    return
                item.carry_out(self._connection)
            self._settle(group)

    def _take(self) -> "list[_Write | _Errand[Any] | None]":
        """Wait for an item, then take what else is there already."""
        taken = [self._queue.get()]
        with suppress(queue.Empty):
            while len(taken) < MAX_GROUP:
                taken.append(self._queue.get_nowait())
        return taken

    def _settle(self, group: list[_Write]) -> None:
        """Record a group in one transaction; if that fails, each request in one of its own."""
        if not group:
            return
        try:
            outcomes = self._record([write.request for write in group])
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the future
            if len(group) > 1:
                for write in group:
                    self._settle([write])
                return
            _logger.warning("a request could not be recorded: %s", type(error).__name__)
            group[0].future.set_exception(error)
            return
        for write, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, ConcordatError):
                write.future.set_exception(outcome)
            else:
                write.future.set_result(outcome)

    def _record(self, requests: Sequence[Request]) -> list[Committed | ConcordatError]:
        grown = None
        try:
            with refusals(), transaction(self._connection):
                group = Group(
                    self._connection,
                    self._kinds,
                    self._tables,
                    self._states,
                    size=self._log.size,
                    known_names=self._names,
                    announce=lambda streams: self._tell(lambda listener: listener.admitted(streams)),
                )
                group.load(requests)
                outcomes = [group.admit(request) for request in requests]
                if group.leaves:
                    group.write()
                    grown = self._log.extend(self._connection, group.leaves)
        except BaseException:
            self._log.rewind()
            raise
        if grown is not None:
            self._log.publish(grown)
            self._states.publish(group.changed)
            self._names.update(group.names)
            self._tell(lambda listener: listener.committed(group.changes))
        return outcomes

    def _tell(self, what: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            try:
                what(listener)
            except Exception as error:  # noqa: BLE001 - who listens must not keep anybody from writing
                _logger.warning("a listener failed: %s", type(error).__name__)
