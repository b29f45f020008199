"""Re-sign campaigns: a newer template put to each partner as an amendment."""

from fastapi import APIRouter

from agreements.campaigns import Campaign
from agreements.deciders import Value
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.campaigns import CampaignPreview, CampaignProgress, NewCampaign

router = APIRouter(prefix="/campaigns", tags=["campaigns"])


class CampaignNote(Value):
    """What is recorded with the end of a campaign."""

    note: str = ""


@router.get("", summary="List re-sign campaigns")
def list_campaigns(portal: ThePortal, actor: Signed) -> Listing[Campaign]:
    """Newest first. Coordinators only, as all of these."""
    return Listing.whole(portal.campaigns.list(actor))


@router.get("/preview", summary="Preview a campaign")
def preview_campaign(
    portal: ThePortal, actor: Signed, template_id: str, to_version: int | None = None
) -> CampaignPreview:
    """What a version, by default the newest, would change in each agreement made from an earlier one."""
    return portal.campaigns.preview(actor, template_id, to_version)


@router.post("", status_code=201, summary="Start a campaign")
def start_campaign(
    portal: ThePortal, actor: Signed, body: NewCampaign, idempotency_key: IdempotencyKey = None
) -> CampaignProgress:
    """Proposes and offers an amendment per agreement; what stands in the way of one does not stop the others."""
    return portal.campaigns.start(actor, **dict(body), idempotency_key=idempotency_key)


@router.get("/{campaign_id}", summary="Follow a campaign")
def get_campaign(portal: ThePortal, actor: Signed, campaign_id: ObjectId) -> CampaignProgress:
    """How each agreement stands, with counts."""
    return portal.campaigns.progress(actor, campaign_id)


@router.post("/{campaign_id}/close", summary="Close a campaign")
def close_campaign(
    portal: ThePortal, actor: Signed, campaign_id: ObjectId, body: CampaignNote, idempotency_key: IdempotencyKey = None
) -> CampaignProgress:
    """Waits for no further answers; amendments still open stay open."""
    return portal.campaigns.close(actor, campaign_id, note=body.note, idempotency_key=idempotency_key)
