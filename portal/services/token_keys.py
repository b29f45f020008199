"""The keys that sign access tokens, and their rotation. Private halves are files of the keyring; the rest is record."""

import threading
from datetime import datetime, timedelta
from typing import Any

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Forbidden
from agreements.keys import SigningKey
from agreements.token_keys import RotateTokenKey, TokenKey, TokenKeys, WithdrawTokenKey
from agreements.tokens import TokenIssuer
from portal.config import MAX_TOKEN_HOURS, Settings
from portal.inputs import clean, parse
from portal.keyring import Keyring
from portal.services.aggregates import TOKEN_KEYS
from portal.services.clicks import clicked
from portal.services.kernel import Kernel

TOKEN_AUDIENCE = "concordat"  # noqa: S105 - the audience of access tokens, no secret

_STREAM = "access-tokens"
_NAME = "token"


class TokenKeyView(Value):
    """A key as it stands now. ``verifies_until`` is None for the one that signs."""

    kid: str
    public_key: str
    since: datetime | None
    verifies_until: datetime | None
    withdrawn_reason: str
    signs: bool
    verifies: bool


class TokenKeyService:
    """Says which key signs and which verify, and lets a coordinator change them."""

    def __init__(self, kernel: Kernel, keyring: Keyring, settings: Settings) -> None:
        self._kernel = kernel
        self._keyring = keyring
        self._settings = settings
        state = self._state()
        self._made = (state, self._issuer(state))
        self._making = threading.Lock()  # one is enough for a change

    def issuer(self) -> TokenIssuer:
        """What makes and checks tokens with the keys of this moment: those on record, whenever they were changed."""
        state = self._state()
        made_of, made = self._made
        if made_of == state:
            return made
        with self._making:
            made = self._issuer(state)
            self._made = (state, made)
        return made

    def jwks(self) -> dict[str, Any]:
        """The public keys that verify tokens now (RFC 7517)."""
        return self.issuer().jwks(self._kernel.clock())

    def trusts(self, kid: str) -> bool:
        """Whether tokens that name this key are taken now; read from the record itself."""
        now = self._kernel.clock()
        return any(
            kid in {key.kid, key.public.key_id} and (key.verifies_until is None or now < key.verifies_until)
            for key in self._keys(self._state())
        )

    def list(self, actor: Actor) -> tuple[TokenKeyView, ...]:
        """Every key, the one that signs first. Raises Forbidden for anyone but a coordinator."""
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator looks after the keys that sign tokens.")
        now = self._kernel.clock()
        return tuple(
            TokenKeyView(
                kid=key.kid,
                public_key=key.public_key,
                since=key.since,
                verifies_until=key.verifies_until,
                withdrawn_reason=key.withdrawn_reason,
                signs=key.verifies_until is None,
                verifies=key.verifies_until is None or now < key.verifies_until,
            )
            for key in reversed(self._keys(self._state()))
        )

    @clicked
    def rotate(
        self, actor: Actor, *, compromised: str | None = None, idempotency_key: str | None = None
    ) -> tuple[TokenKeyView, ...]:
        """Let a new key sign. The old one verifies until its last token has ended, or no longer if it is compromised.

        Raises Forbidden, Conflict or Invalid.
        """
        current = self._keys(self._state())[-1]
        why = clean({"compromised": compromised})
        key = SigningKey.generate()
        command = parse(
            RotateTokenKey,
            {
                "public_key": key.public.raw.hex(),
                "replaced": current.public_key,
                "longest": timedelta(hours=MAX_TOKEN_HOURS),
                **why,
            },
        )
        # Refused before a file is written; and the file is there before a token can be signed with it.
        TOKEN_KEYS.decider.decide(self._state(), command, actor, self._kernel.clock())
        self._keyring.keep_own(_NAME, key)
        try:
            state = self._kernel.execute(TOKEN_KEYS, _STREAM, command, actor, idempotency_key=idempotency_key)
        except BaseException:
            self._keyring.discard_own(_NAME, command.public_key)
            raise
        signing = state.signing
        if signing is not None and signing.public_key != command.public_key:
            self._keyring.discard_own(_NAME, command.public_key)  # an earlier request under the same key had done it
        self._afresh()
        return self.list(actor)

    @clicked
    def withdraw(self, actor: Actor, kid: str, *, reason: str) -> tuple[TokenKeyView, ...]:
        """Refuse the tokens of a key that was replaced before. Raises Forbidden, NotFound or Conflict."""
        self._kernel.execute(TOKEN_KEYS, _STREAM, parse(WithdrawTokenKey, clean({"kid": kid, "reason": reason})), actor)
        self._afresh()
        return self.list(actor)

    def _afresh(self) -> None:
        """Let go of private keys that are not needed any more.

        Not before a key is retired: a backup made at this moment may hold the record of before.
        """
        now, state = self._kernel.clock(), self._state()
        verifying = {key.public_key for key in state.verifying(now)}
        for key in state.keys:
            if key.public_key not in verifying:
                self._keyring.discard_own(_NAME, key.public_key)

    def _state(self) -> TokenKeys:
        return self._kernel.store.state(TOKEN_KEYS, _STREAM)[0]

    def _keys(self, state: TokenKeys) -> tuple[TokenKey, ...]:
        return state.keys or (TokenKey(public_key=self._keyring.own(_NAME).public.raw.hex()),)

    def _issuer(self, state: TokenKeys) -> TokenIssuer:
        *earlier, signing = self._keys(state)
        return TokenIssuer(
            self._keyring.kept_own(_NAME, signing.public_key),
            issuer=self._settings.url,
            audience=TOKEN_AUDIENCE,
            known_as=(self._settings.issuer,),
            earlier=[(key.public, key.verifies_until) for key in earlier if key.verifies_until is not None],
        )
