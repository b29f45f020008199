"""Access tokens: JWT in the RFC 9068 profile, signed with Ed25519 (RFC 9864), naming a grant by RFC 9396 details.

A token only names; every request is checked against the live grant. Deliberate deviation: RFC 9068 asks for RS256
support, this profile is Ed25519 only.

``kid`` stands first in the header and begins with ``concordat-``, so that every token begins with ``TOKEN_PREFIX`` and
secret scanners know one when they see it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NoReturn, Optional

from joserfc.jwk import OKPKey
from pydantic import Field, ValidationError

from agreements.canonical import b64url_encode, canonical_bytes
from agreements.deciders import Value, later
from agreements.errors import ConcordatError, Unauthenticated
from agreements.jose import ED25519, Compact, header_has, read_compact, sign, verify
from agreements.jwks import Thumbprint
from agreements.keys import PublicKey, SigningKey
from agreements.limits import AtOnce, Hours, Periods, PerMinute, RequestCount, Sampling, TokenCount
from agreements.narrowing import LIMITS, Narrowing
from agreements.precision import Precisions
from agreements.scopes import MAX_CHECKPOINTS, MAX_PURPOSES, Operation, Slug

ALGORITHM = ED25519
MAX_TOKEN_BYTES = 8192
DETAILS_TYPE = "concordat-access/v1"
LEEWAY_S = 5

KID_PREFIX = "concordat-"
TOKEN_PREFIX = b64url_encode(b'{"kid":"concordat-')
"""How every access token begins."""

Timestamp = Annotated[int, Field(ge=0, le=253_402_300_799)]


class Limits(Value):
    """How much a token opens of its grant, how requests may sample, and at which hours. As in ``Narrowing``."""

    token_budget: TokenCount | None = None
    requests_per_minute: PerMinute | None = None
    request_budget: RequestCount | None = later()
    periods: Periods = Field(default=(), exclude_if=lambda value: not value)
    concurrency: AtOnce | None = later()
    sampling: Sampling | None = later()
    hours: Hours | None = later()
    output_budget: TokenCount | None = later()
    logit_bias: bool | None = later()
    precisions: Precisions | None = later()


class AuthorizationDetails(Value):
    """RFC 9396: what the token is for. Empty of rights by itself: the grant it names and its record are the truth."""

    type: Literal["concordat-access/v1"] = "concordat-access/v1"
    grant_id: Annotated[str, Field(max_length=80)] | None = None
    agreement_digest: Annotated[str, Field(max_length=80)] | None = None
    purpose: Annotated[str, Field(max_length=120)] | None = None
    """The purpose of runs that declare none themselves."""
    checkpoints: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=MAX_CHECKPOINTS)] | None = None
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=len(Operation))] | None = None
    purposes: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=MAX_PURPOSES)] | None = None
    limits: Limits | None = None

    def narrowing(self) -> Narrowing:
        """What they say of checkpoints, operations, purposes and limits."""
        return Narrowing(
            checkpoints=None if self.checkpoints is None else frozenset(self.checkpoints),
            operations=None if self.operations is None else frozenset(self.operations),
            purposes=None if self.purposes is None else frozenset(self.purposes),
            **dict(self.limits or Limits()),
        )

    @classmethod
    def of(
        cls, narrowing: Narrowing, *, grant_id: str | None, agreement_digest: str | None, purpose: str | None
    ) -> "AuthorizationDetails":
        """The details that say so much."""
        limits = Limits(**{name: getattr(narrowing, name) for name in LIMITS})
        return cls(
            grant_id=grant_id,
            agreement_digest=agreement_digest,
            purpose=purpose,
            checkpoints=None if narrowing.checkpoints is None else tuple(sorted(narrowing.checkpoints)),
            operations=None if narrowing.operations is None else tuple(sorted(narrowing.operations)),
            purposes=None if narrowing.purposes is None else tuple(sorted(narrowing.purposes)),
            limits=None if limits == Limits() else limits,
        )


class Confirmation(Value):
    """RFC 7800: the key whose possession every request has to prove (RFC 9449 section 6.1)."""

    jkt: Thumbprint


class ActingParty(Value):
    """RFC 8693 section 4.1: who acts for the subject; inside it, who acted before."""

    sub: Annotated[str, Field(max_length=120)]
    act: Optional["ActingParty"] = None


class AccessClaims(Value):
    """The exact claim set (RFC 9068 section 2.2); times are seconds since the epoch."""

    iss: Annotated[str, Field(max_length=300)]
    aud: Annotated[str, Field(max_length=300)]
    sub: Annotated[str, Field(max_length=120)]
    client_id: Annotated[str, Field(max_length=120)]
    iat: Timestamp
    exp: Timestamp
    jti: Annotated[str, Field(min_length=8, max_length=80)]
    scope: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Areas of a token that names no grant; without it, all that its holder's role allows."""
    cnf: Confirmation | None = None
    act: ActingParty | None = None
    authorization_details: Annotated[tuple[AuthorizationDetails, ...], Field(min_length=1, max_length=1)]

    @property
    def details(self) -> AuthorizationDetails:
        """The one authorization detail."""
        return self.authorization_details[0]

    @property
    def holder(self) -> str:
        """Who uses the token: whoever acts for the subject, else the subject."""
        return self.act.sub if self.act is not None else self.sub


