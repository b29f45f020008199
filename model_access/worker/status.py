"""What the pool tells about its workers."""

from enum import StrEnum

from pydantic import Field

from agreements.deciders import Value
from model_access.build import Precision


class WorkerState(StrEnum):
    """The life of a worker."""

    COLD = "cold"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    """It died or did not start; the next request starts it again once the back-off has passed."""
    CLOSED = "closed"


class WorkerStatus(Value):
    """One checkpoint's worker, now."""

    checkpoint_id: str
    state: WorkerState
    profile: str
    """The sandbox profile's id."""
    pid: int | None = None
    rss_bytes: int = 0
    memory_limit_bytes: int = 0
    uptime_s: float = 0.0
    restarts: int = 0
    in_flight: int = 0
    last_error: str | None = None
    """The code of the last failure."""
    precision: Precision = Precision.FLOAT32
    slots: int = 0
    """Choices it decodes at once."""
    slots_in_use: int = 0
    waiting: int = 0
    """Requests that wait for their turn."""
    tokens_per_s: float | None = None
    """Prompt and generated, per second of work lately; None where nothing was measured."""
    backs_off_s: float | None = None
    """How long it is not started again, after it failed."""


class Place(Value):
    """Where a request that waits stands."""

    position: int = Field(ge=1)
    """1 is next."""
    waiting: int
    """How many requests wait in all, this one included."""
    about_s: float | None = None
    """How long until its turn, by the rate measured lately; None where none was."""


class InstitutionLine(Value):
    """One institution before one worker. Its id is empty for people who use a public checkpoint on their own."""

    institution_id: str
    waiting: int
    waiting_batch: int
    """How many of those are lines of batches."""
    waiting_tokens: int
    """What they may take at most."""
    running: int
    served_tokens: int
    """Over the last ten minutes."""
