"""What a client signs to prove that it holds a key: DPoP proofs (RFC 9449) and client assertions (RFC 7523).

Both are compact JWS that live for moments and are good once. These functions say whether one is well made; that its
``jti`` was not seen before is for whoever remembers them.
"""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, NoReturn
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, ValidationError

from agreements.canonical import b64url_encode
from agreements.deciders import Value
from agreements.errors import ConcordatError, Unauthenticated
from agreements.jose import Compact, header_has, read_compact, verify
from agreements.jwks import PublicJwk, import_public, thumbprint_of
from agreements.tokens import Timestamp

MAX_PROOF_BYTES = 4096
PROOF_LIFE_S = 60
"""How long after it was made a DPoP proof is good."""
ASSERTION_LIFE_S = 300
"""The longest life of a client assertion."""
SKEW_S = 10
"""How far a client's clock may be ahead of the portal's."""

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PROOF_TYPE = "dpop+jwt"

Jti = Annotated[str, Field(min_length=8, max_length=128)]


class Proven(Value):
    """A proof that was well made: by whom, and what has to be remembered so that it is not used again."""

    by: str
    """The RFC 7638 thumbprint of the key, or the program's id."""
    jti: str
    made_at: datetime
    ends_at: datetime


class _Proof(Value):
    """The claims of RFC 9449 section 4.2; a nonce is never asked for and therefore never taken."""

    jti: Jti
    htm: Annotated[str, Field(max_length=20)]
    htu: Annotated[str, Field(max_length=2000)]
    iat: Timestamp
    ath: Annotated[str, Field(max_length=64)] | None = None


class _Assertion(Value):
    """The claims of RFC 7523 section 3; ``aud`` may be a list of one."""

    iss: Annotated[str, Field(max_length=120)]
    sub: Annotated[str, Field(max_length=120)]
    aud: Annotated[str, Field(max_length=2000)] | Annotated[tuple[str, ...], Field(min_length=1, max_length=1)]
    exp: Timestamp
    iat: Timestamp
    nbf: Timestamp | None = None
    jti: Jti

    @property
    def audience(self) -> str:
        """The one audience."""
        return self.aud if isinstance(self.aud, str) else self.aud[0]


def access_token_hash(token: str) -> str:
    """``ath`` (RFC 9449 section 4.2): SHA-256 of the access token, base64url."""
    return b64url_encode(sha256(token.encode("ascii", "replace")).digest())


def verify_proof(proof: str, *, method: str, urls: frozenset[str], now: datetime, token: str | None = None) -> Proven:
    """Who made a DPoP proof for a request to one of ``urls``, the spellings of one address.

    ``token`` is the access token that goes with it. Raises Unauthenticated ``invalid_proof`` saying what fails
    (RFC 9449 section 4.3).
    """
    try:
        compact = read_compact(proof, max_bytes=MAX_PROOF_BYTES)
        if compact.header.get("typ") != PROOF_TYPE or not header_has(compact, {"typ", "alg", "jwk"}):
            _refuse_proof("its header is not that of a DPoP proof with a public key")
        jwk = compact.header["jwk"]
        known = {"kid", "use", "alg", "key_ops"}
        members = {name: value for name, value in jwk.items() if name not in known} if isinstance(jwk, dict) else {}
        key = import_public(members)
        verify(compact, key)
        claims = _Proof.model_validate_json(compact.payload_bytes, strict=True)
    except ValidationError:
        _refuse_proof("its claims are not those of a DPoP proof")
    except ConcordatError as error:
        if isinstance(error, Unauthenticated):
            raise
        _refuse_proof(error.message.rstrip("."))
    if claims.htm != method or _address(claims.htu) not in {_address(url) for url in urls}:
        _refuse_proof("it was made for another request")
    moment = now.timestamp()
    if not moment - PROOF_LIFE_S <= claims.iat <= moment + SKEW_S:
        _refuse_proof(f"it was not made within the last {PROOF_LIFE_S} seconds")
    if claims.ath != (None if token is None else access_token_hash(token)):
        _refuse_proof("it does not go with this access token")
    return _proven(thumbprint_of(key), claims.jti, claims.iat, claims.iat + PROOF_LIFE_S, now)


def client_of(compact: Compact) -> str:
    """The client that an assertion says it comes from, not verified."""
    claimed = compact.payload.get("sub")
    return claimed if isinstance(claimed, str) else ""


def read_assertion(assertion: str) -> Compact:
    """A client assertion, not verified. Raises Unauthenticated ``invalid_client``."""
    try:
        return read_compact(assertion, max_bytes=MAX_PROOF_BYTES)
    except ConcordatError as error:
        _refuse_assertion(error.message.rstrip("."))


def verify_assertion(
    compact: Compact, *, client_id: str, keys: tuple[PublicJwk, ...], audiences: frozenset[str], now: datetime
) -> Proven:
    """That a client assertion is by one of the client's keys, for us and for now.

    Raises Unauthenticated ``invalid_client`` saying what fails (RFC 7523 section 3).
    """
    names = set(compact.header) - {"typ", "kid"}
    if names != {"alg"} or compact.header.get("typ", "JWT") not in {"JWT", "client-authentication+jwt"}:
        _refuse_assertion("its header is not that of a client assertion")
    kid = compact.header.get("kid")
    candidates = [key for key in keys if kid in (None, key.kid) and key.algorithm == compact.header.get("alg")]
    if not any(_signed_by(compact, key) for key in candidates):
        _refuse_assertion("it was not signed with one of the program's registered keys")
    try:
        claims = _Assertion.model_validate_json(compact.payload_bytes, strict=True)
    except ValidationError:
        _refuse_assertion("its claims are not those of a client assertion with iat and jti")
    if claims.iss != client_id or claims.sub != client_id:
        _refuse_assertion("its iss and sub are not the client's id")
    if claims.audience not in audiences:
        _refuse_assertion("it is for another server")
    moment = now.timestamp()
    if claims.exp <= moment:
        _refuse_assertion("its time is over")
    if max(claims.iat, claims.nbf or 0) > moment + SKEW_S:
        _refuse_assertion("it is not valid yet")
    if claims.exp - claims.iat > ASSERTION_LIFE_S:
        _refuse_assertion(f"it lives longer than {ASSERTION_LIFE_S} seconds")
    return _proven(client_id, claims.jti, claims.iat, claims.exp, now)


def _signed_by(compact: Compact, jwk: PublicJwk) -> bool:
    try:
        verify(compact, jwk.key)
    except ConcordatError:
        return False
    return True


def _proven(by: str, jti: str, made: int, ends: int, now: datetime) -> Proven:
    return Proven(
        by=by,
        jti=jti,
        made_at=datetime.fromtimestamp(made, now.tzinfo),
        ends_at=datetime.fromtimestamp(ends + SKEW_S, now.tzinfo),
    )


def _address(url: str) -> str:
    """An address as far as a proof is compared: without query and fragment (RFC 9449 section 4.3), host in small."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "") if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    netloc = host if port in (None, usual) else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", "", ""))


def _refuse_proof(why: str) -> NoReturn:
    raise Unauthenticated(
        "invalid_proof",
        f"The DPoP proof is not accepted: {why}.",
        hint="Make one proof for each request, with the key that the token is bound to.",
    ) from None


def _refuse_assertion(why: str) -> NoReturn:
    raise Unauthenticated(
        "invalid_client",
        f"The client assertion is not accepted: {why}.",
        hint="Sign a fresh one for each request to the token endpoint (private_key_jwt).",
    ) from None
