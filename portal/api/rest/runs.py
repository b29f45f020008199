"""Runs and their receipts. They are made at ``/v1``, and made again here."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field, StrictStr
from starlette.concurrency import run_in_threadpool

from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.generation import MAX_CHOICES, Prompt
from model_access.receipts import MAX_RECEIPT_BYTES
from model_access.runs import Run
from portal.api.auth import Known, Signed, ThePortal
from portal.api.openai.chat_wire import Messages, conversation
from portal.api.openai.wire import Prompts
from portal.api.rest.shapes import Listing, ObjectId, PageLimit
from portal.api.turns import layouts
from portal.services.keeping import KeptView
from portal.services.replaying import Replay
from portal.services.runs import QueuePlace

router = APIRouter(prefix="/runs", tags=["runs"])


class ReplayBody(Value):
    """What a replay needs besides the receipt."""

    prompts: Prompts | None = None
    """Exactly as they were sent; the receipt's digest proves it. Without them, what the portal keeps is taken."""
    messages: Messages | None = None
    """The same for a conversation."""
    outputs: Annotated[tuple[StrictStr, ...], Field(min_length=1, max_length=MAX_CHOICES)] | None = None
    """The text of each choice in the order of their index, to hear where the replay parts; proved in the same way."""
    purpose: Annotated[str, Field(max_length=120)] | None = None
    """By default the token's, else the one under which the original ran on a grant."""
    receipt: Annotated[str, Field(max_length=MAX_RECEIPT_BYTES)] | None = None
    """A receipt file, to replay by that one rather than by the portal's own."""

    def asked(self) -> tuple[Prompt, ...] | None:
        """The prompts, if they are given. Raises Invalid where there are two kinds."""
        if self.messages is None:
            return self.prompts
        if self.prompts is not None:
            raise Invalid("one_prompt_needed", "The prompt is given twice.", hint="Give either prompts or messages.")
        return (conversation(self.messages),)


@router.get("", summary="List runs")
def list_runs(
    portal: ThePortal,
    actor: Signed,
    limit: PageLimit = 50,
    checkpoint: Annotated[str | None, Query(max_length=128)] = None,
    mine: bool = False,
    replays: Annotated[str | None, Query(max_length=128, description="Only replays of this run.")] = None,
) -> Listing[Run]:
    """The latest runs the caller may see: their own, their institutions', or all for coordinators."""
    return Listing.whole(portal.runs.list(actor, limit=limit, checkpoint_id=checkpoint, mine=mine, replays=replays))


@router.get("/{run_id}", summary="Get a run")
def get_run(portal: ThePortal, actor: Signed, run_id: ObjectId) -> Run:
    """What was agreed, what was used and how it ended. What is kept of its prompt and answer is at `/kept`."""
    return portal.runs.get(actor, run_id)


@router.get("/{run_id}/queue", summary="Get a run's place in the queue")
def get_place(portal: ThePortal, actor: Signed, run_id: ObjectId) -> QueuePlace:
    """While it waits for its turn: which it is, and about how long that will be, by the rate measured lately."""
    return portal.runs.place(actor, run_id)


@router.get(
    "/{run_id}/receipt",
    summary="Get a run's signed receipt",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "The receipt file."}},
)
def get_receipt(portal: ThePortal, actor: Signed, run_id: ObjectId) -> Response:
    """Signed by the lab, with its inclusion proof; ``concordat verify`` checks it offline."""
    return Response(
        portal.runs.receipt(actor, run_id),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{run_id}.receipt.json"'},
    )


@router.get("/{run_id}/kept", summary="Say what is kept of a run")
def get_kept(portal: ThePortal, actor: Signed, run_id: ObjectId) -> KeptView:
    """Whether prompt and answer are kept, until when and by which clause, who read them, and what the caller may do."""
    return portal.keeping.view(actor, run_id)


@router.get(
    "/{run_id}/kept/texts",
    summary="Read what is kept of a run",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "Prompts and answers."}},
)
def get_kept_texts(portal: ThePortal, actor: Signed, run_id: ObjectId) -> Response:
    """Prompts and answers, for whoever may read them. Every call is a reading, and in the access log.

    Not so what is only in the files of a batch: those are read by who submitted it, and by nobody else.
    """
    return Response(
        portal.keeping.export(actor, run_id),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{run_id}.texts.json"'},
    )


@router.post("/{run_id}/kept/destroy", summary="Destroy what is kept of a run")
def destroy_kept(portal: ThePortal, actor: Signed, run_id: ObjectId) -> KeptView:
    """Before its time, where the caller may. The run and its receipt stay."""
    return portal.keeping.delete(actor, run_id)


@router.post("/{run_id}/replay", summary="Replay a run from its receipt")
async def replay_run(portal: ThePortal, known: Known, run_id: ObjectId, body: ReplayBody) -> Replay:
    """Run it again as a governed run of the caller's, and say `identical` or where the two part.

    It is allowed, metered and proved as any other run; its receipt names the run that it replays.
    """
    # What the portal keeps of the run may be a conversation.
    async with layouts().turn(known.actor):
        replaying = await run_in_threadpool(
            portal.replaying.begin,
            known.actor,
            run_id,
            prompts=body.asked(),
            outputs=body.outputs,
            purpose=body.purpose or known.purpose,
            receipt=None if body.receipt is None else body.receipt.encode(),
        )
    try:
        result = await replaying.run.aresult()
    except BaseException:
        replaying.run.cancel()
        raise
    return await run_in_threadpool(replaying.compared, result)
