"""Access tokens: JWT in the RFC 9068 profile, signed with Ed25519 (RFC 9864), naming a grant by RFC 9396 details.

A token only names; every request is checked against the live grant. Deliberate deviation: RFC 9068 asks for RS256
support, this profile is Ed25519 only.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from pydantic import Field, ValidationError

from agreements.deciders import Value
from agreements.errors import Unauthenticated
from agreements.keys import PublicKey, SigningKey

ALGORITHM = "Ed25519"
MAX_TOKEN_BYTES = 4096
DETAILS_TYPE = "concordat-access/v1"
LEEWAY_S = 5

Timestamp = Annotated[int, Field(ge=0, le=253_402_300_799)]


class AuthorizationDetails(Value):
    """RFC 9396: what the token is for. Empty of rights by itself: the grant it names is the truth."""

    type: Literal["concordat-access/v1"] = "concordat-access/v1"
    grant_id: Annotated[str, Field(max_length=80)] | None = None
    agreement_digest: Annotated[str, Field(max_length=80)] | None = None
    purpose: Annotated[str, Field(max_length=120)] | None = None
    """The purpose of runs that declare none themselves."""


class AccessClaims(Value):
    """The exact claim set (RFC 9068 section 2.2); times are seconds since the epoch."""

    iss: Annotated[str, Field(max_length=300)]
    aud: Annotated[str, Field(max_length=300)]
    sub: Annotated[str, Field(max_length=120)]
    client_id: Annotated[str, Field(max_length=120)]
    iat: Timestamp
    exp: Timestamp
    jti: Annotated[str, Field(min_length=8, max_length=80)]
    authorization_details: Annotated[tuple[AuthorizationDetails, ...], Field(min_length=1, max_length=1)]

    @property
    def details(self) -> AuthorizationDetails:
        """The one authorization detail."""
        return self.authorization_details[0]


class TokenIssuer:
    """Makes and checks the access tokens of one portal."""

    def __init__(self, key: SigningKey, *, issuer: str, audience: str) -> None:
        """``issuer`` and ``audience`` are the portal's identifiers, the same for the life of its data."""
        self._issuer, self._audience = issuer, audience
        self._kid = key.public.key_id
        self._private = OKPKey.import_key(key.to_pem(), {"kid": self._kid, "use": "sig", "alg": ALGORITHM})
        self._public = KeySet([public_jwk(key.public)])

    @property
    def issuer(self) -> str:
        """The ``iss`` of every token."""
        return self._issuer

    @property
    def audience(self) -> str:
        """The ``aud`` of every token."""
        return self._audience

    def jwks(self) -> dict[str, Any]:
        """The public keys as RFC 7517 JSON."""
        return dict(self._public.as_dict(private=False))

    def encode(self, claims: AccessClaims) -> str:
        """The compact serialisation."""
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self._kid}
        return jwt.encode(header, claims.model_dump(mode="json"), self._private, algorithms=[ALGORITHM])

    def decode(self, token: str, now: datetime) -> AccessClaims:
        """The claims of a token that is ours and in time.

        Raises Unauthenticated ``invalid_token`` or ``token_expired``.

        Only form, signature and time are checked here; whether it still opens anything is the live grant's word.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise _refused("it is longer than any token of this portal")
        try:
            decoded = jwt.decode(token, self._public, algorithms=[ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise _refused("it is malformed or was not signed by this portal") from None
        return self._check(decoded.header, decoded.claims, now)

    def _check(self, header: Mapping[str, Any], raw: Mapping[str, Any], now: datetime) -> AccessClaims:
        if header.get("typ") != "at+jwt" or set(header) != {"alg", "typ", "kid"}:
            raise _refused("its header is not that of an access token")
        try:
            claims = AccessClaims.model_validate(dict(raw), strict=False)
        except ValidationError:
            raise _refused("its claims are not those of an access token") from None
        if claims.iss != self._issuer or claims.aud != self._audience:
            raise _refused("it was issued by or for another portal")
        moment = now.timestamp()
        if claims.iat > moment + LEEWAY_S:
            raise _refused("it is not valid yet")
        if claims.exp <= moment:
            raise Unauthenticated(
                "token_expired",
                f"The access token expired on {datetime.fromtimestamp(claims.exp, UTC):%Y-%m-%d %H:%M} UTC.",
                hint="Issue a new one from the Tokens page of the portal.",
            )
        return claims


def public_jwk(key: PublicKey) -> OKPKey:
    """The key as RFC 8037 JWK."""
    return OKPKey.import_key(key.to_pem(), {"kid": key.key_id, "use": "sig", "alg": ALGORITHM})


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(
        "invalid_token",
        f"The access token is not accepted: {why}.",
        hint="Send 'Authorization: Bearer <access token>' with a token issued by this portal.",
    )
