"""The chat API on the wire. What the engine does not do is refused by name, as in completions."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, StrictBool, StrictInt, StrictStr

from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.conversations import MAX_MESSAGES, Conversation, Message
from model_access.generation import MAX_ALTERNATIVES, ChoiceDelta, ChoiceResult, Finished, GenerationRequest, Logprobs
from model_access.runs import RunTerms
from portal.api.openai.wire import SamplingBody, Usage, unsupported

_BYTES_PREFIX: Final = "bytes:"
_ROLES: Final = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}
_NEUTRAL: Final[dict[str, tuple[JsonValue, ...]]] = {
    "audio": (),
    "function_call": ("none",),
    "functions": ([],),
    "modalities": (["text"],),
    "parallel_tool_calls": (False, True),
    "prediction": (),
    "reasoning_effort": ("none",),
    "service_tier": ("auto", "default"),
    "response_format": ({"type": "text"},),
    "store": (False,),
    "tool_choice": ("none",),
    "tools": ([],),
    "verbosity": (),
    "web_search_options": (),
}
"""Parameters that nothing here honours, with the values that ask for nothing."""


class ChatMessage(Value):
    """A message as it is sent. What is not text is refused by name."""

    role: StrictStr
    content: JsonValue = None
    name: Annotated[StrictStr, Field(min_length=1, max_length=64)] | None = None
    refusal: StrictStr | None = None
    """What an assistant's message of an earlier answer has; null there."""
    tool_calls: JsonValue = None
    tool_call_id: JsonValue = None
    function_call: JsonValue = None
    audio: JsonValue = None
    annotations: JsonValue = None

    def message(self, at: str) -> Message:
        """The message. Raises Invalid naming what is wrong at ``at``."""
        role = _ROLES.get(self.role)
        if role is None:
            raise unsupported(
                f"{at}.role",
                f"There are no {self.role[:40]!r} messages here.",
                "Use system, developer, user or assistant.",
            )
        for name in ("tool_calls", "tool_call_id", "function_call", "audio", "annotations"):
            if getattr(self, name) not in (None, []):
                raise unsupported(f"{at}.{name}")
        return Message.model_validate({"role": role, "content": self._text(f"{at}.content"), "name": self.name})

    def _text(self, at: str) -> str:
        if isinstance(self.content, str):
            return self.content
        if not isinstance(self.content, list) or not self.content:
            raise Invalid("bad_input", f"{at}: a message has text, or a list of parts that are text.", param=at)
        texts = []
        for place, part in enumerate(self.content):
            kind = part.get("type") if isinstance(part, dict) else None
            text = part.get("text") if isinstance(part, dict) else None
            if kind != "text":
                shown = kind[:40] if isinstance(kind, str) else "something else"
                raise unsupported(f"{at}.{place}", f"A part of a message can be text here, not {shown}.")
            if not isinstance(text, str):
                raise Invalid("bad_input", f"{at}.{place}.text: it has to be text.", param=f"{at}.{place}.text")
            texts.append(text)
        return "\n".join(texts)


Messages = Annotated[tuple[ChatMessage, ...], Field(min_length=1, max_length=MAX_MESSAGES)]


def conversation(messages: Messages) -> Conversation:
    """The messages as a prompt. Raises Invalid naming what is wrong."""
    return Conversation(messages=tuple(one.message(f"messages.{place}") for place, one in enumerate(messages)))


class ChatBody(SamplingBody):
    """The body of ``POST /v1/chat/completions``."""

    messages: Messages
    max_completion_tokens: StrictInt | None = None
    """The newer name of ``max_tokens``; without either, as many as fit."""
    logprobs: StrictBool | None = None
    top_logprobs: StrictInt | None = None
    metadata: dict[StrictStr, StrictStr] | None = None
    """Accepted and not kept."""
    safety_identifier: StrictStr | None = None
    """Accepted and ignored, as ``user`` is."""

    audio: JsonValue = None
    function_call: JsonValue = None
    functions: JsonValue = None
    modalities: JsonValue = None
    parallel_tool_calls: JsonValue = None
    prediction: JsonValue = None
    reasoning_effort: JsonValue = None
    response_format: JsonValue = None
    service_tier: JsonValue = None
    store: JsonValue = None
    tool_choice: JsonValue = None
    tools: JsonValue = None
    verbosity: JsonValue = None
    web_search_options: JsonValue = None

    def request(self) -> GenerationRequest:
        """What is asked of the engine. Raises Invalid naming the parameter."""
        for name, neutral in _NEUTRAL.items():
            value = getattr(self, name)
            if value is not None and value not in neutral:
                raise unsupported(name)
        most = self._most()
        return self.sampled(
            prompts=(conversation(self.messages),),
            logprobs=self._alternatives(),
            max_tokens=1 if most is None else most,
            fits=most is None,
        )

    def _most(self) -> int | None:
        if self.max_completion_tokens is None:
            named, most = "max_tokens", self.max_tokens
        else:
            named, most = "max_completion_tokens", self.max_completion_tokens
            if self.max_tokens not in (None, most):
                raise Invalid(
                    "bad_input",
                    "max_tokens and max_completion_tokens mean the same and say different things.",
                    hint="Give one of them.",
                    param="max_completion_tokens",
                )
        if most is not None and most < 1:
            raise Invalid("bad_input", f"{named} has to be at least 1.", param=named)
        return most

    def _alternatives(self) -> int | None:
        if not self.logprobs:
            if self.top_logprobs:
                raise Invalid(
                    "bad_input", "top_logprobs needs logprobs.", hint="Set logprobs to true.", param="top_logprobs"
                )
            return None
        most = self.top_logprobs or 0
        if not 0 <= most <= MAX_ALTERNATIVES:
            raise Invalid("bad_input", f"top_logprobs: it is 0 to {MAX_ALTERNATIVES}.", param="top_logprobs")
        return most


