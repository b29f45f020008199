"""The completions API on the wire: what a request may say, and what an answer looks like.

What the engine does not do is refused by name. Ignoring it would answer another question than the one asked, and the
receipt would not show it.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, StrictStr

from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.generation import MAX_CHOICES, ChoiceDelta, ChoiceResult, GenerationRequest, Logprobs
from model_access.runs import RunTerms
from portal.services.runs import fresh_seed

MAX_SEED = 2**53 - 1
"""The largest integer that canonical JSON writes exactly; the seed is part of the receipt."""

Number = StrictInt | Annotated[float, Field(strict=True)]
TokenId = Annotated[StrictInt, Field(ge=0)]


def _as_prompts(value: object) -> object:
    """One prompt as the list of one that it stands for."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(token, int) for token in value):
        return (tuple(value),)
    return value


Prompts = Annotated[
    tuple[StrictStr | tuple[TokenId, ...], ...],
    Field(min_length=1, max_length=MAX_CHOICES),
    BeforeValidator(_as_prompts, json_schema_input_type=str | list[str] | list[int] | list[list[int]]),
]
"""Text, several texts, token ids, or several lists of token ids."""


class StreamOptions(Value):
    """What a stream carries besides the answer."""

    include_usage: StrictBool = False


class CompletionBody(Value):
    """The body of ``POST /v1/completions``. A parameter given as null counts as left out."""

    model: StrictStr
    prompt: Prompts
    max_tokens: StrictInt | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    n: StrictInt | None = None
    stop: StrictStr | list[StrictStr] | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=MAX_SEED)] | None = None
    logprobs: StrictInt | None = None
    echo: StrictBool | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    user: StrictStr | None = None
    """Accepted and ignored: who asks is known from the token."""

    best_of: StrictInt | None = None
    suffix: StrictStr | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    logit_bias: dict[str, Number] | None = None

    @property
    def streams(self) -> bool:
        """Whether the answer is to come piece by piece."""
        return bool(self.stream)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with what was used."""
        return self.stream_options is not None and self.stream_options.include_usage

    def request(self) -> GenerationRequest:
        """What is asked of the engine, with a fresh seed if none is given. Raises Invalid naming the parameter."""
        self._refuse_what_is_not_done()
        given = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "n": self.n,
            "echo": self.echo,
        }
        return GenerationRequest.parse(
            {name: value for name, value in given.items() if value is not None}
            | {
                "prompts": self.prompt,
                "stop": self._stop(),
                "seed": fresh_seed() if self.seed is None else self.seed,
                "logprobs": self.logprobs,
            }
        )

    def _stop(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    def _refuse_what_is_not_done(self) -> None:
        asked = {
            "best_of": self.best_of is not None and self.best_of != (self.n or 1),
            "suffix": bool(self.suffix),
            "presence_penalty": bool(self.presence_penalty),
            "frequency_penalty": bool(self.frequency_penalty),
            "logit_bias": bool(self.logit_bias),
        }
        for name, wanted in asked.items():
            if wanted:
                raise Invalid(
                    "unsupported_parameter",
                    f"{name} is not supported by this portal.",
                    hint="Leave it out: no answer is given that silently ignores it.",
                    param=name,
                )


class Usage(Value):
    """Tokens, as charged to the grant."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, completion_tokens: int) -> "Usage":
        """With the total."""
        return cls(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
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


def completion(
    terms: RunTerms, created: int, choices: tuple[Choice, ...], usage: Usage | None = None
) -> dict[str, Any]:
    """The JSON of an answer to a run; ``created`` in seconds since the epoch."""
    return Completion(
        id=f"cmpl-{terms.run_id}",
        created=created,
        model=terms.checkpoint_id,
        system_fingerprint=terms.manifest_digest,
        choices=choices,
        usage=usage,
    ).model_dump(mode="json")
