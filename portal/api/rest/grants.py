"""Grants: access opened under an agreement, delegated, changed, and closed."""

from fastapi import APIRouter

from agreements.deciders import Value
from agreements.grants import Grant, Holder
from agreements.scopes import Scope
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.services.grant_views import GrantAct, GrantConsequences, GrantView, StaleGrant

router = APIRouter(tags=["grants"])


class NewGrant(Value):
    """What to open; without a scope, all that the agreement allows."""

    agreement_id: str
    label: str
    scope: Scope | None = None
    delegated_only: bool = False
    """Nobody runs on it directly, only on what is delegated from it."""


class Delegation(Value):
    """What to pass on, and to whom. Finer limits that the scope leaves unsaid are the parent's."""

    holder: Holder
    label: str
    scope: Scope


class Change(Value):
    """What a grant is to allow, and why."""

    scope: Scope
    reason: str


class Preview(Value):
    """What somebody is about to do. ``scope`` is what a narrowed grant would allow."""

    act: GrantAct
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


@router.get("/grants/stale", summary="List stale grants")
def list_stale_grants(portal: ThePortal, actor: Signed) -> Listing[StaleGrant]:
    """Unused, about to end, under a suspended agreement, or held by somebody who is gone; the longest unused first."""
    return Listing.whole(portal.stale_grants.list(actor))


@router.get("/grants/{grant_id}", summary="Get a grant")
def get_grant(portal: ThePortal, actor: Signed, grant_id: ObjectId) -> GrantView:
    """With what it has used and whether it opens anything now."""
    return portal.grants.get(actor, grant_id)


@router.post("/grants/{grant_id}/revoke", summary="Revoke a grant")
def revoke_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Grant:
    """Takes effect with the next request, for good, for it and everything delegated from it."""
    return portal.grants.revoke(actor, grant_id, reason=body.reason, idempotency_key=idempotency_key)


@router.get("/grants/{grant_id}/children", summary="List what is delegated from a grant")
def list_delegated_grants(portal: ThePortal, actor: Signed, grant_id: ObjectId) -> Listing[GrantView]:
    """Everything below it that was not revoked, each parent before its children."""
    return Listing.whole(portal.grants.below(actor, grant_id))


@router.post("/grants/{grant_id}/children", status_code=201, summary="Delegate a part of a grant")
def delegate_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Delegation, idempotency_key: IdempotencyKey = None
) -> Grant:
    """To a person or a program of the institution; refused with the dimension in which it goes beyond."""
    return portal.grants.delegate(actor, grant_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/grants/{grant_id}/narrow", summary="Narrow a grant")
def narrow_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Change, idempotency_key: IdempotencyKey = None
) -> Grant:
    """Everything below follows at once."""
    return portal.grants.narrow(actor, grant_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/grants/{grant_id}/extend", summary="Extend a grant")
def extend_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Change, idempotency_key: IdempotencyKey = None
) -> Grant:
    """Within the grant above it, or within the agreement."""
    return portal.grants.extend(actor, grant_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/grants/{grant_id}/suspend", summary="Suspend a grant")
def suspend_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Grant:
    """It and everything below open nothing until it is lifted."""
    return portal.grants.suspend(actor, grant_id, reason=body.reason, idempotency_key=idempotency_key)


@router.post("/grants/{grant_id}/lift", summary="Lift a suspension of a grant")
def lift_grant(
    portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Grant:
    """What a coordinator suspended, a coordinator lifts."""
    return portal.grants.lift(actor, grant_id, reason=body.reason, idempotency_key=idempotency_key)


@router.post("/grants/{grant_id}/preview", summary="Preview a change of a grant")
def preview_grant(portal: ThePortal, actor: Signed, grant_id: ObjectId, body: Preview) -> GrantConsequences:
    """What becomes of those below, how many tokens stop, which runs are under way. Nothing is changed."""
    return portal.grants.preview(actor, grant_id, body.act, scope=body.scope)
