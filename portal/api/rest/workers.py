"""Model workers and their queues, and the halt of a checkpoint, for coordinators."""

from fastapi import APIRouter

from agreements.deciders import Value
from agreements.institutions import Institution
from model_access.registry import Checkpoint
from model_access.worker import WorkerStatus
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, ObjectId, Reason
from portal.services.workers import HaltConsequences, Halted, WorkerReport

router = APIRouter(tags=["workers"])


class WeightBody(Value):
    """A share of each worker, against others who wait; 1 is everybody's."""

    weight: float
    reason: str


@router.get("/operator/workers", summary="Model workers and their queues")
def get_workers(portal: ThePortal, actor: Signed) -> WorkerReport:
    """Coordinators only. State, memory, slots, rate, restarts and sandbox of each; who waits and what was served."""
    return portal.workers.report(actor)


@router.post("/operator/workers/{checkpoint_id}/evict", summary="End a checkpoint's worker")
def evict_worker(portal: ThePortal, actor: Signed, checkpoint_id: ObjectId) -> WorkerStatus:
    """Coordinators only. What runs and waits fails with a retriable error; the next request starts another worker."""
    return portal.workers.evict(actor, checkpoint_id)


@router.get("/checkpoints/{checkpoint_id}/halt", summary="What a halt would stop")
def foresee_halt(portal: ThePortal, actor: Signed, checkpoint_id: ObjectId) -> HaltConsequences:
    """Coordinators only: runs and batches under way on the checkpoint."""
    return portal.workers.foresee(actor, checkpoint_id)


@router.post("/checkpoints/{checkpoint_id}/halt", summary="Halt a checkpoint")
def halt_checkpoint(
    portal: ThePortal, actor: Signed, checkpoint_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Halted:
    """Coordinators only. Nothing begins, what runs stops between two tokens, and the worker is ended."""
    return portal.workers.halt(actor, checkpoint_id, reason=body.reason, idempotency_key=idempotency_key)


@router.post("/checkpoints/{checkpoint_id}/lift", summary="Lift a halt")
def lift_halt(
    portal: ThePortal, actor: Signed, checkpoint_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Checkpoint:
    """Coordinators only. Whoever may query it can again; what was stopped stays stopped."""
    return portal.workers.lift(actor, checkpoint_id, reason=body.reason, idempotency_key=idempotency_key)


@router.put("/institutions/{institution_id}/weight", summary="Set an institution's share of the workers")
def set_weight(
    portal: ThePortal, actor: Signed, institution_id: ObjectId, body: WeightBody, idempotency_key: IdempotencyKey = None
) -> Institution:
    """Coordinators only. Against others who wait; recorded with its reason."""
    return portal.workers.set_weight(
        actor, institution_id, weight=body.weight, reason=body.reason, idempotency_key=idempotency_key
    )
