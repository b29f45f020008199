"""Invitations: one-time links that make a person of whoever is asked."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from agreements.actors import Membership
from agreements.deciders import Value
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, ObjectId, Reason
from portal.services.invitations import InvitationView, Invited

router = APIRouter(prefix="/invitations", tags=["people"])


class NewInvitation(Value):
    """Who is asked, to be what."""

    email: Annotated[str, Field(max_length=200)]
    memberships: Annotated[tuple[Membership, ...], Field(max_length=20)]


@router.get("", summary="List invitations")
def list_invitations(portal: ThePortal, actor: Signed) -> Listing[InvitationView]:
    """Those you may manage, the open ones first."""
    return Listing.whole(portal.invitations.list(actor))


@router.post("", status_code=201, summary="Invite somebody")
def invite_person(portal: ThePortal, actor: Signed, body: NewInvitation) -> Invited:
    """For coordinators, and for partner leads within their own institution. The link is shown here and nowhere else."""
    pairs = [(membership.institution_id, membership.role) for membership in body.memberships]
    return portal.invitations.invite(actor, email=body.email, memberships=pairs)


@router.post("/{invitation_id}/renew", summary="Send an invitation again")
def renew_invitation(portal: ThePortal, actor: Signed, invitation_id: ObjectId) -> Invited:
    """With a new link; the one before is dead."""
    return portal.invitations.renew(actor, invitation_id)


@router.post("/{invitation_id}/revoke", summary="Take an invitation back")
def revoke_invitation(portal: ThePortal, actor: Signed, invitation_id: ObjectId, body: Reason) -> InvitationView:
    """Its link is dead from now on."""
    return portal.invitations.revoke(actor, invitation_id, reason=body.reason)
