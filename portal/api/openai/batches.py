"""``/v1/batches``: many requests in one file, in the shape of the OpenAI API."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import StrictStr

from agreements.deciders import Value
from model_access.batches import Batch, BatchStatus
from portal.api.auth import Known, ThePortal
from portal.api.openai.answering import Purpose
from portal.api.rest.shapes import IdempotencyKey

router = APIRouter(tags=["batches"])

BatchId = Annotated[str, Path(max_length=128)]


class BatchBody(Value):
    """What ``POST /v1/batches`` takes."""

    input_file_id: StrictStr
    endpoint: StrictStr
    completion_window: StrictStr = "24h"
    metadata: dict[StrictStr, StrictStr] | None = None


class LineError(Value):
    """What is wrong with a line, or with the batch as a whole."""

    code: str
    message: str
    line: int | None
    param: str | None


class LineErrors(Value):
    """The first hundred."""

    object: Literal["list"] = "list"
    data: tuple[LineError, ...]


class RequestCounts(Value):
    """Lines by how they ended."""

    total: int
    completed: int
    failed: int


class Details(Value):
    """Counts that the OpenAI API has and this portal does not; always 0."""

    cached_tokens: int = 0


class OutputDetails(Value):
    """As above."""

    reasoning_tokens: int = 0


class BatchUsage(Value):
    """Tokens of the lines that were answered."""

    input_tokens: int
    input_tokens_details: Details = Details()
    output_tokens: int
    output_tokens_details: OutputDetails = OutputDetails()
    total_tokens: int


class BatchObject(Value):
    """A batch as the OpenAI API has it."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: str | None
    errors: LineErrors | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    usage: BatchUsage | None
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, batch: Batch) -> "BatchObject":
        """The batch on the wire."""
        problems = tuple(
            LineError(code=one.code, message=one.message, line=one.line, param=one.param) for one in batch.problems
        )
        ended = {
            f"{status.value}_at": _seconds(batch.ended_at) if batch.status is status else None
            for status in BatchStatus
            if status.is_over
        }
        moments: dict[str, Any] = {
            **ended,
            "created_at": _seconds(batch.created_at) or 0,
            "in_progress_at": _seconds(batch.in_progress_at),
            "expires_at": _seconds(batch.expires_at),
            "finalizing_at": _seconds(batch.finalizing_at),
            "cancelling_at": _seconds(batch.cancelling_at),
        }
        return cls(
            id=batch.id,
            endpoint=batch.endpoint,
            model=batch.model or None,
            errors=LineErrors(data=problems) if problems else None,
            input_file_id=batch.input_file_id,
            completion_window=batch.completion_window,
            status=batch.status,
            output_file_id=batch.output_file_id,
            error_file_id=batch.error_file_id,
            request_counts=RequestCounts(total=batch.total, completed=batch.completed, failed=batch.failed),
            usage=_usage(batch),
            metadata=batch.metadata or None,
            **moments,
        )


class BatchList(Value):
    """A page of batches."""

    object: Literal["list"] = "list"
    data: tuple[BatchObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


@router.post("/batches", summary="Submit a batch")
def create_batch(
    portal: ThePortal, known: Known, body: BatchBody, purpose: Purpose = None, idempotency_key: IdempotencyKey = None
) -> BatchObject:
    """Checked as a whole before its first line is run; each line is a run of its own, with its own receipt.

    It goes on for as long as the token that submits it, 24 hours at most. Access that is withdrawn meanwhile ends it
    between two tokens; what is there already is kept.
    """
    batch = portal.batches.create(
        known.actor,
        input_file_id=body.input_file_id,
        endpoint=body.endpoint,
        completion_window=body.completion_window,
        metadata=body.metadata,
        purpose=purpose or known.purpose,
        idempotency_key=idempotency_key,
    )
    return BatchObject.of(batch)


@router.get("/batches", summary="List your batches")
def list_batches(
    portal: ThePortal,
    known: Known,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=128)] = None,
) -> BatchList:
    """The newest first."""
    found = portal.batches.list(known.actor, limit=limit + 1, after=after, mine=True)
    page = tuple(BatchObject.of(batch) for batch in found[:limit])
    return BatchList(
        data=page,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        has_more=len(found) > limit,
    )


@router.get("/batches/{batch_id}", summary="Get a batch")
def get_batch(portal: ThePortal, known: Known, batch_id: BatchId) -> BatchObject:
    """Also one of your institution's; its files are its submitter's."""
    return BatchObject.of(portal.batches.get(known.actor, batch_id))


@router.post("/batches/{batch_id}/cancel", summary="Cancel a batch")
def cancel_batch(portal: ThePortal, known: Known, batch_id: BatchId) -> BatchObject:
    """No further line begins, and those under way are stopped; what is there already is kept."""
    return BatchObject.of(portal.batches.cancel(known.actor, batch_id))


def _usage(batch: Batch) -> BatchUsage | None:
    if not batch.total:
        return None
    return BatchUsage(
        input_tokens=batch.prompt_tokens,
        output_tokens=batch.completion_tokens,
        total_tokens=batch.prompt_tokens + batch.completion_tokens,
    )


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment is not None else None
