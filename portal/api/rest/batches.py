"""Batches as the screens and commands have them; ``/v1`` has them in the shape of the OpenAI API."""

from hashlib import sha256
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, StrictStr
from starlette.concurrency import run_in_threadpool

from agreements.canonical import b64encode
from agreements.deciders import Value
from model_access.batches import Batch
from model_access.stored_files import StoredFile
from portal.api.auth import Known, Signed, ThePortal
from portal.api.openai.uploads import upload_of
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, PageLimit
from portal.services.batch_check import Checked
from portal.services.batch_prompts import Settings, Shape
from portal.services.batches import BatchView, LineView

router = APIRouter(prefix="/batches", tags=["batches"])


class BatchInput(Value):
    """A file, and what it is run for."""

    input_file_id: Annotated[StrictStr, Field(max_length=128)]
    endpoint: Annotated[StrictStr, Field(max_length=60)] | None = None
    """By default that of the file's first line."""
    purpose: Annotated[StrictStr, Field(max_length=120)] | None = None
    """Needed where neither grant nor token settles it."""


class NewBatch(BatchInput):
    """A batch to be submitted."""

    metadata: dict[StrictStr, StrictStr] | None = None


_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post("/files", summary="Upload the input of a batch", openapi_extra=_UPLOAD)
async def upload_batch_file(
    request: Request,
    portal: ThePortal,
    actor: Signed,
    shape: Annotated[Shape, Query(description="`requests` (JSON Lines), `prompts` (one a line) or `table` (CSV).")] = (
        "requests"
    ),
    model: Annotated[str, Query(max_length=128, description="The checkpoint that prompts are put to.")] = "",
    max_tokens: int | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> StoredFile:
    """JSON Lines as at `POST /v1/files`, or prompts: one a line, or a CSV table with a column `prompt`.

    Prompts are made into requests with the parameters of the query; a table may have columns of the same names.
    """
    upload = await upload_of(request)
    return await run_in_threadpool(
        portal.batches.upload,
        actor,
        filename=upload.filename,
        content=upload.content,
        shape=shape,
        settings=Settings(model=model, max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed),
    )


@router.post("/check", summary="Check the input of a batch")
def check_batch(portal: ThePortal, known: Known, body: BatchInput) -> Checked:
    """Every problem by line, what it would use at most, and what is left. Nothing is run."""
    return portal.batches.check(
        known.actor, body.input_file_id, endpoint=body.endpoint, purpose=body.purpose or known.purpose
    )


@router.post("", summary="Submit a batch")
def submit_batch(portal: ThePortal, known: Known, body: NewBatch, idempotency_key: IdempotencyKey = None) -> Batch:
    """As at `POST /v1/batches`."""
    return portal.batches.create(
        known.actor,
        input_file_id=body.input_file_id,
        endpoint=body.endpoint,
        metadata=body.metadata,
        purpose=body.purpose or known.purpose,
        idempotency_key=idempotency_key,
    )


@router.get("", summary="List batches")
def list_batches(
    portal: ThePortal,
    actor: Signed,
    limit: PageLimit = 50,
    cursor: Annotated[str | None, Query(max_length=128, description="The id of the last batch seen.")] = None,
    mine: bool = False,
) -> Listing[Batch]:
    """The caller's own, their institutions', or all for coordinators; newest first."""
    found = portal.batches.list(actor, limit=limit + 1, after=cursor, mine=mine)
    more = len(found) > limit
    return Listing(items=found[:limit], next=found[limit - 1].id if more else None)


@router.get("/{batch_id}", summary="Get a batch")
def get_batch(portal: ThePortal, actor: Signed, batch_id: ObjectId) -> BatchView:
    """How far it is, when it would be done, and its files."""
    return portal.batches.view(actor, batch_id)


@router.get("/{batch_id}/lines", summary="List what became of each line")
def list_batch_lines(portal: ThePortal, actor: Signed, batch_id: ObjectId) -> Listing[LineView]:
    """With the run that each made; what was asked and answered is in the files alone."""
    return Listing.whole(portal.batches.lines(actor, batch_id))


@router.post("/{batch_id}/cancel", summary="Cancel a batch")
def cancel_batch(portal: ThePortal, actor: Signed, batch_id: ObjectId) -> Batch:
    """No further line begins, and those under way are stopped; what is there already is kept."""
    return portal.batches.cancel(actor, batch_id)


@router.get("/{batch_id}/retry", summary="Check what a retry would take")
def check_batch_retry(portal: ThePortal, actor: Signed, batch_id: ObjectId) -> Checked:
    """For the lines that failed or were not run: what they would use at most, and what is left. Nothing is run."""
    return portal.batches.check_retry(actor, batch_id)


@router.post("/{batch_id}/retry", summary="Submit the lines that failed anew")
def retry_batch(portal: ThePortal, actor: Signed, batch_id: ObjectId, idempotency_key: IdempotencyKey = None) -> Batch:
    """Those that failed or were not run, as a new batch; for its submitter, while the input is kept."""
    return portal.batches.retry_failed(actor, batch_id, idempotency_key=idempotency_key)


@router.get(
    "/{batch_id}/results",
    summary="Get the answers of a batch",
    response_class=Response,
    responses={
        200: {
            "description": "The output file, or a table of it. `Repr-Digest` (RFC 9530) is of what is sent.",
            "content": {"application/jsonl": {}, "text/csv": {}},
        }
    },
)
def get_results(
    portal: ThePortal,
    actor: Signed,
    batch_id: ObjectId,
    format: Literal["jsonl", "csv"] = "jsonl",  # noqa: A002 - the name of a query parameter
    what: Annotated[Literal["output", "errors"], Query(description="Answers, or what failed.")] = "output",
) -> Response:
    """For its submitter. Unless the agreement says otherwise, the file is destroyed an hour after the first time."""
    give = portal.batches.results if format == "jsonl" else portal.batches.table
    content = give(actor, batch_id, errors=what == "errors")
    return Response(
        content,
        media_type="application/jsonl" if format == "jsonl" else "text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{batch_id}_{what}.{format}"',
            "repr-digest": f"sha-256=:{b64encode(sha256(content).digest())}:",
        },
    )
