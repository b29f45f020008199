"""``POST /v1/chat/completions``: a conversation laid out with the checkpoint's own template, and completed."""

from fastapi import APIRouter, Request, Response

from portal.api.auth import Known, ThePortal
from portal.api.openai.answering import STREAMED, Purpose, answer
from portal.api.openai.chat_wire import ChatBody, ChatCompletion, ChatShape

router = APIRouter(tags=["chat"])


@router.post(
    "/chat/completions",
    summary="Write the next message of a conversation",
    response_model=ChatCompletion,
    responses=dict(STREAMED),
)
async def create_chat_completion(
    request: Request, portal: ThePortal, known: Known, body: ChatBody, purpose: Purpose = None
) -> Response:
    """Allowed, charged, stopped and proved as a completion is; the operation is `generate`.

    The checkpoint's chat template, which came with its tokenizer, lays the messages out as text. It is run in the
    sandbox, without a clock. A checkpoint without one is refused with `no_chat_template`: send its prompts to
    `/v1/completions`. What a template makes of the messages, special tokens written in them included, is what the
    model reads; the receipt's digest is over the messages as they were sent.
    """
    shape = ChatShape()
    return await answer(
        request,
        portal,
        known,
        body.model,
        body.request(),
        purpose,
        shape,
        streamed=shape if body.streams else None,
        with_usage=body.wants_usage,
    )
