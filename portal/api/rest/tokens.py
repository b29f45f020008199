"""Access tokens: issued once, shown once, revocable at any time."""

from fastapi import APIRouter

from agreements.credentials import Credential
from agreements.deciders import Value
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.tokens import IssuedToken

router = APIRouter(prefix="/tokens", tags=["tokens"])


class NewToken(Value):
    """What the token is for. Without a grant it opens roles and public checkpoints only."""

    label: str
    grant_id: str | None = None
    purpose: str | None = None
    hours: int | None = None


class TokenRevocation(Value):
    """Why it is revoked, if there is more to say than that its holder did."""

    reason: str = "revoked by its holder"


@router.get("", summary="List access tokens")
def list_tokens(portal: ThePortal, actor: Signed) -> Listing[Credential]:
    """One's own; everyone's for coordinators. The tokens themselves are kept nowhere."""
    return Listing.whole(portal.tokens.list(actor))


@router.post("", status_code=201, summary="Issue an access token")
def issue_token(
    portal: ThePortal, actor: Signed, body: NewToken, idempotency_key: IdempotencyKey = None
) -> IssuedToken:
    """For oneself. The token is in this answer and nowhere else."""
    return portal.tokens.issue(actor, **dict(body), idempotency_key=idempotency_key)


@router.post("/{token_id}/revoke", summary="Revoke an access token")
def revoke_token(
    portal: ThePortal, actor: Signed, token_id: ObjectId, body: TokenRevocation | None = None
) -> Credential:
    """One's own, or anyone's for coordinators; takes effect with the next request."""
    return portal.tokens.revoke(actor, token_id, **dict(body or TokenRevocation()))
