"""``/v1/tokenize`` and ``/v1/detokenize``: not among OpenAI's own; in the shape that other servers give them."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StrictInt, StrictStr
from starlette.concurrency import run_in_threadpool

from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.conversations import Conversation
from portal.api.auth import Known, ThePortal
from portal.api.openai.answering import Purpose
from portal.api.openai.chat_wire import Messages, conversation
from portal.api.turns import beginnings, layouts

router = APIRouter(tags=["tokens"])


class TokenizeBody(Value):
    """The body of ``POST /v1/tokenize``: a text, or a conversation as ``/v1/chat/completions`` lays it out."""

    model: StrictStr
    prompt: StrictStr | None = None
    messages: Messages | None = None

    def asked(self) -> str | Conversation:
        """What is to be tokenised. Raises Invalid unless it is one of the two."""
        if self.messages is not None and self.prompt is None:
            return conversation(self.messages)
        if self.prompt is None or self.messages is not None:
            raise Invalid("one_prompt_needed", "Give either prompt or messages.", param="prompt")
        return self.prompt


class Tokenized(Value):
    """Token ids."""

    count: int
    max_model_len: int
    """The checkpoint's context length, prompt and answer together."""
    tokens: tuple[int, ...]


class DetokenizeBody(Value):
    """The body of ``POST /v1/detokenize``."""

    model: StrictStr
    tokens: tuple[Annotated[StrictInt, Field(ge=0)], ...]


class Detokenized(Value):
    """The text."""

    prompt: str


@router.post("/tokenize", summary="Get the tokens of a text or a conversation")
async def tokenize(portal: ThePortal, known: Known, body: TokenizeBody, purpose: Purpose = None) -> Tokenized:
    """For whoever may query the checkpoint. No run and no charge; it counts against the rate of requests."""
    asked = body.asked()

    def tokenized() -> Tokenized:
        tokens = portal.tokenising.tokenize(known.actor, body.model, asked, purpose=purpose or known.purpose)
        manifest = portal.checkpoints.state(body.model).manifest
        return Tokenized(
            count=len(tokens), max_model_len=manifest.context_length if manifest is not None else 0, tokens=tokens
        )

    async with (layouts() if isinstance(asked, Conversation) else beginnings()).turn(known.actor):
        return await run_in_threadpool(tokenized)


@router.post("/detokenize", summary="Get the text of tokens")
def detokenize(portal: ThePortal, known: Known, body: DetokenizeBody, purpose: Purpose = None) -> Detokenized:
    """As above, the other way round."""
    text = portal.tokenising.detokenize(known.actor, body.model, body.tokens, purpose=purpose or known.purpose)
    return Detokenized(prompt=text)
