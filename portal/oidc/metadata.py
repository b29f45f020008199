"""What a provider says of itself (OpenID Connect Discovery 1.0) and the keys it signs with (RFC 7517), kept a while.

Keys are asked for again when a token names one that is not known, at most once a minute for each provider: that is how
keys rotate, and nobody can make the portal ask in a loop.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from agreements.deciders import Value
from agreements.errors import VerificationError
from portal.oidc.transport import ProviderHttp, unusable

KEPT_FOR: Final = timedelta(hours=1)
BETWEEN_KEY_LOOKUPS: Final = timedelta(minutes=1)
_MOST_KEYS: Final = 50

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


@dataclass
class _Known:
    metadata: ProviderMetadata
    until: datetime
    keys: SigningKeys = field(default_factory=dict)
    keys_asked_at: datetime | None = None


class Directory:
    """Discovery documents and keys of the providers in use."""

    def __init__(self, http: ProviderHttp, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looking = threading.Lock()

    def metadata(self, issuer: str, *, afresh: bool = False) -> ProviderMetadata:
        """What the issuer says of itself. Raises Unavailable or Invalid, or VerificationError ``wrong_issuer``."""
        with self._looking:
            known = self._known.get(issuer)
        if known is not None and self._clock() < known.until and not afresh:
            return known.metadata
        document = self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.status_code != 200:
            raise unusable(f"it answers discovery with status {document.status_code}")
        found = self._read(issuer, document.document())
        with self._looking:
            kept = self._known.get(issuer)
            fresh = _Known(found, self._clock() + KEPT_FOR)
            if kept is not None and kept.metadata.jwks_uri == found.jwks_uri:
                fresh.keys, fresh.keys_asked_at = kept.keys, kept.keys_asked_at
            self._known[issuer] = fresh
        return found

    def keys(self, issuer: str, key_id: str) -> SigningKeys:
        """The issuer's keys, asked for again where ``key_id`` is not among them and that was not done just now."""
        metadata = self.metadata(issuer)
        with self._looking:
            known = self._known[issuer]
            now = self._clock()
            stale = known.keys_asked_at is None or now - known.keys_asked_at >= BETWEEN_KEY_LOOKUPS
            missing = not known.keys if key_id == "" else key_id not in known.keys
            old = known.keys_asked_at is None or now - known.keys_asked_at >= KEPT_FOR
            if not (old or (missing and stale)):
                return known.keys
            known.keys_asked_at = now
        answer = self._http.get(metadata.jwks_uri)
        if answer.status_code != 200:
            raise unusable(f"it answers with status {answer.status_code} where its keys should be")
        keys = signing_keys(answer.document())
        with self._looking:
            self._known[issuer].keys = keys
        return keys

    def _read(self, issuer: str, document: dict[str, Any]) -> ProviderMetadata:
        # Discovery 1.0, section 4.3: exactly the issuer that was asked, or another could answer in its name.
        if document.get("issuer") != issuer:
            raise VerificationError(
                "wrong_issuer",
                "The identity provider names another issuer than the one it is registered under.",
                hint="Register it under exactly the issuer that its discovery document names.",
            )
        addresses: dict[str, str | None] = {}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            addresses[name] = self._address(document, name)
            if addresses[name] is None:
                raise unusable(f"its discovery document has no {name}")
        for name in ("userinfo_endpoint", "end_session_endpoint"):
            addresses[name] = self._address(document, name)
        methods = document.get("code_challenge_methods_supported", ["S256"])
        if not isinstance(methods, list) or "S256" not in methods:
            raise unusable("it does not take PKCE with S256")
        return ProviderMetadata.model_validate(
            {
                **addresses,
                "issuer": issuer,
                "names_itself": document.get("authorization_response_iss_parameter_supported") is True,
            }
        )

    def _address(self, document: dict[str, Any], name: str) -> str | None:
        value = document.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise unusable(f"its {name} is no address")
        self._http.check(value)
        return value


def signing_keys(document: dict[str, Any]) -> SigningKeys:
    """The public signing keys of a key set; what is no such key is passed over, above all symmetric ones."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise unusable("its key set is none")
    found: dict[str, RSAKey | ECKey | OKPKey] = {}
    for one in listed:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") not in ("RSA", "EC", "OKP"):
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
