"""ID tokens (OpenID Connect Core 1.0, section 3.1.3.7): signature, issuer, audience, nonce, time, each refused by name.

Only algorithms with a private and a public key are taken: under a symmetric one, whoever knows the client's secret or
a public key could sign (RFC 8725, sections 2.1 and 3.1).
"""

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from agreements.canonical import parse_json
from agreements.deciders import Value
from agreements.errors import ConcordatError, VerificationError
from portal.oidc.metadata import SigningKeys

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"}
)
SKEW: Final = timedelta(seconds=60)
"""How far clocks may differ."""
LONGEST: Final = 16 * 1024
"""Bytes of a token."""
_SUBJECT_LENGTH: Final = 255
_FAR: Final = 1e12
"""Seconds beyond which nothing is a time."""


class IdClaims(Value):
    """What the provider says of who signed in."""

    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""


def verify(
    token: str,
    find_keys: Callable[[str], SigningKeys],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: datetime,
) -> IdClaims:
    """Who signed in. ``find_keys`` gives the issuer's keys for a key id. Raises VerificationError with the reason."""
    key_id, algorithm = _header(token)
    keys = find_keys(key_id)
    key = keys.get(key_id) or (next(iter(keys.values())) if key_id == "" and len(keys) == 1 else None)
    if key is None:
        raise _refused("id_token_key_unknown", "names a key that the provider does not publish")
    try:
        payload = jws.deserialize_compact(token, key, algorithms=[algorithm]).payload
    except (JoseError, ValueError, TypeError):
        raise _refused("id_token_signature", "is not signed by the provider") from None
    claims = _claims(payload)
    if claims.get("iss") != issuer:
        raise _refused("wrong_issuer", "is of another issuer")
    if claims.get("aud") not in (client_id, [client_id]) or claims.get("azp", client_id) != client_id:
        raise _refused("wrong_audience", "is not for this portal alone")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), nonce.encode()):
        raise _refused("wrong_nonce", "does not answer this sign-in")
    _check_times(claims, now)
    return identity(claims)


def identity(claims: dict[str, Any]) -> IdClaims:
    """What claims say of a person, of the right types. Raises VerificationError ``id_token_malformed``."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT_LENGTH:
        raise _refused("id_token_malformed", "names nobody")
    return IdClaims(
        subject=subject,
        email=_text(claims, "email"),
        # Some providers write the truth as text; anything else is not true.
        email_verified=claims.get("email_verified") in (True, "true"),
        name=_text(claims, "name"),
    )


def _header(token: str) -> tuple[str, str]:
    """Key id and algorithm."""
    if len(token) > LONGEST:
        raise _refused("id_token_malformed", "is too large")
    try:
        encoded = token.split(".", maxsplit=1)[0]
        header = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("kid", ""), str):
        raise _refused("id_token_malformed", "cannot be read")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _refused("id_token_algorithm", "is signed in a way that the portal does not take")
    return header.get("kid", ""), algorithm


def _claims(payload: bytes) -> dict[str, Any]:
    """What was signed, of only one reading."""
    try:
        claims = parse_json(payload, LONGEST)
    except ConcordatError:
        claims = None
    if not isinstance(claims, dict):
        raise _refused("id_token_malformed", "cannot be read")
    return claims


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    moment, skew = now.timestamp(), SKEW.total_seconds()
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if moment >= expires + skew:
        raise _refused("id_token_expired", "is past its time")
    if max(issued, begins) > moment + skew:
        raise _refused("id_token_not_yet_valid", "was made in the future; compare the clocks")


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _FAR:
        raise _refused("id_token_malformed", "says not when it was made and until when it is good")
    return float(value)


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""


def _refused(code: str, why: str) -> VerificationError:
    return VerificationError(
        code, f"The identity provider's statement {why}.", hint="Begin again; if it happens again, tell a coordinator."
    )