class TopLogprob(Value):
    """A token that might have come, with its log-probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None


class TokenLogprob(TopLogprob):
    """A token that came."""

    top_logprobs: tuple[TopLogprob, ...]


class ChatLogprobs(Value):
    """Log-probabilities of a message's tokens."""

    content: tuple[TokenLogprob, ...]
    refusal: None = None

    @classmethod
    def of(cls, columns: Logprobs | None, most: int) -> "ChatLogprobs | None":
        """From the engine's columns, with the ``most`` most likely alternatives of each token."""
        if columns is None:
            return None
        rows = zip(columns.tokens, columns.token_logprobs, columns.top_logprobs, strict=True)
        return cls(
            content=tuple(
                TokenLogprob(
                    token=token,
                    logprob=logprob or 0.0,
                    bytes=_bytes_of(token),
                    top_logprobs=_ranked(top or {}, most),
                )
                for token, logprob, top in rows
            )
        )


def _ranked(top: dict[str, float], most: int) -> tuple[TopLogprob, ...]:
    ranked = sorted(top.items(), key=lambda pair: -pair[1])[:most]
    return tuple(TopLogprob(token=token, logprob=value, bytes=_bytes_of(token)) for token, value in ranked)


def _bytes_of(token: str) -> tuple[int, ...]:
    r"""A token's bytes; one that is part of a character is named ``bytes:\xe2\x82``."""
    if token.startswith(f"{_BYTES_PREFIX}\\x"):
        return tuple(bytes.fromhex(token.removeprefix(_BYTES_PREFIX).replace("\\x", "")))
    return tuple(token.encode())


class Answer(Value):
    """The message that was written."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(Value):
    """One choice."""

    index: int
    message: Answer
    logprobs: ChatLogprobs | None
    finish_reason: Literal["stop", "length"] | None


class ChatCompletion(Value):
    """An answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    """The manifest digest of the checkpoint that answered."""
    choices: tuple[ChatChoice, ...]
    usage: Usage


class ChatShape:
    """How conversations are answered: streamed, each choice begins with who speaks and ends with why it ended."""

    asks_in = "messages"

    def __init__(self) -> None:
        self._begun: set[int] = set()

    def whole(self, terms: RunTerms, created: int, end: Finished, choices: tuple[ChoiceResult, ...]) -> dict[str, Any]:
        """See ``Shape``."""
        return ChatCompletion(
            **_head(terms, created),
            choices=tuple(
                ChatChoice(
                    index=choice.index,
                    message=Answer(content=choice.text),
                    logprobs=ChatLogprobs.of(choice.logprobs, _most(terms)),
                    finish_reason=choice.finish_reason,
                )
                for choice in choices
            ),
            usage=Usage.of(end),
        ).model_dump(mode="json")

    def chunks(self, terms: RunTerms, created: int, delta: ChoiceDelta) -> Iterable[dict[str, Any]]:
        """See ``Shape``."""
        if delta.index not in self._begun:
            self._begun.add(delta.index)
            yield _chunk(terms, created, _piece(delta.index, {"role": "assistant", "content": "", "refusal": None}))
        logprobs = ChatLogprobs.of(delta.logprobs, _most(terms))
        if delta.text or (logprobs is not None and logprobs.content):
            said = logprobs.model_dump(mode="json") if logprobs is not None else None
            yield _chunk(terms, created, _piece(delta.index, {"content": delta.text}, logprobs=said))
        if delta.finish_reason is not None:
            yield _chunk(terms, created, _piece(delta.index, {}, finish_reason=delta.finish_reason))

    def closing(self, terms: RunTerms, created: int, end: Finished) -> dict[str, Any]:
        """See ``Shape``."""
        return {**_chunk(terms, created), "usage": Usage.of(end).model_dump(mode="json")}


def _most(terms: RunTerms) -> int:
    asked = terms.parameters.get("logprobs")
    return asked if isinstance(asked, int) else 0


def _head(terms: RunTerms, created: int) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{terms.run_id}",
        "created": created,
        "model": terms.checkpoint_id,
        "system_fingerprint": terms.manifest_digest,
    }


def _chunk(terms: RunTerms, created: int, *choices: dict[str, Any]) -> dict[str, Any]:
    return {
        **_head(terms, created),
        "object": "chat.completion.chunk",
        "choices": list(choices),
        "usage": None,
    }


def _piece(
    index: int, delta: dict[str, Any], *, logprobs: dict[str, Any] | None = None, finish_reason: str | None = None
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
