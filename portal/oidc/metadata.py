"""What a provider says of itself (OpenID Connect Discovery 1.0) and the keys it signs with (RFC 7517)."""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from agreements.deciders import Value
from agreements.errors import VerificationError
from portal.oidc.transport import unusable

_MOST_KEYS: Final = 50
_SMALLEST_RSA: Final = 2048
"""Bits; smaller ones must not be used (RFC 7518, section 3.3)."""
_LARGEST_RSA: Final = 8192
"""Bits; larger ones only cost time."""
_MOST_WORDS: Final = 100
_LONGEST_WORD: Final = 100
_LONGEST_NAME: Final = 200

SigningKeys = Mapping[str, RSAKey | ECKey | OKPKey]
"""Public keys that sign, by key id; one without an id is under the empty one."""


class ProviderMetadata(Value):
    """The part of a discovery document that the portal goes by."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    names_itself: bool = False
    """Whether its answers carry its issuer (RFC 9207)."""
    client_authentication: tuple[str, ...] = ("client_secret_basic",)
    """How clients authenticate at its token endpoint; the default is that of Discovery 1.0, section 3."""
    scopes: tuple[str, ...] | None = None
    """What can be asked for; None where it does not say."""
    signing_algorithms: tuple[str, ...] = ()
    """By what it signs ID tokens, of what it lists."""


def read_metadata(issuer: str, document: dict[str, Any], check: Callable[[str], None]) -> ProviderMetadata:
    """What an issuer's discovery document says. ``check`` returns if the portal would connect to an address.

    Raises Unavailable ``provider_answer_unusable``, VerificationError ``wrong_issuer``, or what ``check`` raises.
    """
    # Discovery 1.0, section 4.3: exactly the issuer that was asked, or another could answer in its name.
    if document.get("issuer") != issuer:
        raise VerificationError(
            "wrong_issuer",
            "The identity provider names another issuer than the one it is registered under"
            f"{_named(document.get('issuer'))}.",
            hint="Register it under exactly the issuer that its discovery document names.",
        )
    addresses: dict[str, str | None] = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        addresses[name] = _address(document, name, check)
        if addresses[name] is None:
            raise unusable(f"its discovery document has no {name}")
    for name in ("userinfo_endpoint", "end_session_endpoint"):
        addresses[name] = _address(document, name, check)
    methods = document.get("code_challenge_methods_supported", ["S256"])
    if not isinstance(methods, list) or "S256" not in methods:
        raise unusable("it does not take PKCE with S256")
    return ProviderMetadata.model_validate(
        {
            **addresses,
            "issuer": issuer,
            "names_itself": document.get("authorization_response_iss_parameter_supported") is True,
            "client_authentication": _words(document, "token_endpoint_auth_methods_supported")
            or ("client_secret_basic",),
            "scopes": _words(document, "scopes_supported"),
            "signing_algorithms": _words(document, "id_token_signing_alg_values_supported") or (),
        }
    )


def _address(document: dict[str, Any], name: str, check: Callable[[str], None]) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise unusable(f"its {name} is no address")
    check(value)
    return value


def _words(document: dict[str, Any], name: str) -> tuple[str, ...] | None:
    """A list of short words; None where there is none, and without whatever is no short word."""
    listed = document.get(name)
    if not isinstance(listed, list):
        return None
    found = (one for one in listed[:_MOST_WORDS] if isinstance(one, str) and len(one) <= _LONGEST_WORD)
    return tuple(one for one in found if one.isascii() and one.isprintable())


def _named(issuer: object) -> str:
    """The issuer that a document names, where it can be shown: it often differs by a slash."""
    shown = isinstance(issuer, str) and len(issuer) <= _LONGEST_NAME and issuer.isascii() and issuer.isprintable()
    return f": {issuer}" if shown else ""


def signing_keys(document: dict[str, Any]) -> SigningKeys:
    """The public signing keys of a key set; what is no such key is passed over, above all symmetric ones."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise unusable("its key set is none")
    found: dict[str, RSAKey | ECKey | OKPKey] = {}
    for one in listed:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if one["kty"] == "RSA" and not _SMALLEST_RSA <= _modulus_bits(one) <= _LARGEST_RSA:
            continue
        public = {name: value for name, value in one.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
        try:
            key = KeySet.import_key_set({"keys": [public]}).keys[0]
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        key_id = one.get("kid", "")
        if isinstance(key, RSAKey | ECKey | OKPKey) and isinstance(key_id, str):
            found[key_id] = key
    return found


def _modulus_bits(key: dict[str, Any]) -> int:
    """The size of an RSA key; 0 for what is none."""
    modulus = key.get("n")
    try:
        return int.from_bytes(urlsafe_b64decode(f"{modulus}==")).bit_length() if isinstance(modulus, str) else 0
    except ValueError:
        return 0
