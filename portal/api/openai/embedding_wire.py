"""The embeddings API on the wire."""

from typing import Any, Literal

from pydantic import StrictInt, StrictStr

from agreements.deciders import Value
from model_access.embeddings import vector_of
from model_access.generation import ChoiceResult, Finished, GenerationRequest
from model_access.runs import RunTerms
from portal.api.openai.wire import Prompts, unsupported

Encoding = Literal["float", "base64"]


class EmbeddingBody(Value):
    """The body of ``POST /v1/embeddings``. A parameter given as null counts as left out."""

    model: StrictStr
    input: Prompts
    encoding_format: Encoding | None = None
    """``float``, the default: numbers. ``base64``: little-endian float32, exactly what the receipt's digest is over."""
    dimensions: StrictInt | None = None
    user: StrictStr | None = None
    """Accepted and ignored: who asks is known from the token."""

    def request(self) -> GenerationRequest:
        """What is asked of the engine. Raises Invalid naming the parameter."""
        if self.dimensions is not None:
            raise unsupported(
                "dimensions",
                "An embedding has as many numbers as the checkpoint's hidden state; it is not shortened.",
                "Leave it out, and keep as many of the numbers as you want.",
            )
        return GenerationRequest.parse({"prompts": self.input, "embed": True, "max_tokens": 0, "seed": 0})


class EmbeddingObject(Value):
    """One embedding."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: tuple[float, ...] | str


class EmbeddingUsage(Value):
    """Tokens, as charged to the grant."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Value):
    """An answer."""

    object: Literal["list"] = "list"
    data: tuple[EmbeddingObject, ...]
    model: str
    usage: EmbeddingUsage


class EmbeddingShape:
    """How embeddings are answered."""

    asks_in = "input"

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding

    def whole(self, terms: RunTerms, _created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """See ``Shape``."""
        return EmbeddingList(
            data=tuple(
                EmbeddingObject(
                    index=choice.index,
                    embedding=choice.text if self._encoding == "base64" else vector_of(choice.text),
                )
                for choice in choices
            ),
            model=terms.checkpoint_id,
            usage=EmbeddingUsage(prompt_tokens=end.prompt_tokens, total_tokens=end.prompt_tokens),
        ).model_dump(mode="json")
