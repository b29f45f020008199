"""Notices: each caller's own."""

from typing import Annotated

from fastapi import APIRouter, Query

from agreements.deciders import Value
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing
from portal.inputs import Identifier
from portal.notices.digest import Digest
from portal.services.notices import NoticeView

router = APIRouter(prefix="/notices", tags=["notices"])


class Seen(Value):
    """What was read. In the body, because the ids of notices hold slashes."""

    notice_id: Identifier


@router.get("", summary="List your notices")
def list_notices(
    portal: ThePortal,
    actor: Signed,
    unread: Annotated[bool, Query(description="Only what you have not read.")] = False,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 100,
) -> Listing[NoticeView]:
    """Addressed to you or to your role, newest first."""
    return Listing.whole(portal.notices.inbox(actor, unread_only=unread, limit=limit))


@router.post("/read", summary="Mark a notice as read")
def mark_notice_read(portal: ThePortal, actor: Signed, body: Seen) -> NoticeView:
    """For you alone; others it is for still have it unread."""
    return portal.notices.mark_read(actor, body.notice_id)


@router.get("/digest", summary="Preview your digest")
def preview_digest(portal: ThePortal, actor: Signed) -> Digest:
    """Everything unread, as mail would bring it."""
    return portal.digests.preview(actor)
