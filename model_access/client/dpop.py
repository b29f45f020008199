"""DPoP (RFC 9449) for ``httpx``, and so for the stock ``openai`` client.

    from openai import DefaultHttpxClient, OpenAI
    from model_access.client import DPoPAuth, DPoPKey

    auth = DPoPAuth(token, DPoPKey.load(Path("dpop.pem")))
    client = OpenAI(base_url=f"{portal}/v1", api_key="bound to a key", http_client=DefaultHttpxClient(auth=auth))

``httpx`` takes a callable for authentication, so this module needs nothing of it.
"""

import secrets
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol, TypeVar

from agreements.canonical import canonical_bytes
from agreements.jose import ED25519, sign
from agreements.jwks import public_members
from agreements.proofs import PROOF_TYPE, access_token_hash
from model_access.client.keyfile import KeyFile


class _Request(Protocol):
    """As much of ``httpx.Request`` as a proof needs."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> Any: ...
    @property
    def headers(self) -> MutableMapping[str, str]: ...


R = TypeVar("R", bound=_Request)


class DPoPKey(KeyFile):
    """The key that tokens are bound to, by its thumbprint."""

    def proof(self, method: str, url: str, *, token: str | None = None, now_s: float) -> str:
        """A proof for one request, good for a minute and once."""
        claims: dict[str, str | int] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": int(now_s),
        }
        if token is not None:
            claims["ath"] = access_token_hash(token)
        header = {"typ": PROOF_TYPE, "alg": ED25519, "jwk": public_members(self.key)}
        return sign(header, canonical_bytes(dict(claims)), self.key)


class DPoPAuth:
    """Sends an access token with a fresh proof on every request: give it to ``httpx.Client(auth=…)``."""

    def __init__(self, token: str, key: DPoPKey, *, clock: Callable[[], float] = time.time) -> None:
        """``token`` is bound to ``key``; ``clock`` gives seconds since the epoch."""
        self._token, self._key, self._clock = token, key, clock

    def __call__(self, request: R) -> R:
        """The request with both headers, in place of whatever credential it had."""
        request.headers["Authorization"] = f"DPoP {self._token}"
        request.headers["DPoP"] = self._key.proof(
            request.method, str(request.url), token=self._token, now_s=self._clock()
        )
        return request

    def __repr__(self) -> str:
        return f"DPoPAuth(key={self._key.thumbprint})"
