"""A run under way: its events for whoever reads them, and its outcome once it is durable."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress

from agreements.access import Draw
from agreements.deciders import Value
from model_access.generation import ChoiceDelta, ChoiceResult, Failed, Finished, RunEvent
from model_access.runs import Run, RunTerms
from model_access.worker import Place, Ticket


class RunResult(Value):
    """A run that was settled: the receipt is in the log."""

    run: Run
    finished: Finished
    choices: tuple[ChoiceResult, ...]


class ActiveRun:
    """One reader takes the deltas, with a thread or with an event loop; anybody may wait for the result.

    The run settles whether or not anyone reads it.
    """

    def __init__(self, terms: RunTerms, draws: tuple[Draw, ...] = ()) -> None:
        """``draws``: the accounts that it draws on."""
        self.terms, self.draws = terms, draws
        self.outcome: Future[RunResult] = Future()
        self.withdrawn = False
        """Whether access was withdrawn. Whoever sends pieces on sends none after that, also none that wait already."""
        self._ticket: Ticket | None = None
        self._cancelled = False
        self._buffer: list[RunEvent] = []
        self._listener: Callable[[RunEvent], None] | None = None
        self._lock = threading.Lock()  # buffer and listener change together

    @property
    def run_id(self) -> str:
        """The run's permanent id."""
        return self.terms.run_id

    def deltas(self) -> Iterator[ChoiceDelta]:
        """The pieces as they come, blocking; ends with the run, whether well or not (``result`` says which)."""
        events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
        self._attach(events.put)
        while isinstance(event := events.get(), ChoiceDelta):
            yield event

    async def adeltas(self) -> AsyncIterator[ChoiceDelta]:
        """The pieces as they come, for an event loop."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[RunEvent] = asyncio.Queue()

        def hand_over(event: RunEvent) -> None:
            with suppress(RuntimeError):  # the reader's loop may be closed by now: nobody reads any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        self._attach(hand_over)
        while isinstance(event := await events.get(), ChoiceDelta):
            yield event

    def result(self) -> RunResult:
        """Block until the run is settled and durable. Raises the refusal it ended with."""
        return self.outcome.result()

    async def aresult(self) -> RunResult:
        """``result`` for an event loop."""
        # Shielded: a reader that goes away must not cancel the outcome, which the run is still to settle.
        return await asyncio.shield(asyncio.wrap_future(self.outcome))

    def cancel(self) -> None:
        """Stop between two tokens; what was used until then is settled."""
        with self._lock:
            self._cancelled = True
            ticket = self._ticket
        if ticket is not None:
            ticket.cancel()

    def withdraw(self) -> None:
        """Stop between two tokens, because it is not allowed any more."""
        self.withdrawn = True
        self.cancel()

    def follow(self, ticket: Ticket) -> None:
        """Tell which request it is; called once, when the pool has it."""
        with self._lock:
            self._ticket = ticket
            cancelled = self._cancelled
        if cancelled:
            ticket.cancel()

    def place(self) -> Place | None:
        """Where it stands in the queue; None once its turn has come."""
        return None if self._ticket is None else self._ticket.place()

    def emit(self, event: ChoiceDelta | Finished | Failed) -> None:
        """Pass an event on to the reader, or keep it until there is one."""
        with self._lock:
            if self._listener is None:
                self._buffer.append(event)
            else:
                self._listener(event)

    def _attach(self, listener: Callable[[RunEvent], None]) -> None:
        with self._lock:
            for event in self._buffer:
                listener(event)
            self._buffer.clear()
            self._listener = listener
