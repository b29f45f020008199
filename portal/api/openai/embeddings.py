"""``POST /v1/embeddings``: a governed run whose answer is numbers."""

from fastapi import APIRouter, Request, Response

from portal.api.auth import Known, ThePortal
from portal.api.openai.answering import ANSWERED, Purpose, answer
from portal.api.openai.embedding_wire import EmbeddingBody, EmbeddingList, EmbeddingShape

router = APIRouter(tags=["embeddings"])


@router.post("/embeddings", summary="Embed texts", response_model=EmbeddingList, responses=dict(ANSWERED))
async def create_embedding(
    request: Request, portal: ThePortal, known: Known, body: EmbeddingBody, purpose: Purpose = None
) -> Response:
    """The mean over a text's tokens of the checkpoint's last hidden states, after its last normalisation.

    Allowed, charged and proved as a completion is; the operation is `embed`, and what is charged are the tokens of the
    input. The numbers are not normalised, and are the same to the last bit whatever else is asked for at the time.
    """
    shape = EmbeddingShape(body.encoding_format or "float")
    return await answer(request, portal, known, body.model, body.request(), purpose, shape)
