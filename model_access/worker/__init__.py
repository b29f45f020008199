"""Workers that hold checkpoints, and the pool that runs requests in them."""

from model_access.worker.fairness import Share
from model_access.worker.pool import WorkerPool
from model_access.worker.status import InstitutionLine, Place, WorkerState, WorkerStatus
from model_access.worker.tickets import Ticket

__all__ = ["InstitutionLine", "Place", "Share", "Ticket", "WorkerPool", "WorkerState", "WorkerStatus"]
