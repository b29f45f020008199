"""What the pool tells about its workers."""

from enum import StrEnum

from agreements.deciders import Value


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
