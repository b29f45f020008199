"""Access tokens: issued once, shown once, narrowed, revocable at any time."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from agreements.areas import Area
from agreements.credentials import Credential
from agreements.deciders import Value
from agreements.narrowing import Narrowing
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.token_keys import TokenKeyView
from portal.services.token_standing import Standing
from portal.services.tokens import BY_HOLDER, IssuedToken, ListedToken

router = APIRouter(tags=["tokens"])


class NewToken(Value):
    """What the token is for. Without a grant it opens roles and public checkpoints only, in the areas named.

    What is left out is as wide as the grant, the role, or the token that the request came with.
    """

    label: str
    grant_id: str | None = None
    purpose: str | None = None
    hours: int | None = None
    areas: Annotated[frozenset[Area], Field(min_length=1)] | None = None
    narrowing: Narrowing | None = None
    key_thumbprint: str | None = None
    """RFC 7638 thumbprint of the DPoP key to which it is bound."""
    keep_fresh: bool = False
    """Whether a refresh token comes with it."""


class NarrowToken(Value):
    """What the narrower token is for; ``delegate_id`` is who is to hold it, if not its maker."""

    label: str = ""
    grant_id: str | None = None
    purpose: str | None = None
    hours: int | None = None
    areas: Annotated[frozenset[Area], Field(min_length=1)] | None = None
    narrowing: Narrowing | None = None
    key_thumbprint: str | None = None
    delegate_id: str | None = None


class TokenRevocation(Value):
    """Why it is revoked, if there is more to say than that its holder did."""

    reason: Annotated[str, Field(max_length=1000)] = BY_HOLDER


class TokenRotation(Value):
    """For how many minutes the old token goes on, so that what uses it can be moved."""

    grace_minutes: Annotated[int, Field(ge=0)] = 0


class Rotation(Value):
    """Why the key that signs now is not to be trusted any more, if that is why."""

    compromised: Annotated[str, Field(max_length=500)] | None = None


class Withdrawal(Value):
    """Which key, and why its tokens are to be refused."""

    kid: Annotated[str, Field(max_length=80)]
    reason: Annotated[str, Field(max_length=500)]


@router.get("/tokens", summary="List access tokens")
def list_tokens(portal: ThePortal, actor: Signed) -> Listing[ListedToken]:
    """One's own, those made from them, and of programs one leads; everyone's for coordinators. Never the tokens."""
    return Listing.whole(portal.tokens.list(actor))


@router.get("/tokens/{token_id}", summary="Get a token's record, and why it opens nothing if it does not")
def get_token(portal: ThePortal, actor: Signed, token_id: ObjectId) -> Standing:
    """For its holder, those whose rights it carries, the lead of its program, and coordinators. Never the token."""
    return portal.token_standings.get(actor, token_id)


@router.post("/tokens", status_code=201, summary="Issue an access token")
def issue_token(
    portal: ThePortal, actor: Signed, body: NewToken, idempotency_key: IdempotencyKey = None
) -> IssuedToken:
    """For oneself. The token is in this answer and nowhere else."""
    wish: dict[str, Any] = {name: value for name, value in dict(body).items() if name != "keep_fresh"}
    if body.keep_fresh:
        return portal.refresh.issue(actor, **wish)
    return portal.tokens.issue(actor, **wish, idempotency_key=idempotency_key)


@router.post("/tokens/{token_id}/narrow", status_code=201, summary="Make a narrower token")
def narrow_token(
    portal: ThePortal, actor: Signed, token_id: ObjectId, body: NarrowToken, idempotency_key: IdempotencyKey = None
) -> IssuedToken:
    """From one of one's own, for oneself or a named delegate. It ends with the token it is made from."""
    return portal.tokens.narrow(actor, token_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/tokens/{token_id}/rotate", status_code=201, summary="Replace a token by another one")
def rotate_token(
    portal: ThePortal, actor: Signed, token_id: ObjectId, body: TokenRotation | None = None
) -> IssuedToken:
    """As wide, and as long from now on; the old one and all that was made from it end with this, or after a grace."""
    return portal.tokens.rotate(actor, token_id, **dict(body or TokenRotation()))


@router.post("/tokens/{token_id}/revoke", summary="Revoke an access token")
def revoke_token(
    portal: ThePortal, actor: Signed, token_id: ObjectId, body: TokenRevocation | None = None
) -> Credential:
    """With all that was made from it; takes effect with the next request."""
    return portal.tokens.revoke(actor, token_id, **dict(body or TokenRevocation()))


@router.get("/token-keys", summary="List the keys that sign tokens")
def list_token_keys(portal: ThePortal, actor: Signed) -> Listing[TokenKeyView]:
    """Coordinators only; the one that signs first. The public keys in use are at `/.well-known/jwks.json`."""
    return Listing.whole(portal.token_keys.list(actor))


@router.post("/token-keys/rotate", summary="Let a new key sign tokens")
def rotate_token_key(
    portal: ThePortal, actor: Signed, body: Rotation, idempotency_key: IdempotencyKey = None
) -> Listing[TokenKeyView]:
    """The old one verifies until its last token has ended; a compromised one no longer, from this moment on."""
    keys = portal.token_keys.rotate(actor, compromised=body.compromised, idempotency_key=idempotency_key)
    return Listing.whole(keys)


@router.post("/token-keys/withdraw", summary="Refuse the tokens of an earlier key")
def withdraw_token_key(portal: ThePortal, actor: Signed, body: Withdrawal) -> Listing[TokenKeyView]:
    """For a key that was replaced and turns out to be compromised."""
    return Listing.whole(portal.token_keys.withdraw(actor, body.kid, reason=body.reason))
