"""The completions API on the wire: what a request may say, and what an answer looks like.

What the engine does not do is refused by name. Ignoring it would answer another question than the one asked, and the
receipt would not show it.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Protocol

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.generation import MAX_CHOICES, ChoiceDelta, ChoiceResult, Finished, GenerationRequest, Logprobs
from model_access.runs import RunTerms
from portal.services.runs import fresh_seed

MAX_SEED = 2**53 - 1
"""The largest integer that canonical JSON writes exactly; the seed is part of the receipt."""

TokenId = Annotated[StrictInt, Field(ge=0)]


def _as_prompts(value: object) -> object:
    """One prompt as the list of one that it stands for."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(token, int) for token in value):
        return (tuple(value),)
    return value


def _named_as_one(value: object, parsed: ValidatorFunctionWrapHandler) -> object:
    """One prompt. What it is not is told of the prompt: of two kinds that it might have been, neither was asked for."""
    try:
        return parsed(value)
    except ValidationError:
        raise PydanticCustomError("prompt", "a prompt is text, or a list of token ids") from None


def _as_stops(value: object) -> object:
    """One stop string as the list of one that it stands for."""
    return (value,) if isinstance(value, str) else value


Prompts = Annotated[
    tuple[Annotated[StrictStr | tuple[TokenId, ...], WrapValidator(_named_as_one)], ...],
    Field(min_length=1, max_length=MAX_CHOICES),
    BeforeValidator(_as_prompts, json_schema_input_type=str | list[str] | list[int] | list[list[int]]),
]
"""Text, several texts, token ids, or several lists of token ids."""

Stops = Annotated[tuple[StrictStr, ...], BeforeValidator(_as_stops, json_schema_input_type=str | list[str])]
"""A string, or several."""


class StreamOptions(Value):
    """What a stream carries besides the answer."""

    include_usage: StrictBool = False


def unsupported(param: str, why: str = "", hint: str = "") -> Invalid:
    """The refusal of a parameter that nothing here honours."""
    return Invalid(
        "unsupported_parameter",
        why or f"{param} is not supported by this portal.",
        hint=hint or "Leave it out: no answer is given that silently ignores it.",
        param=param,
    )


class SamplingBody(Value):
    """What completions of text and of conversations have in common. A parameter given as null counts as left out."""

    model: StrictStr
    max_tokens: StrictInt | None = None
    temperature: StrictFloat | None = None
    top_p: StrictFloat | None = None
    top_k: StrictInt | None = None
    """Not among OpenAI's own; named as other servers name it."""
    n: StrictInt | None = None
    stop: Stops | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=MAX_SEED)] | None = None
    presence_penalty: StrictFloat | None = None
    frequency_penalty: StrictFloat | None = None
    logit_bias: dict[str, StrictFloat] | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    user: StrictStr | None = None
    """Accepted and ignored: who asks is known from the token."""

    @property
    def streams(self) -> bool:
        """Whether the answer is to come piece by piece."""
        return bool(self.stream)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with what was used."""
        return self.stream_options is not None and self.stream_options.include_usage

    def sampled(self, **more: Any) -> GenerationRequest:
        """What is asked of the engine, with a fresh seed if none is given. Raises Invalid naming the parameter."""
        given = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "logit_bias": self.logit_bias,
            "n": self.n,
            **more,
        }
        return GenerationRequest.parse(
            {name: value for name, value in given.items() if value is not None}
            | {"stop": self.stop or (), "seed": fresh_seed() if self.seed is None else self.seed}
        )


class CompletionBody(SamplingBody):
    """The body of ``POST /v1/completions``."""

    prompt: Prompts
    logprobs: StrictInt | None = None
    echo: StrictBool | None = None
    best_of: StrictInt | None = None
    suffix: StrictStr | None = None

    def request(self) -> GenerationRequest:
        """What is asked of the engine. Raises Invalid naming the parameter."""
        if self.suffix:
            raise unsupported("suffix")
        return self.sampled(prompts=self.prompt, logprobs=self.logprobs, echo=self.echo, best_of=self.best_of)


class Shape(Protocol):
    """What a route's answers look like."""

    @property
    def asks_in(self) -> str:
        """The parameter that the prompts are in."""
        ...

    def whole(self, terms: RunTerms, created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """The answer in one piece; ``created`` in seconds since the epoch."""
        ...


class StreamShape(Shape, Protocol):
    """What they look like where they can be streamed. One is made for each answer."""

    def chunks(self, terms: RunTerms, created: int, delta: ChoiceDelta) -> Iterable[dict[str, Any]]:
        """The chunks that the next piece of a choice makes, each with a place for ``usage``."""
        ...

    def closing(self, terms: RunTerms, created: int, end: Finished) -> dict[str, Any]:
        """The chunk that says what was used."""
        ...


class Usage(Value):
    """Tokens, as charged to the grant."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, end: Finished) -> "Usage":
        """With the total."""
        return cls(
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            total_tokens=end.prompt_tokens + end.completion_tokens,
        )


class Choice(Value):
    """One choice, or in a stream the next piece of one."""

    index: int
    text: str
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"] | None

    @classmethod
    def of(cls, choice: ChoiceResult | ChoiceDelta) -> "Choice":
        """The engine's choice on the wire."""
        return cls(index=choice.index, text=choice.text, logprobs=choice.logprobs, finish_reason=choice.finish_reason)


class Completion(Value):
    """An answer, or one chunk of a streamed one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    """The manifest digest of the checkpoint that answered."""
    choices: tuple[Choice, ...]
    usage: Usage | None = None


class CompletionShape:
    """How completions are answered."""

    asks_in = "prompt"

    def whole(self, terms: RunTerms, created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """See ``Shape``."""
        return _completion(terms, created, tuple(map(Choice.of, choices)), Usage.of(end))

    def chunks(self, terms: RunTerms, created: int, delta: ChoiceDelta) -> Iterable[dict[str, Any]]:
        """See ``Shape``."""
        yield _completion(terms, created, (Choice.of(delta),))

    def closing(self, terms: RunTerms, created: int, end: Finished) -> dict[str, Any]:
        """See ``Shape``."""
        return _completion(terms, created, (), Usage.of(end))


def _completion(
    terms: RunTerms, created: int, choices: tuple[Choice, ...], usage: Usage | None = None
) -> dict[str, Any]:
    return Completion(
        id=f"cmpl-{terms.run_id}",
        created=created,
        model=terms.checkpoint_id,
        system_fingerprint=terms.manifest_digest,
        choices=choices,
        usage=usage,
    ).model_dump(mode="json")
