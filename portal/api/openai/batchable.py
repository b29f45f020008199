"""The routes whose requests can be lines of a batch, in the shapes they have there."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from agreements.errors import Invalid
from model_access.embeddings import text_of
from model_access.generation import ChoiceResult, Finished, GenerationRequest
from model_access.runs import RunTerms
from portal.api.openai.chat_wire import ChatBody, ChatShape
from portal.api.openai.embedding_wire import EmbeddingBody, EmbeddingShape
from portal.api.openai.wire import CompletionBody, CompletionShape, Shape
from portal.services.batch_lines import Endpoints


class SamplingEndpoint:
    """A route that samples."""

    def __init__(
        self,
        body: type[CompletionBody | ChatBody],
        shape: Callable[[], Shape],
        said: Callable[[Mapping[str, Any]], str],
    ) -> None:
        """``said`` is the text in a choice of that shape."""
        self._body, self._shape, self._said = body, shape, said

    def parse(self, body: Mapping[str, JsonValue]) -> tuple[str, GenerationRequest]:
        """What the route would make of the body. Raises Invalid naming the parameter at fault."""
        try:
            parsed = self._body.model_validate(dict(body))
        except ValidationError as error:
            raise _of_validation(error) from None
        for name, said in (("stream", parsed.streams), ("stream_options", parsed.stream_options is not None)):
            if said:
                raise Invalid(
                    "unsupported_parameter",
                    "An answer in a batch is not streamed.",
                    hint=f"Leave {name} out.",
                    param=name,
                )
        return parsed.model, parsed.request()

    def render(self, terms: RunTerms, created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """The answer that the route would have given."""
        return self._shape().whole(terms, created, end, choices)

    def texts(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        """The text of each choice in such an answer."""
        return tuple(self._said(choice) for choice in sorted(body["choices"], key=itemgetter("index")))


class EmbeddingsEndpoint:
    """``/v1/embeddings``."""

    def parse(self, body: Mapping[str, JsonValue]) -> tuple[str, GenerationRequest]:
        """What the route would make of the body. Raises Invalid naming the parameter at fault."""
        try:
            parsed = EmbeddingBody.model_validate(dict(body))
        except ValidationError as error:
            raise _of_validation(error) from None
        if parsed.encoding_format == "base64":
            raise Invalid(
                "unsupported_parameter",
                "Embeddings in a batch are numbers.",
                hint="Leave it out, or ask for float.",
                param="encoding_format",
            )
        return parsed.model, parsed.request()

    def render(self, terms: RunTerms, created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """The answer that the route would have given."""
        return EmbeddingShape("float").whole(terms, created, end, choices)

    def texts(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        """The vectors in such an answer, as text."""
        return tuple(text_of(one["embedding"]) for one in sorted(body["data"], key=itemgetter("index")))


def _of_validation(error: ValidationError) -> Invalid:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    param = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return Invalid("unknown_field", f"There is no field {param}.", hint="Leave it out.", param=param)
    return Invalid("bad_input", f"{param or 'The body'}: {first['msg']}.", param=param or None)


BATCHABLE: Final[Endpoints] = {
    "/v1/completions": SamplingEndpoint(CompletionBody, CompletionShape, itemgetter("text")),
    "/v1/chat/completions": SamplingEndpoint(ChatBody, ChatShape, lambda choice: str(choice["message"]["content"])),
    "/v1/embeddings": EmbeddingsEndpoint(),
}
"""Every such route by its address."""
