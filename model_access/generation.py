"""What is asked of a checkpoint and what comes back: plain values, shared by the portal, the pool and the worker.

Nothing here touches torch, so the portal can import it freely. Positions, indexes and counts are in tokens unless a
name says characters. Log-probabilities are natural logarithms over the model's own distribution, before biases,
penalties, temperature, top-k and top-p are applied, in this order.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Invalid, Unavailable
from model_access.build import Products
from model_access.conversations import Conversation

FinishReason = Literal["stop", "length"]
"""``stop``: a stop string or the model's own end of text; ``length``: ``max_tokens`` were generated."""

TokenIds = tuple[Annotated[int, Field(ge=0)], ...]
Prompt = str | TokenIds | Conversation

MAX_CHOICES = 1024
"""The most choices (prompts × ``n``, or × ``best_of``) one request may ask for."""

MAX_BIASES = 300
MAX_ALTERNATIVES = 20

Penalty = Annotated[float, Field(ge=-2.0, le=2.0)]
TokenId = Annotated[int, Field(ge=0)]


class GenerationRequest(Value):
    """One governed request: ``n`` continuations of each prompt, or with ``max_tokens=0`` and ``echo`` their scores.

    Choice ``j`` of prompt ``i`` has index ``i * n + j``, as in the OpenAI completions API. The same request on the same
    checkpoint draws the same random numbers, whatever else runs beside it.
    """

    prompts: tuple[Prompt, ...] = Field(min_length=1, max_length=MAX_CHOICES)
    max_tokens: int = Field(default=16, ge=0)
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    """0 is greedy: the most likely token, the lowest id among equals."""
    top_k: int | None = Field(default=None, ge=1)
    """Only so many most likely tokens are drawn from; the lowest ids among equals."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Of these, only the fewest most likely that together have this share."""
    presence_penalty: Penalty = 0.0
    """Taken off the logit of every token the choice has generated."""
    frequency_penalty: Penalty = 0.0
    """The same once for each time it was."""
    logit_bias: dict[TokenId, Annotated[float, Field(ge=-100.0, le=100.0)]] = Field(
        default_factory=dict, max_length=MAX_BIASES
    )
    """Added to logits by token id, before anything else."""
    n: int = Field(default=1, ge=1, le=128)
    best_of: int | None = Field(default=None, ge=1, le=128)
    """So many are generated; the ``n`` with the highest mean log-probability per token are the answer, best first."""
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...] = Field(default=(), max_length=16)
    """Text that ends a choice; it is not part of the answer. Never matched inside an echoed prompt."""
    seed: int = Field(ge=0, lt=2**53)
    logprobs: int | None = Field(default=None, ge=0, le=MAX_ALTERNATIVES)
    """How many alternatives to report per token besides the token itself; ``None`` reports nothing."""
    echo: bool = False
    fits: bool = Field(default=False, exclude_if=lambda value: not value)
    """As many tokens as there is room for, and no fewer than ``max_tokens``."""
    embed: bool = Field(default=False, exclude_if=lambda value: not value)
    """Nothing is generated: a choice's text is its prompt's embedding, as ``model_access.embeddings`` writes one."""

    @property
    def choice_count(self) -> int:
        """How many choices the answer will have."""
        return len(self.prompts) * self.n

    @property
    def candidates_per_prompt(self) -> int:
        """How many continuations of each prompt are generated."""
        return self.n if self.best_of is None else self.best_of

    @property
    def candidate_count(self) -> int:
        """How many continuations are generated in all."""
        return len(self.prompts) * self.candidates_per_prompt

    @property
    def needs_layout(self) -> bool:
        """Whether a prompt is a conversation, which a worker lays out before anything is known of its tokens."""
        return any(isinstance(prompt, Conversation) for prompt in self.prompts)

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """The request these fields describe. Raises Invalid ``bad_request`` naming the first field that does not fit.

        Also Invalid ``too_many_choices`` or ``too_few_candidates``.
        """
        try:
            request = cls.model_validate(dict(fields))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            param = str(first["loc"][0]) if first["loc"] else None
            raise Invalid("bad_request", f"{param or 'request'}: {first['msg']}.", param=param) from None
        if request.embed and (request.max_tokens or request.echo or request.candidate_count > len(request.prompts)):
            raise Invalid("bad_request", "Where prompts are embedded, nothing is generated or echoed.", param="embed")
        if request.candidates_per_prompt < request.n:
            raise Invalid(
                "too_few_candidates",
                f"best_of is {request.best_of}, so {request.n} choices cannot be the best of them.",
                hint="Ask for best_of of at least n.",
                param="best_of",
            )
        if request.candidate_count > MAX_CHOICES:
            raise Invalid(
                "too_many_choices",
                f"{len(request.prompts)} prompts with {request.candidates_per_prompt} choices each make "
                f"{request.candidate_count}; the limit is {MAX_CHOICES}.",
                hint="Send fewer prompts per request.",
                param="n" if request.best_of is None else "best_of",
            )
        return request


