"""Conversations as prompts, and where a checkpoint says how one is laid out as text.

The layout is a Jinja template that came with the checkpoint: a program of a stranger's. It is read here and never run;
only a sandboxed worker does that.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from agreements.canonical import parse_json
from agreements.deciders import Value
from agreements.errors import ConcordatError
from agreements.values import later

MAX_MESSAGES = 1024
MAX_TEMPLATE_BYTES = 1 << 20
_MAX_CONFIG_BYTES = 64 << 20
_TEMPLATE, _CONFIG = TEMPLATE_FILES = ("chat_template.jinja", "tokenizer_config.json")
"""The files that may hold a template, the one that goes first ahead."""

Role = Literal["system", "developer", "user", "assistant"]


class Message(Value):
    """What one side said. ``developer`` is laid out as ``system``."""

    role: Role
    content: str
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = later()


class Conversation(Value):
    """Messages in order; the checkpoint is to write the next one, as the assistant."""

    messages: tuple[Message, ...] = Field(min_length=1, max_length=MAX_MESSAGES)


class ChatTemplate(Value):
    """A checkpoint's template, and the special tokens that it may write."""

    source: str
    tokens: dict[str, str]
    """By name, such as ``eos_token``."""

    @classmethod
    def of(cls, folder: Path) -> "ChatTemplate | None":
        """The template in a checkpoint's folder: ``chat_template.jinja``, else the one in ``tokenizer_config.json``.

        None where there is none that can be read.
        """
        config = _config(folder / _CONFIG)
        source = _text(folder / _TEMPLATE) or _default(config.get("chat_template"))
        if not source or len(source.encode()) > MAX_TEMPLATE_BYTES:
            return None
        tokens = {name: text for name, value in config.items() if (text := _token(name, value)) is not None}
        return cls(source=source, tokens=tokens)


def _config(path: Path) -> dict[str, Any]:
    try:
        value = parse_json(_read(path, _MAX_CONFIG_BYTES), _MAX_CONFIG_BYTES)
    except (OSError, ConcordatError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str | None:
    try:
        return _read(path, MAX_TEMPLATE_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return None


def _read(path: Path, most: int) -> bytes:
    """The file; no more than that of one that is too large, which is then empty."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    return content if len(content) <= most else b""


def _default(value: object) -> str | None:
    """The template that is meant where several have names."""
    if isinstance(value, list):
        named = [one for one in value if isinstance(one, dict) and one.get("name") == "default"]
        value = named[-1].get("template") if named else None
    return value if isinstance(value, str) else None


def _token(name: str, value: object) -> str | None:
    if not name.endswith("_token"):
        return None
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
