"""Findings: filed, revised, found, and handled. What is marked TLP:CLEAR can be read without signing in."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from agreements.deciders import Value
from portal.api.auth import Anyone, Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, ObjectId, PageLimit, Reason
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Status
from portal.findings.reads import Filters, FindingCounts, FindingRow
from portal.findings.service import FindingDraft, FindingView

router = APIRouter(prefix="/findings", tags=["findings"])

VersionNumber = Annotated[int | None, Query(ge=1, description="A version; the current one without it.")]


class FindingRevision(Value):
    """A new version: the whole content, the version it builds on, and what changed."""

    draft: FindingDraft
    base: int
    note: str


class ClosingNote(Value):
    """How the handling ended."""

    note: str


class Original(Value):
    """The finding that this one repeats."""

    duplicate_of: str


class FindingListing(Value):
    """A page of findings; ``total`` counts all that match, as far as the caller may know."""

    items: tuple[FindingRow, ...]
    total: int
    next: str | None


@router.get("", summary="List or search findings")
def list_findings(
    portal: ThePortal,
    actor: Anyone,
    q: Annotated[str, Query(max_length=400, description="Words to rank by.")] = "",
    kind: Kind | None = None,
    marking: Tlp | None = None,
    status: Status | None = None,
    checkpoint: Annotated[str | None, Query(max_length=128)] = None,
    limit: PageLimit = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> FindingListing:
    """Newest first, or best match first with words; only what the caller may know of is searched and counted."""
    filters = Filters(text=q, kind=kind, marking=marking, status=status, checkpoint_id=checkpoint)
    page = portal.findings.list(actor, filters, limit=limit, cursor=cursor)
    return FindingListing(items=page.rows, total=page.total, next=page.next_cursor)


@router.get("/counts", summary="Count findings")
def count_findings(portal: ThePortal, actor: Anyone) -> FindingCounts:
    """By kind, marking and status, as far as the caller may know."""
    return portal.findings.counts(actor)


@router.post("", status_code=201, summary="File a finding")
def file_finding(
    portal: ThePortal, actor: Signed, body: FindingDraft, idempotency_key: IdempotencyKey = None
) -> FindingView:
    """The facts of cited runs are filled in from their receipts."""
    return portal.findings.file(actor, body, idempotency_key=idempotency_key)


@router.get("/{finding_id}", summary="Get a finding")
def get_finding(portal: ThePortal, actor: Anyone, finding_id: ObjectId, version: VersionNumber = None) -> FindingView:
    """The current version or an earlier one; what the caller may not know of does not exist."""
    return portal.findings.get(actor, finding_id, version)


@router.get("/{finding_id}/export", summary="Export a finding, signed")
def export_finding(
    portal: ThePortal, actor: Anyone, finding_id: ObjectId, version: VersionNumber = None
) -> dict[str, Any]:
    """One version as JSON in a DSSE envelope signed by the lab."""
    return portal.findings.export_native(actor, finding_id, version).to_json()


@router.post("/{finding_id}/versions", status_code=201, summary="Revise a finding")
def revise_finding(
    portal: ThePortal,
    actor: Signed,
    finding_id: ObjectId,
    body: FindingRevision,
    idempotency_key: IdempotencyKey = None,
) -> FindingView:
    """Earlier versions stay as they are."""
    return portal.findings.revise(
        actor, finding_id, body.draft, base=body.base, note=body.note, idempotency_key=idempotency_key
    )


@router.post("/{finding_id}/acknowledge", summary="Acknowledge a finding")
def acknowledge_finding(
    portal: ThePortal, actor: Signed, finding_id: ObjectId, idempotency_key: IdempotencyKey = None
) -> FindingView:
    """Coordinators only."""
    return portal.findings.acknowledge(actor, finding_id, idempotency_key=idempotency_key)


@router.post("/{finding_id}/close", summary="Close a finding")
def close_finding(
    portal: ThePortal, actor: Signed, finding_id: ObjectId, body: ClosingNote, idempotency_key: IdempotencyKey = None
) -> FindingView:
    """Coordinators only; says how its handling ended."""
    return portal.findings.close(actor, finding_id, body.note, idempotency_key=idempotency_key)


@router.post("/{finding_id}/duplicate", summary="Mark a finding as a duplicate")
def mark_duplicate(
    portal: ThePortal, actor: Signed, finding_id: ObjectId, body: Original, idempotency_key: IdempotencyKey = None
) -> FindingView:
    """Both ids stay valid."""
    return portal.findings.mark_duplicate(actor, finding_id, body.duplicate_of, idempotency_key=idempotency_key)


@router.post("/{finding_id}/withdraw", summary="Withdraw a finding")
def withdraw_finding(
    portal: ThePortal, actor: Signed, finding_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> FindingView:
    """Its id, digests and the reason stay; its words are served no more."""
    return portal.findings.withdraw(actor, finding_id, body.reason, idempotency_key=idempotency_key)