def as_sent(prompt: Prompt) -> JsonValue:
    """A prompt as receipts digest it: text, a list of token ids, or an object with its messages."""
    if isinstance(prompt, Conversation):
        sent: JsonValue = prompt.model_dump(mode="json")
        return sent
    return prompt if isinstance(prompt, str) else list(prompt)


def as_read(prompt: Prompt) -> str:
    """A prompt for people to read."""
    if isinstance(prompt, Conversation):
        return "\n\n".join(f"{message.role}: {message.content}" for message in prompt.messages)
    return prompt if isinstance(prompt, str) else f"Token ids: {', '.join(map(str, prompt))}"


class Logprobs(Value):
    """OpenAI's completion log-probabilities: four columns, one entry per token.

    ``tokens`` are the tokens' own texts; one that is only part of a character reads ``bytes:\\xe2\\x82``.
    ``text_offset`` counts characters of the choice's text. The first token of an echoed prompt has no probability.
    """

    tokens: tuple[str, ...] = ()
    token_logprobs: tuple[float | None, ...] = ()
    top_logprobs: tuple[dict[str, float] | None, ...] = ()
    text_offset: tuple[int, ...] = ()


class ChoiceDelta(Value):
    """The next piece of one choice. Concatenated, a choice's deltas are its whole answer, prompt included if echoed."""

    index: int = Field(ge=0)
    text: str
    token_ids: TokenIds = ()
    """The tokens whose text begins in this piece."""
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None
    """Set on the last delta of the choice only."""


def joined(deltas: Sequence[ChoiceDelta]) -> ChoiceDelta:
    """Pieces of one choice that follow one another, as one. At least one is given."""
    if len(deltas) == 1:
        return deltas[0]
    scored = [delta.logprobs for delta in deltas if delta.logprobs is not None]
    columns = (tuple(chain.from_iterable(getattr(one, name) for one in scored)) for name in Logprobs.model_fields)
    return ChoiceDelta(
        index=deltas[0].index,
        text="".join(delta.text for delta in deltas),
        token_ids=tuple(chain.from_iterable(delta.token_ids for delta in deltas)),
        logprobs=Logprobs(**dict(zip(Logprobs.model_fields, columns, strict=True))) if scored else None,
        finish_reason=deltas[-1].finish_reason,
    )


def rounded(delta: ChoiceDelta, decimals: int | None) -> ChoiceDelta:
    """The same piece with every log-probability rounded to so many decimals; None leaves it as it is."""
    if decimals is None or delta.logprobs is None:
        return delta
    columns = delta.logprobs
    shown = columns.model_copy(
        update={
            "token_logprobs": tuple(
                None if value is None else round(value, decimals) for value in columns.token_logprobs
            ),
            "top_logprobs": tuple(
                None if top is None else {token: round(value, decimals) for token, value in top.items()}
                for top in columns.top_logprobs
            ),
        }
    )
    return delta.model_copy(update={"logprobs": shown})


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
    products: Products | None = None
    """How they were computed, as the worker says it."""


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
    choices: dict[int, list[ChoiceDelta]] = {}
    for delta in deltas:
        choices.setdefault(delta.index, []).append(delta)
    return tuple(ChoiceResult(**dict(joined(choices[index]))) for index in sorted(choices))
