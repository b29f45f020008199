"""Grants: access opened under an agreement, and closed."""

from fastapi import APIRouter

from agreements.deciders import Value
from agreements.grants import Grant
from agreements.scopes import Scope
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.services.grant_views import GrantView

router = APIRouter(tags=["grants"])


class NewGrant(Value):
    """What to open; without a scope, all that the agreement allows."""

    agreement_id: str
    label: str
    scope: Scope | None = None


@router.get("/agreements/{agreement_id}/bounds", summary="The widest grant an agreement allows")
def get_grant_bounds(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Scope:
    """For an agreement in force."""
    return portal.grants.bounds(actor, agreement_id)


@router.get("/grants", summary="List grants")
def list_grants(portal: ThePortal, actor: Signed) -> Listing[GrantView]:
    """With what each has used; all for coordinators, one's own institutions' for everyone else."""
    return Listing.whole(portal.grants.list(actor))


@router.post("/grants", status_code=201, summary="Issue a grant")
def issue_grant(portal: ThePortal, actor: Signed, body: NewGrant, idempotency_key: IdempotencyKey = None) -> Grant:
    """Coordinators only; never beyond the agreement."""
    return portal.grants.issue(actor, **dict(body), idempotency_key=idempotency_key)


@router.get("/grants/{grant_id}", summary="Get a grant")
def get_grant(portal: ThePortal, actor: Signed, grant_id: ObjectId) -> GrantView:
    """With what it has used and whether it opens anything now."""
    return portal.grants.get(actor, grant_id)


@router.post("/grants/{grant_id}/revoke", summary="Revoke a grant")
def revoke_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Grant:
    """Takes effect with the next request, for good."""
    return portal.grants.revoke(actor, grant_id, reason=body.reason, idempotency_key=idempotency_key)
