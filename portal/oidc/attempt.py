"""A sign-in under way: what ties the answer of a provider to the browser that went there, kept in that browser alone.

The cookie holds a random seed and where the attempt leads, under the portal's signature; state, nonce and PKCE
verifier are made from the seed and the portal's key, so that none of them has to be kept. An answer that comes to
another browser, late, or with another state belongs to no attempt (OAuth 2.0 Security BCP, RFC 9700, section 4.7).
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Final

from agreements.deciders import Value
from agreements.errors import Unauthenticated

LASTS: Final = timedelta(minutes=10)


class Attempt(Value):
    """A sign-in at one provider by one browser."""

    provider_id: str
    onward: str
    state: str
    nonce: str
    verifier: str


class Attempts:
    """Begins attempts and recognises them again. Good for as long as the process runs."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def begin(self, provider_id: str, onward: str, now: datetime) -> tuple[str, Attempt]:
        """A new attempt and the cookie that stands for it."""
        seed, until = secrets.token_urlsafe(32), int((now + LASTS).timestamp())
        content = urlsafe_b64encode(json.dumps([seed, provider_id, onward, until]).encode()).decode()
        return f"{content}.{self._mac('cookie', content)}", self._attempt(seed, provider_id, onward)

    def resume(self, cookie: str, state: str, now: datetime) -> Attempt:
        """The attempt that an answer belongs to. Raises Unauthenticated ``sign_in_not_begun_here``."""
        content, _, mac = cookie.partition(".")
        if not _same(mac, self._mac("cookie", content)):
            raise _not_begun()
        seed, provider_id, onward, until = json.loads(urlsafe_b64decode(content))
        attempt = self._attempt(seed, provider_id, onward)
        if now.timestamp() >= until or not _same(state, attempt.state):
            raise _not_begun()
        return attempt

    def _attempt(self, seed: str, provider_id: str, onward: str) -> Attempt:
        made = {name: self._mac(name, seed) for name in ("state", "nonce", "verifier")}
        return Attempt(provider_id=provider_id, onward=onward, **made)

    def _mac(self, use: str, text: str) -> str:
        digest = hmac.digest(self._key, f"{use}\0{text}".encode("utf-8", "replace"), hashlib.sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _not_begun() -> Unauthenticated:
    return Unauthenticated(
        "sign_in_not_begun_here",
        "This browser began no such sign-in, began another one since, or took too long.",
        hint="Begin again at the sign-in page.",
    )