class TokenIssuer:
    """Makes and checks the access tokens of one portal."""

    def __init__(
        self,
        key: SigningKey,
        *,
        issuer: str,
        audience: str,
        known_as: Sequence[str] = (),
        earlier: Sequence[tuple[PublicKey, datetime]] = (),
    ) -> None:
        """``issuer`` and ``audience`` are the portal's identifiers.

        ``known_as`` are issuers that tokens still out may name, ``earlier`` keys that no longer sign, each with the
        moment until which it still verifies.
        """
        self._issuer, self._audience = issuer, audience
        self._accepted = frozenset({issuer, *known_as})
        self._kid = token_kid(key.public)
        self._private = OKPKey.import_key(key.to_pem())
        self._keys: dict[str, tuple[OKPKey, datetime | None]] = {}
        for public, until in ((key.public, None), *earlier):
            entry = (OKPKey.import_key(public.to_pem()), until)
            # Tokens of before the prefix name the key by its digest.
            self._keys[token_kid(public)] = self._keys[public.key_id] = entry

    @property
    def issuer(self) -> str:
        """The ``iss`` of every token."""
        return self._issuer

    @property
    def audience(self) -> str:
        """The ``aud`` of every token."""
        return self._audience

    def jwks(self, now: datetime) -> dict[str, Any]:
        """The public keys that verify at ``now``, as RFC 7517 JSON, the one that signs first."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
                for kid, (key, until) in self._keys.items()
                if kid.startswith(KID_PREFIX) and (until is None or now < until)
            ]
        }

    def encode(self, claims: AccessClaims) -> str:
        """The compact serialisation."""
        header = {"kid": self._kid, "typ": "at+jwt", "alg": ALGORITHM}
        return sign(header, canonical_bytes(claims.model_dump(mode="json", exclude_none=True)), self._private)

    def decode(self, token: str, now: datetime) -> AccessClaims:
        """The claims of a token that is ours and in time.

        Raises Unauthenticated ``invalid_token`` or ``token_expired``.

        Only form, signature and time are checked here; whether it still opens anything is the live grant's word.
        """
        return self.read(token, now)[0]

    def read(self, token: str, now: datetime) -> tuple[AccessClaims, str]:
        """``decode``, with the name of the key that signed the token."""
        claims, kid = self.identify(token, now)
        if claims.exp <= now.timestamp():
            raise expired(claims)
        return claims, kid

    def identify(self, token: str, now: datetime) -> tuple[AccessClaims, str]:
        """``read``, of a token whose time is over too: whose it was. Nothing may be opened by this."""
        try:
            compact = read_compact(token, max_bytes=MAX_TOKEN_BYTES)
            if compact.header.get("typ") != "at+jwt" or not header_has(compact, {"kid", "typ", "alg"}):
                _refuse("its header is not that of an access token")
            verify(compact, self._key(compact.header, now))
        except ConcordatError as error:
            if isinstance(error, Unauthenticated):
                raise
            _refuse(error.message)
        return self._check(compact, now), str(compact.header["kid"])

    def _key(self, header: Mapping[str, Any], now: datetime) -> OKPKey:
        kid = header.get("kid")
        key, until = self._keys.get(kid, (None, None)) if isinstance(kid, str) else (None, None)
        if key is None:
            _refuse("it was not signed by this portal")
        if until is not None and until <= now:
            _refuse("the key that signed it is retired")
        return key

    def _check(self, compact: Compact, now: datetime) -> AccessClaims:
        try:
            claims = AccessClaims.model_validate_json(compact.payload_bytes, strict=True)
        except ValidationError:
            _refuse("its claims are not those of an access token")
        if claims.iss not in self._accepted or claims.aud != self._audience:
            _refuse("it was issued by or for another portal")
        if claims.iat > now.timestamp() + LEEWAY_S:
            _refuse("it is not valid yet")
        return claims


def expired(claims: AccessClaims) -> Unauthenticated:
    """What to say of a token whose time is over."""
    return Unauthenticated(
        "token_expired",
        f"The access token expired on {datetime.fromtimestamp(claims.exp, UTC):%Y-%m-%d %H:%M} UTC.",
        hint="Issue a new one from the Tokens page of the portal.",
    )


def token_kid(key: PublicKey) -> str:
    """How the header of a token names the key that signed it."""
    return KID_PREFIX + key.key_id.removeprefix("sha256:")[:32]


def _refuse(why: str) -> NoReturn:
    raise Unauthenticated(
        "invalid_token",
        f"The access token is not accepted: {why}.",
        hint="Send 'Authorization: Bearer <access token>' with a token issued by this portal.",
    ) from None
