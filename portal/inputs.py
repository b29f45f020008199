"""What people type, made safe to keep: bounded text without control characters, and typed input or a refusal.

Text is normalised to NFC, so that the same words always have the same digest. Control characters, lone surrogates and
the bidirectional overrides that reorder what a reader sees are refused rather than dropped: nobody's words are altered.
"""

import unicodedata
from collections.abc import Collection, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError, ValidationInfo

from agreements.errors import Invalid
from agreements.texts import LAYOUT, MARKS, unprintable

M = TypeVar("M", bound=BaseModel)

_TYPED = {"from": "people"}
"""The validation context of what is sent, as against what is read from the store."""


def _refuse_unprintable(text: str, allowed: frozenset[str]) -> str:
    character = unprintable(text, allowed)
    if character is not None:
        raise ValueError(f"the character U+{ord(character):04X} is not allowed here")
    return unicodedata.normalize("NFC", text)


def _tolerated(info: ValidationInfo) -> frozenset[str]:
    """What is let through besides: nothing in what people send, directional marks in what is stored since long ago."""
    return frozenset() if info.context is _TYPED else MARKS


def _line(text: str, info: ValidationInfo) -> str:
    return _refuse_unprintable(text, _tolerated(info))


def _prose(text: str, info: ValidationInfo) -> str:
    return _refuse_unprintable(text.replace("\r\n", "\n"), LAYOUT | _tolerated(info))


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=160), AfterValidator(_line)]
"""One non-empty line of at most 160 characters."""

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_prose)]
"""Non-empty plain text or Markdown of at most 4000 characters, line breaks allowed."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
"""The id of an object that exists elsewhere in the portal."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A SHA-256 digest as the portal writes it."""


def clean(fields: Mapping[str, Any], *, lines: Collection[str] = ()) -> dict[str, Any]:
    """``fields`` with their texts made safe to keep, those named in ``lines`` as one line each; lengths are not judged.

    For commands whose own fields bound them. Raises Invalid ``bad_input`` naming the first field that does not fit.
    """
    found = dict(fields)
    for name, value in fields.items():
        if isinstance(value, str):
            try:
                text = value.strip().replace("\r\n", "\n")
                found[name] = _refuse_unprintable(text, frozenset() if name in lines else LAYOUT)
            except ValueError as error:
                raise _bad_input(name, str(error)) from None
    return found


def parse(model: type[M], data: Mapping[str, Any]) -> M:
    """``data`` as ``model``. Raises Invalid ``bad_input`` naming the first field that does not fit.

    The refusal repeats the rule that was broken and never the value, which may be confidential.
    """
    try:
        return model.model_validate(dict(data), context=_TYPED)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _bad_input(field, first["msg"]) from None


def _bad_input(field: str, rule: str) -> Invalid:
    return Invalid(
        "bad_input",
        f"{field or 'The input'}: {rule}.",
        hint="Correct the field and send it again.",
        param=field or None,
    )
