"""Public keys as JWK (RFC 7517): Ed25519 (RFC 8037) and P-256, read strictly, named by their RFC 7638 thumbprints."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from pydantic import Field

from agreements.canonical import b64url_decode
from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid
from agreements.jose import ED25519, ES256, Key
from agreements.keys import PublicKey

MAX_KEYS = 10

Thumbprint = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""SHA-256 of a key's required members (RFC 7638), base64url."""

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Mapping[tuple[str, str], tuple[str, ...]] = {("OKP", "Ed25519"): ("x",), ("EC", "P-256"): ("x", "y")}


class PublicJwk(Value):
    """A public key, reduced to what identifies it. ``kid`` is the key's thumbprint unless its owner names it."""

    kty: Literal["OKP", "EC"]
    crv: Literal["Ed25519", "P-256"]
    x: Annotated[str, Field(max_length=100)]
    y: Annotated[str, Field(max_length=100)] | None = None
    kid: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:/@+=-]+$")]

    @property
    def key(self) -> Key:
        """The key as an object that verifies."""
        return import_public(self.model_dump(mode="json", exclude={"kid"}, exclude_none=True))

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint."""
        return thumbprint_of(self.key)

    @property
    def algorithm(self) -> str:
        """What it signs with."""
        return ED25519 if self.kty == "OKP" else ES256


def read_jwk(value: object) -> PublicJwk:
    """A public JWK. Raises Invalid ``private_key_sent`` where it holds more than a public key, or ``bad_jwk``."""
    if not isinstance(value, Mapping):
        raise _bad("a key is a JSON object")
    if _PRIVATE & set(value):
        raise Invalid(
            "private_key_sent",
            "This holds a private or secret key. Nothing of it was kept.",
            hint="Make a new key, keep its private half to yourself and send the public half.",
            param="jwks",
        )
    named = {name: value[name] for name in ("kty", "crv", "x", "y") if value.get(name) is not None}
    key = import_public(named)
    kid = value.get("kid", thumbprint_of(key))
    if not isinstance(kid, str) or not 0 < len(kid) <= 100:
        raise _bad("its kid is no short text")
    try:
        return PublicJwk.model_validate({**named, "kid": kid})
    except ValueError:
        raise _bad("its members are not those of a public key") from None


def read_jwks(value: object) -> tuple[PublicJwk, ...]:
    """The keys of a JWK set, between one and ``MAX_KEYS``, told apart by ``kid``. Raises Invalid."""
    keys = value.get("keys") if isinstance(value, Mapping) else None
    if not isinstance(keys, Sequence) or isinstance(keys, str) or not 1 <= len(keys) <= MAX_KEYS:
        raise _bad(f"a JWK set has between 1 and {MAX_KEYS} keys under 'keys'")
    found = tuple(read_jwk(key) for key in keys)
    if len({key.kid for key in found}) < len(found) or len({key.thumbprint for key in found}) < len(found):
        raise _bad("two keys are the same or have the same kid")
    return found


def import_public(members: Mapping[str, Any]) -> Key:
    """A public key of its JWK members. Raises Invalid ``bad_jwk`` or ``weak_key``."""
    kind = (members.get("kty"), members.get("crv"))
    needed = _MEMBERS.get(kind) if all(isinstance(part, str) for part in kind) else None  # type: ignore[arg-type]  # the parts are strings, as was just asked
    if needed is None:
        raise _bad("only Ed25519 and P-256 keys are taken")
    if members.keys() != {"kty", "crv", *needed} or not all(isinstance(members[name], str) for name in needed):
        raise _bad(f"its members are kty, crv, {', '.join(needed)}")
    try:
        if kind[0] == "OKP":
            PublicKey.from_raw(b64url_decode(members["x"]))
            return OKPKey.import_key(dict(members))
        for name in needed:
            b64url_decode(members[name])
        return ECKey.import_key(dict(members))
    except ConcordatError as error:
        raise (error if error.code == "weak_key" else _bad("its coordinates are malformed")) from None
    except (JoseError, ValueError, TypeError, KeyError):
        raise _bad("it is no point of its curve") from None


def thumbprint_of(key: Key) -> str:
    """The RFC 7638 thumbprint of a key."""
    return str(key.thumbprint())


def public_members(key: Key) -> dict[str, Any]:
    """The public members of a key, in the order of RFC 7638."""
    known = key.as_dict(private=False)
    return {name: known[name] for name in ("crv", "kty", "x", "y") if name in known}


def _bad(why: str) -> Invalid:
    return Invalid(
        "bad_jwk",
        f"This is not a public key that the portal takes: {why}.",
        hint="Send a JWK set (RFC 7517) with public keys for Ed25519 or ES256.",
        param="jwks",
    )
