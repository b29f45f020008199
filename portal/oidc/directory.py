"""Discovery documents and keys of identity providers, kept a while, and asked for so that nobody can be made to wait.

Keys are asked for again when a token names one that is not known, at most once a minute for each provider: that is how
keys rotate, and nobody can make the portal ask in a loop. Anybody can begin a sign-in; so one request at a time goes to
a provider, a few wait for its answer, and one that failed is not repeated for a while.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from agreements.errors import ConcordatError, Unavailable
from portal.oidc.metadata import ProviderMetadata, SigningKeys, read_metadata, signing_keys
from portal.oidc.transport import ProviderHttp, unusable

KEPT_FOR: Final = timedelta(hours=1)
BETWEEN_KEY_LOOKUPS: Final = timedelta(minutes=1)
FAILURE_KEPT_FOR: Final = timedelta(seconds=15)
MOST_WAITING: Final = 5
"""Requests that ask one provider or wait for its answer; further ones are refused at once."""


@dataclass
class _Known:
    """What is known of one issuer, and the turn of those who ask it."""

    metadata: ProviderMetadata | None = None
    until: datetime | None = None
    failed: tuple[datetime, ConcordatError] | None = None
    keys: SigningKeys = field(default_factory=dict)
    keys_asked_at: datetime | None = None
    keys_failed: ConcordatError | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


class Directory:
    """Discovery documents and keys of the providers in use."""

    def __init__(self, http: ProviderHttp, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looking = threading.Lock()

    def metadata(self, issuer: str, *, afresh: bool = False) -> ProviderMetadata:
        """What the issuer says of itself.

        Raises Unavailable, Invalid, or VerificationError ``wrong_issuer``; the same again for a while, unless
        ``afresh``.
        """
        known = self._of(issuer)
        found = self._kept(known)
        if found is not None and not afresh:
            return found
        with self._turn(known):
            # Whoever asked meanwhile has the answer, good or bad.
            found = self._kept(known)
            if found is not None and not afresh:
                return found
            if known.failed is not None and self._clock() < known.failed[0] and not afresh:
                raise _again(known.failed[1])
            try:
                found = self._ask(issuer)
            except ConcordatError as refusal:
                known.failed = self._clock() + FAILURE_KEPT_FOR, refusal
                raise
            if known.metadata is not None and known.metadata.jwks_uri != found.jwks_uri:
                known.keys, known.keys_asked_at, known.keys_failed = {}, None, None
            known.metadata, known.until, known.failed = found, self._clock() + KEPT_FOR, None
            return found

    def known(self, issuer: str) -> ProviderMetadata | None:
        """What the issuer last said of itself, however long ago, without asking it."""
        return self._of(issuer).metadata

    def keys(self, issuer: str, key_id: str, *, afresh: bool = False) -> SigningKeys:
        """The issuer's keys, asked for again where ``key_id`` is not among them and that was not done just now.

        Raises as ``metadata`` does.
        """
        metadata, known = self.metadata(issuer), self._of(issuer)
        if not afresh and not self._due(known, key_id):
            return self._answer(known, key_id)
        with self._turn(known):
            if afresh or self._due(known, key_id):
                known.keys_asked_at, known.keys_failed = self._clock(), None
                try:
                    known.keys = self._ask_keys(metadata)
                except ConcordatError as refusal:
                    # What is too old to be gone by does not come to be good because nobody answers.
                    known.keys, known.keys_failed = {}, refusal
                    raise
            return self._answer(known, key_id)

    def _of(self, issuer: str) -> _Known:
        with self._looking:
            return self._known.setdefault(issuer, _Known())

    def _kept(self, known: _Known) -> ProviderMetadata | None:
        return known.metadata if known.until is not None and self._clock() < known.until else None

    def _due(self, known: _Known, key_id: str) -> bool:
        if known.keys_asked_at is None:
            return True
        age = self._clock() - known.keys_asked_at
        missing = not known.keys if key_id == "" else key_id not in known.keys
        return age >= KEPT_FOR or (missing and age >= BETWEEN_KEY_LOOKUPS)

    @staticmethod
    def _answer(known: _Known, key_id: str) -> SigningKeys:
        if known.keys_failed is not None and key_id not in known.keys:
            raise _again(known.keys_failed)
        return known.keys

    @contextmanager
    def _turn(self, known: _Known) -> Iterator[None]:
        with self._looking:
            if known.waiting >= MOST_WAITING:
                raise Unavailable(
                    "provider_busy",
                    "The identity provider answers slowly, and others wait for it already.",
                    hint="Try again in a moment.",
                )
            known.waiting += 1
        try:
            with known.turn:
                yield
        finally:
            with self._looking:
                known.waiting -= 1

    def _ask(self, issuer: str) -> ProviderMetadata:
        answer = self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if answer.status_code != 200:
            raise unusable(f"it answers discovery with status {answer.status_code}")
        return read_metadata(issuer, answer.document(), self._http.check)

    def _ask_keys(self, metadata: ProviderMetadata) -> SigningKeys:
        answer = self._http.get(metadata.jwks_uri)
        if answer.status_code != 200:
            raise unusable(f"it answers with status {answer.status_code} where its keys should be")
        return signing_keys(answer.document())


def _again(refusal: ConcordatError) -> ConcordatError:
    """The same refusal for somebody else: an exception belongs to the one who raised it."""
    return type(refusal)(refusal.code, refusal.message, hint=refusal.hint, fixer=refusal.fixer, param=refusal.param)
