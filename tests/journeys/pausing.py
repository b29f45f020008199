"""``python -m tests.journeys.pausing --data DIR --port N``: a portal whose engine pauses in the middle of an answer.

The checkpoints of the tests answer in less time than it takes to press a button. Here the worker's process is halted
after the first words and goes on when it is told to stop: all else is the portal as it is.
"""

import argparse
import os
import signal
from contextlib import suppress
from pathlib import Path

from model_access.generation import ChoiceDelta, GenerationRequest, RunEvent
from model_access.sandbox.profile import SandboxProfile
from model_access.worker import Share, Ticket, WorkerPool
from model_access.worker.tickets import OnEvent
from portal.api.server import serve
from portal.composition import Portal
from portal.config import Settings, load


class PausingPool(WorkerPool):
    """The real pool; each request is halted once, until it is cancelled."""

    def submit(
        self,
        checkpoint_id: str,
        request: GenerationRequest,
        on_event: OnEvent,
        *,
        holder: str | None = None,
        share: Share | None = None,
    ) -> Ticket:
        """As the real one, with the pause."""
        halted = False

        def hear(event: RunEvent) -> None:
            nonlocal halted
            on_event(event)
            # At the first piece that can be seen: a few of them are a whole answer.
            if isinstance(event, ChoiceDelta) and event.text.strip() and not halted:
                halted = True
                self._tell(checkpoint_id, signal.SIGSTOP)

        ticket = super().submit(checkpoint_id, request, hear, holder=holder, share=share)

        def cancel() -> None:
            ticket.cancel()
            self._tell(checkpoint_id, signal.SIGCONT)

        return Ticket(cancel, ticket.place)

    def _tell(self, checkpoint_id: str, what: signal.Signals) -> None:
        for worker in self.status():
            if worker.checkpoint_id == checkpoint_id and worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, what)


def pausing_pool(sandbox: SandboxProfile, settings: Settings) -> WorkerPool:
    """What a portal comes by here in place of its workers."""
    return PausingPool(
        sandbox, memory_budget_bytes=settings.worker_memory_bytes, threads_per_worker=settings.worker_threads
    )


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    with (
        Portal.open(load(given.data, port=given.port), pool_factory=pausing_pool) as portal,
        suppress(KeyboardInterrupt),
    ):
        serve(portal)


if __name__ == "__main__":
    main()
