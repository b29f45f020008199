"""What is asked of a checkpoint and what comes back: plain values, shared by the portal, the pool and the worker.

Nothing here touches torch, so the portal can import it freely. Positions, indexes and counts are in tokens unless a
name says characters. Log-probabilities are natural logarithms over the model's own distribution, before temperature
and top-p are applied.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError

from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Invalid, Unavailable

FinishReason = Literal["stop", "length"]
"""``stop``: a stop string or the model's own end of text; ``length``: ``max_tokens`` were generated."""

TokenIds = tuple[Annotated[int, Field(ge=0)], ...]
Prompt = str | TokenIds

MAX_CHOICES = 1024
"""The most choices (prompts × ``n``) one request may ask for."""


class GenerationRequest(Value):
    """One governed request: ``n`` continuations of each prompt, or with ``max_tokens=0`` and ``echo`` their scores.

    Choice ``j`` of prompt ``i`` has index ``i * n + j``, as in the OpenAI completions API. The same request on the same
    checkpoint draws the same random numbers, whatever else runs beside it.
    """

    prompts: tuple[Prompt, ...] = Field(min_length=1, max_length=MAX_CHOICES)
    max_tokens: int = Field(default=16, ge=0)
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    """0 is greedy: the most likely token, the lowest id among equals."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    n: int = Field(default=1, ge=1, le=128)
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...] = Field(default=(), max_length=16)
    """Text that ends a choice; it is not part of the answer. Never matched inside an echoed prompt."""
    seed: int = Field(ge=0, lt=2**53)
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """How many alternatives to report per token besides the token itself; ``None`` reports nothing."""
    echo: bool = False

    @property
    def choice_count(self) -> int:
        """How many choices the answer will have."""
        return len(self.prompts) * self.n

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """The request these fields describe. Raises Invalid ``bad_request`` naming the first field that does not fit.

        Also Invalid ``too_many_choices``.
        """
        try:
            request = cls.model_validate(dict(fields))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            param = str(first["loc"][0]) if first["loc"] else None
            raise Invalid("bad_request", f"{param or 'request'}: {first['msg']}.", param=param) from None
        if request.choice_count > MAX_CHOICES:
            raise Invalid(
                "too_many_choices",
                f"{len(request.prompts)} prompts with n={request.n} make {request.choice_count} choices; "
                f"the limit is {MAX_CHOICES}.",
                hint="Send fewer prompts per request.",
                param="n",
            )
        return request


class Logprobs(Value):
    """OpenAI's completion log-probabilities: four columns, one entry per token.

    ``tokens`` are the tokens' own texts; one that is only part of a character reads ``bytes:\\xe2\\x82``.
    ``text_offset`` counts characters of the choice's text. The first token of an echoed prompt has no probability.
    """

    tokens: tuple[str, ...] = ()
    token_logprobs: tuple[float | None, ...] = ()
    top_logprobs: tuple[dict[str, float] | None, ...] = ()
    text_offset: tuple[int, ...] = ()

    def __add__(self, other: "Logprobs") -> "Logprobs":
        return Logprobs(
            tokens=self.tokens + other.tokens,
            token_logprobs=self.token_logprobs + other.token_logprobs,
            top_logprobs=self.top_logprobs + other.top_logprobs,
            text_offset=self.text_offset + other.text_offset,
        )


class ChoiceDelta(Value):
    """The next piece of one choice. Concatenated, a choice's deltas are its whole answer, prompt included if echoed."""

    index: int = Field(ge=0)
    text: str
    token_ids: TokenIds = ()
    """The tokens whose text begins in this piece."""
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None
    """Set on the last delta of the choice only."""


class ChoiceSummary(Value):
    """How one choice ended."""

    index: int = Field(ge=0)
    text: str
    """The whole text, exactly the concatenation of the choice's deltas."""
    token_ids: TokenIds
    """Every token generated, including those a stop string cut from the text; without the prompt."""
    finish_reason: FinishReason


class Finished(Value):
    """The last event of a request that ran to its end."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    choices: tuple[ChoiceSummary, ...]


class Failed(Value):
    """The last event of a request that did not run to its end, with what it used until then."""

    code: str
    message: str
    hint: str = ""
    retriable: bool
    """Whether the very same request may succeed later."""
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)

    def error(self) -> ConcordatError:
        """The refusal to raise: Unavailable when retriable, else Conflict."""
        if self.retriable:
            return Unavailable(self.code, self.message, hint=self.hint, retry_after_s=1.0)
        return Conflict(self.code, self.message, hint=self.hint)


RunEvent = ChoiceDelta | Finished | Failed


class ChoiceResult(Value):
    """One whole choice, put together from its deltas."""

    index: int
    text: str
    token_ids: TokenIds
    logprobs: Logprobs | None
    finish_reason: FinishReason | None


def assemble(deltas: Iterable[ChoiceDelta]) -> tuple[ChoiceResult, ...]:
    """The choices that ``deltas`` make up, in order of index."""
    choices: dict[int, ChoiceResult] = {}
    for delta in deltas:
        before = choices.get(delta.index)
        if before is None:
            choices[delta.index] = ChoiceResult(**dict(delta))
            continue
        joined = before.logprobs
        if delta.logprobs is not None:
            joined = delta.logprobs if joined is None else joined + delta.logprobs
        choices[delta.index] = ChoiceResult(
            index=delta.index,
            text=before.text + delta.text,
            token_ids=before.token_ids + delta.token_ids,
            logprobs=joined,
            finish_reason=delta.finish_reason or before.finish_reason,
        )
    return tuple(choices[index] for index in sorted(choices))
