"""What somebody typed as JSON to replay a run: its prompts, and the answers that came then."""

import json
from contextlib import suppress

from pydantic import ValidationError

from agreements.errors import Invalid
from model_access.conversations import Conversation
from model_access.generation import Prompt


def as_prompts(typed: str) -> tuple[Prompt, ...]:
    """What JSON says: a text, token ids, a list of either, or a conversation. Raises Invalid."""
    value = _json(typed, "prompts")
    if isinstance(value, dict) and "messages" in value:
        with suppress(ValidationError):
            return (Conversation.model_validate({"messages": value["messages"]}),)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value:
        if all(_is_token(one) for one in value):
            return (tuple(value),)
        if all(isinstance(one, str) or (isinstance(one, list) and all(map(_is_token, one))) for one in value):
            return tuple(one if isinstance(one, str) else tuple(one) for one in value)
    raise Invalid(
        "bad_prompts",
        "The JSON is no text, no token ids, no list of either and no messages.",
        hint='For instance ["One prompt", "another"] or {"messages": [{"role": "user", "content": "Hello"}]}.',
        param="prompts",
    )


def as_texts(typed: str) -> tuple[str, ...]:
    """What JSON says: a list of texts. Raises Invalid."""
    value = _json(typed, "outputs")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise Invalid("bad_outputs", "The JSON is no list of texts.", hint='For instance ["One", "two"].', param="outputs")


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _json(typed: str, param: str) -> object:
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        raise Invalid(
            "bad_json", "What was typed is no JSON.", hint="Quote texts and escape line breaks.", param=param
        ) from None
