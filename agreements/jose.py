"""Compact JWS (RFC 7515), read so that no two readers can disagree about it, and cheaply refused.

Sizes and nesting are bounded before anything is parsed, base64url and JSON have one spelling
(``agreements.canonical``), and the algorithm is the key's, never the header's word.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from pydantic import JsonValue

from agreements.canonical import b64url_decode, parse_json
from agreements.errors import ConcordatError, Invalid

MAX_HEADER_BYTES = 1024
MAX_BRACKETS = 48
"""Arrays and objects in one part; an upper bound of its nesting that costs no parsing."""

ED25519, ES256 = "Ed25519", "ES256"

Key = OKPKey | ECKey


@dataclass(frozen=True)
class Compact:
    """A compact JWS that was read and not yet verified."""

    text: str
    header: dict[str, JsonValue]
    payload: dict[str, JsonValue]
    payload_bytes: bytes
    """What ``payload`` was read from."""


def read_compact(text: str, *, max_bytes: int) -> Compact:
    """The parts of a compact JWS over JSON objects. Raises Invalid ``bad_jws`` saying what is wrong with it."""
    if len(text) > max_bytes:
        raise _bad("it is longer than any of its kind")
    if not text.isascii() or text.count(".") != 2:
        raise _bad("it does not have three parts of base64url")
    header, payload, signature = text.split(".")
    if not signature:
        raise _bad("it is not signed")
    head, _ = _object(header, MAX_HEADER_BYTES)
    body, body_bytes = _object(payload, max_bytes)
    return Compact(text, head, body, body_bytes)


def header_has(compact: Compact, names: Collection[str]) -> bool:
    """Whether the header has exactly these members: what is not expected (``jku``, ``x5u``, ``crit``) is never used."""
    return compact.header.keys() == set(names)


def verify(compact: Compact, key: Key) -> None:
    """Return if the signature is the key's, by the key's own algorithm. Raises Invalid ``bad_jws``."""
    algorithm = algorithm_of(key)
    if compact.header.get("alg") != algorithm:
        raise _bad("its algorithm is not that of the key")
    try:
        jws.deserialize_compact(compact.text, key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError, KeyError):
        raise _bad("its signature is not by that key") from None


def sign(header: dict[str, Any], payload: bytes, key: Key) -> str:
    """The compact serialisation, its header's members in the order given."""
    return jws.serialize_compact(header, payload, key, algorithms=[algorithm_of(key)])


def algorithm_of(key: Key) -> str:
    """The one algorithm (RFC 7518, RFC 9864) that goes with a key."""
    return ED25519 if isinstance(key, OKPKey) else ES256


def _object(part: str, max_bytes: int) -> tuple[dict[str, JsonValue], bytes]:
    if len(part) > max_bytes * 4 // 3 + 1:
        raise _bad("a part of it is longer than any of its kind")
    try:
        data = b64url_decode(part)
        if data.count(b"[") + data.count(b"{") > MAX_BRACKETS:
            raise _bad("it is nested too deeply")
        value = parse_json(data, max_bytes)
    except ConcordatError as error:
        raise (error if error.code == "bad_jws" else _bad("a part of it is not strict base64url and JSON")) from None
    if not isinstance(value, dict):
        raise _bad("a part of it is no JSON object")
    return value, data


def _bad(why: str) -> Invalid:
    return Invalid("bad_jws", why)
