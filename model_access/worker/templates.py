"""Running a checkpoint's chat template. A stranger's program: imported only inside the sandbox.

Jinja's own sandbox keeps it from Python, the worker's from everything else, and a timer from running on. It is given
no clock, so that the same conversation is the same text on any day.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from agreements.errors import Invalid
from model_access.conversations import ChatTemplate, Conversation

MAX_SECONDS = 2.0
_MAX_BYTES = 2 << 20


class _Refusal(TemplateError):
    """What the template itself raised."""


class _TooLong(BaseException):
    """Time is up. No handler of a library's own takes it for an ordinary error."""


class _Generation(Extension):
    """``{% generation %}`` marks what the assistant wrote, for training; what it encloses is written as it is."""

    tags = frozenset({"generation"})  # type: ignore[assignment] # Jinja only asks what is in it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Names(Namespace):
    """A template's variables; none may take a name that Python gives a meaning."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError("a variable's name begins with an underscore")
        super().__setitem__(name, value)


class Layout:
    """Lays conversations out with one template."""

    def __init__(self, template: ChatTemplate) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _as_json
        environment.globals["raise_exception"] = _raise
        environment.globals["namespace"] = _Names
        self._environment, self._template = environment, template
        self._compiled: Template | None = None

    def text(self, conversation: Conversation) -> str:
        """The conversation up to where the assistant begins to write.

        Raises Invalid ``template_refused``, with the template's own words where it gave any, or ``template_failed``.
        """
        try:
            with _time_limit(MAX_SECONDS):
                if self._compiled is None:
                    self._compiled = self._environment.from_string(self._template.source)
                text = self._compiled.render(
                    **self._template.tokens,
                    messages=[_plain(message.model_dump(exclude_none=True)) for message in conversation.messages],
                    add_generation_prompt=True,
                    tools=None,
                    documents=None,
                )
                size = len(text.encode())  # which half a surrogate pair has none of
        except _Refusal as refusal:
            raise Invalid("template_refused", _sayable(str(refusal))) from None
        except (Exception, _TooLong):  # noqa: BLE001 - a stranger's program may raise anything
            raise Invalid("template_failed", "") from None
        if size > _MAX_BYTES:
            raise Invalid("template_failed", "")
        return text


def _sayable(words: str) -> str:
    return words.encode(errors="replace").decode()


def _plain(message: dict[str, str]) -> dict[str, str]:
    return {**message, "role": "system"} if message["role"] == "developer" else message


def _raise(message: object = "") -> NoReturn:
    raise _Refusal(str(message))


def _as_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, sort_keys=bool(more.get("sort_keys")))


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise _TooLong in this thread, which has to be the main one, once the time is over."""

    def over(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
