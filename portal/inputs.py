"""What people type, made safe to keep: bounded text without control characters, and typed input or a refusal.

Text is normalised to NFC, so that the same words always have the same digest. Control characters, lone surrogates and
the bidirectional overrides that reorder what a reader sees are refused rather than dropped: nobody's words are altered.
"""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from agreements.errors import Invalid

M = TypeVar("M", bound=BaseModel)

_LAYOUT = frozenset("\n\t")
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _refuse_unprintable(text: str, allowed: frozenset[str]) -> str:
    for character in text:
        category = unicodedata.category(character)
        if (category in ("Cc", "Cs") and character not in allowed) or character in _REORDERING:
            raise ValueError(f"the character U+{ord(character):04X} is not allowed here")
    return unicodedata.normalize("NFC", text)


def _line(text: str) -> str:
    return _refuse_unprintable(text, frozenset())


def _prose(text: str) -> str:
    return _refuse_unprintable(text.replace("\r\n", "\n"), _LAYOUT)


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=160), AfterValidator(_line)]
"""One non-empty line of at most 160 characters."""

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_prose)]
"""Non-empty plain text or Markdown of at most 4000 characters, line breaks allowed."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
"""The id of an object that exists elsewhere in the portal."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A SHA-256 digest as the portal writes it."""


def parse(model: type[M], data: Mapping[str, Any]) -> M:
    """``data`` as ``model``. Raises Invalid ``bad_input`` naming the first field that does not fit.

    The refusal repeats the rule that was broken and never the value, which may be confidential.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            "bad_input",
            f"{field or 'The input'}: {first['msg']}.",
            hint="Correct the field and send it again.",
            param=field or None,
        ) from None
