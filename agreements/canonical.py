"""One spelling per value: canonical JSON (RFC 8785), strict base64 (RFC 4648) and strict JSON reading (RFC 7493).

Whatever is hashed or signed goes through here, so that a value has one byte string and a byte string one value.
"""

import base64
import binascii
import hashlib
import json
import math
from typing import Any, NoReturn

import rfc8785
from pydantic import JsonValue

from agreements.errors import Invalid, TooLarge

MAX_DEPTH = 64
"""How many arrays and objects may stand inside one another."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every reader of JSON holds exactly."""

_FROM_URL = str.maketrans("-_", "+/")

_PLAIN_VALUES = "Use strings, finite numbers, true, false, null, arrays and objects; write large integers as strings."


def canonical_bytes(value: JsonValue) -> bytes:
    """The RFC 8785 bytes of a JSON value: sorted members, no white space, ECMAScript numbers, UTF-8.

    Raises Invalid ``not_canonical`` where there are none: non-finite numbers, integers beyond ``MAX_INTEGER``,
    lone surrogates, names that are no strings, values that are no JSON, nesting without end.
    """
    try:
        return rfc8785.dumps(value)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(
            "not_canonical", f"The value has no canonical JSON form ({type(error).__name__}).", hint=_PLAIN_VALUES
        ) from None


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: JsonValue) -> str:
    """``sha256:<hex>`` of the canonical bytes. Raises Invalid ``not_canonical``."""
    return f"sha256:{sha256_hex(canonical_bytes(value))}"


def b64encode(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str) -> bytes:
    """The bytes of which ``text`` is the one canonical base64 spelling. Raises Invalid ``bad_base64``.

    Line breaks, missing padding and non-zero trailing bits (RFC 4648 section 3.5) are refused: they would let one
    signed value be spelled in several ways.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (ValueError, TypeError):
        raise _bad_base64() from None
    if b64encode(data) != text:
        raise _bad_base64()
    return data


def b64url_encode(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """The bytes of which ``text`` is the one unpadded URL-safe spelling. Raises Invalid ``bad_base64``."""
    try:
        data = binascii.a2b_base64(text.translate(_FROM_URL) + "=" * (-len(text) % 4), strict_mode=True)
    except (ValueError, TypeError):
        raise _bad_base64() from None
    if b64url_encode(data) != text:
        raise _bad_base64()
    return data


def parse_json(data: bytes, max_bytes: int) -> JsonValue:
    """The JSON value that UTF-8 ``data`` holds, read so that no two readers can disagree about it.

    Raises TooLarge ``json_too_large`` over ``max_bytes``; Invalid ``bad_json`` for malformed text, a byte order mark,
    a name given twice in one object, a number that is not finite, an integer that would be rounded, a lone surrogate
    or nesting over ``MAX_DEPTH``.
    """
    if len(data) > max_bytes:
        raise TooLarge("json_too_large", f"The JSON text has {len(data)} bytes; {max_bytes} are allowed.")
    try:
        value: JsonValue = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_not_a_number,
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise _bad_json("it is not well formed UTF-8 JSON") from None
    _check_tree(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _bad_json("a name is given twice in one object")
    return members


def _integer(text: str) -> int | float:
    if len(text) <= len(str(-MAX_INTEGER)) and abs(number := int(text)) <= MAX_INTEGER:
        return number
    # Canonical JSON spells large doubles without an exponent; every other large integer would be rounded.
    real = _finite(text)
    if rfc8785.dumps(real).decode() != text:
        raise _bad_json(f"an integer is beyond ±{MAX_INTEGER} and not exact")
    return real


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _bad_json("a number is too large")
    return number


def _not_a_number(name: str) -> NoReturn:
    raise _bad_json(f"{name} is no JSON number")


def _check_tree(root: JsonValue) -> None:
    # A stack of its own, because the depth that is refused must not depend on the interpreter's.
    pending: list[tuple[JsonValue, int]] = [(root, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict | list):
            if depth == MAX_DEPTH:
                raise _too_deep()
            if isinstance(value, dict):
                for name in value:
                    _check_text(name)
                pending.extend((member, depth + 1) for member in value.values())
            else:
                pending.extend((item, depth + 1) for item in value)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _bad_json("a string holds half a surrogate pair") from None


def _too_deep() -> Invalid:
    return _bad_json(f"it is nested deeper than {MAX_DEPTH} levels")


def _bad_json(why: str) -> Invalid:
    return Invalid("bad_json", f"The JSON text is refused: {why}.")


def _bad_base64() -> Invalid:
    return Invalid("bad_base64", "The text is not canonical base64.", hint="Use standard base64 with padding.")
