"""Workers that hold checkpoints, and the pool that runs requests in them."""

from model_access.worker.pool import WorkerPool
from model_access.worker.status import WorkerState, WorkerStatus
from model_access.worker.tickets import Ticket

__all__ = ["Ticket", "WorkerPool", "WorkerState", "WorkerStatus"]
