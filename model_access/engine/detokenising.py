"""Turning tokens into text one by one, without ever showing half a character."""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CONTEXT_TOKENS = 6


class Detokeniser:
    """Decodes a growing sequence. Text whose last character is incomplete is held back until it decodes.

    Works on a short window, so cost per token is constant; the tokens before the text give decoders that treat the
    beginning of a text specially (SentencePiece's leading space) their context.
    """

    def __init__(self, decode: Decode, context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._window = list(context)
        self._advance()

    def feed(self, token: int) -> str:
        """Take one token; the text that is now certain."""
        self._window.append(token)
        text = self._fresh()
        if not text or text.endswith(_REPLACEMENT):
            return ""
        self._advance()
        return text

    def flush(self) -> str:
        """The text still held back, with U+FFFD for what never became a character."""
        text = self._fresh()
        self._advance()
        return text

    def _fresh(self) -> str:
        if self._shown == len(self._window):
            return ""
        return self._decode(self._window)[len(self._before) :]

    def _advance(self) -> None:
        """All of the window has been shown, and so much of it stays as what comes next is decoded after."""
        self._window = self._window[-_CONTEXT_TOKENS:]
        self._before = self._decode(self._window) if self._window else ""
        if self._before.endswith(_REPLACEMENT):
            # It breaks off inside a character: what follows cannot be told from it.
            self._window, self._before = [], ""
        self._shown = len(self._window)
