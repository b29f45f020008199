"""``POST /v1/completions``: one governed run per request, answered whole or as a stream."""

from fastapi import APIRouter, Request, Response

from portal.api.auth import Known, ThePortal
from portal.api.openai.answering import STREAMED, Purpose, answer
from portal.api.openai.wire import Completion, CompletionBody, CompletionShape

router = APIRouter(tags=["completions"])


@router.post(
    "/completions", summary="Complete prompts, or score them", response_model=Completion, responses=dict(STREAMED)
)
async def create_completion(
    request: Request, portal: ThePortal, known: Known, body: CompletionBody, purpose: Purpose = None
) -> Response:
    """Authorised against the live grant, charged to it, run in the sandbox, and proved by a signed receipt.

    With `max_tokens: 0`, `echo` and `logprobs` the prompts are scored. Log-probabilities are over the model's own
    distribution, before temperature and top-p. A client that goes away ends its run.

    Access that is withdrawn meanwhile ends it too, between two tokens: with 403 `access_withdrawn` and the `reason`, or
    in a stream with an error event that says so.
    """
    shape = CompletionShape()
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
