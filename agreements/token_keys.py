"""The keys that sign access tokens: one signs, those before it verify until their last token has ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, NotFound
from agreements.institutions import KeyHex
from agreements.keys import PublicKey
from agreements.tokens import token_kid


class TokenKey(Value):
    """A key by its public half (raw, hex)."""

    public_key: KeyHex
    since: datetime | None = None
    """None for the key that the portal was made with."""
    verifies_until: datetime | None = None
    """None while it signs."""
    withdrawn_reason: str = ""

    @property
    def public(self) -> PublicKey:
        """The key as an object that verifies."""
        return PublicKey.from_raw(bytes.fromhex(self.public_key))

    @property
    def kid(self) -> str:
        """How tokens name it."""
        return token_kid(self.public)


class TokenKeys(Value):
    """Current state; empty until the first rotation. The key that signs is the last one."""

    keys: tuple[TokenKey, ...] = ()

    @property
    def signing(self) -> TokenKey | None:
        """The key that signs."""
        return self.keys[-1] if self.keys else None

    def verifying(self, now: datetime) -> tuple[TokenKey, ...]:
        """Those whose tokens are still good at ``now``."""
        return tuple(key for key in self.keys if key.verifies_until is None or now < key.verifies_until)


class TokenKeyRotated(Event, type="token_keys:rotated"):
    """Another key signs from now on."""

    public_key: KeyHex
    replaced: KeyHex
    verifies_until: datetime
    """Until when tokens of the replaced key are good; the moment itself where that key is not trusted any more."""
    reason: str = ""
    at: datetime


class TokenKeyWithdrawn(Event, type="token_keys:withdrawn"):
    """A key that was replaced before is not trusted any more: its tokens are refused."""

    public_key: KeyHex
    reason: str
    at: datetime


Reason = Annotated[str, Field(min_length=3, max_length=500)]


class RotateTokenKey(Value):
    """Let another key sign.

    ``compromised`` says why the key that signed is not to be trusted any more; without it, its tokens stay good for
    the ``longest`` life of one.
    """

    public_key: KeyHex
    replaced: KeyHex
    longest: timedelta
    compromised: Reason | None = None


class WithdrawTokenKey(Value):
    """Refuse the tokens of a key that was replaced before."""

    kid: Annotated[str, Field(max_length=80)]
    reason: Reason


TokenKeysCommand = RotateTokenKey | WithdrawTokenKey


def decide(state: TokenKeys, command: TokenKeysCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound or Conflict."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator changes the keys that sign tokens.")
    match command:
        case RotateTokenKey():
            if any(key.public_key == command.public_key for key in state.keys):
                raise Conflict("key_known", "This key signed before; a key that was replaced never comes back.")
            if state.signing is not None and state.signing.public_key != command.replaced:
                raise Conflict("key_replaced", "Somebody else changed the key meanwhile.", hint="Look again.")
            compromised = command.compromised is not None
            return [
                TokenKeyRotated(
                    public_key=command.public_key,
                    replaced=command.replaced,
                    verifies_until=now if compromised else now + command.longest,
                    reason=command.compromised or "",
                    at=now,
                )
            ]
        case WithdrawTokenKey():
            key = next((key for key in state.keys if key.kid == command.kid), None)
            if key is None:
                raise NotFound("token_key_not_found", f"No key {command.kid!r} ever signed tokens here.")
            if key.verifies_until is None:
                raise Conflict(
                    "key_signs",
                    "This key signs today's tokens.",
                    hint="Rotate it and say that it is compromised: another signs, and its tokens are refused at once.",
                )
            if key.verifies_until <= now:
                raise Conflict("key_retired", "Tokens of this key are refused already.")
            return [TokenKeyWithdrawn(public_key=key.public_key, reason=command.reason, at=now)]


def evolve(state: TokenKeys, event: Event) -> TokenKeys:
    """Fold one event into the state."""
    match event:
        case TokenKeyRotated():
            before = state.keys or (TokenKey(public_key=event.replaced),)
            ended = before[-1].model_copy(
                update={"verifies_until": event.verifies_until, "withdrawn_reason": event.reason}
            )
            return TokenKeys(keys=(*before[:-1], ended, TokenKey(public_key=event.public_key, since=event.at)))
        case TokenKeyWithdrawn():
            ended_keys = tuple(
                key.model_copy(update={"verifies_until": event.at, "withdrawn_reason": event.reason})
                if key.public_key == event.public_key
                else key
                for key in state.keys
            )
            return TokenKeys(keys=ended_keys)
        case _:
            raise TypeError(f"the keys of tokens have no event {event.type_name!r}")


TOKEN_KEYS: Decider[TokenKeys, TokenKeysCommand] = Decider(
    category="token_keys", initial=TokenKeys(), decide=decide, evolve=evolve
)
