"""Templates: what agreements are drafted from, version by version."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from agreements.clauses import Form
from agreements.deciders import Value
from agreements.diffs import ClauseChange, compare
from agreements.standard_terms import Template
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason

router = APIRouter(prefix="/templates", tags=["templates"])


class TemplateText(Value):
    """A version to publish: the number after the newest, and the whole text."""

    template_id: str
    version: int
    title: str
    summary: str
    clauses: Annotated[tuple[dict[str, Any], ...], Field(max_length=100)]
    form: Form | None = None
    """By default that of the template so far."""
    note: str = ""
    """What changed since the version before."""


@router.get("", summary="List templates")
def list_library(
    portal: ThePortal,
    _actor: Signed,
    retired: Annotated[bool, Query(description="Retired ones too.")] = False,
) -> Listing[Template]:
    """The newest version of each."""
    return Listing.whole(portal.templates.all(retired=retired))


@router.post("", status_code=201, summary="Publish a version of a template")
def publish_template(
    portal: ThePortal, actor: Signed, body: TemplateText, idempotency_key: IdempotencyKey = None
) -> Template:
    """Coordinators only. Agreements already drafted keep their text; a campaign puts the new one to their parties."""
    return portal.templates.publish(actor, **dict(body), idempotency_key=idempotency_key)


@router.get("/{template_id}", summary="Get a template")
def get_template(portal: ThePortal, _actor: Signed, template_id: ObjectId, version: int | None = None) -> Template:
    """The newest version, or another by its number."""
    return portal.templates.get(template_id, version)


@router.get("/{template_id}/versions", summary="List a template's versions")
def list_template_versions(portal: ThePortal, _actor: Signed, template_id: ObjectId) -> Listing[Template]:
    """Oldest first, those that ship with the portal and those published in it."""
    return Listing.whole(portal.templates.versions(template_id))


@router.get("/{template_id}/changes", summary="Compare two versions of a template")
def compare_template_versions(
    portal: ThePortal, _actor: Signed, template_id: ObjectId, before: int, after: int | None = None
) -> Listing[ClauseChange]:
    """Clause by clause and word by word, from one version to another, by default the newest."""
    older, newer = portal.templates.get(template_id, before), portal.templates.get(template_id, after)
    return Listing.whole(compare(older.clauses, newer.clauses))


@router.post("/{template_id}/retire", summary="Retire a template")
def retire_template(
    portal: ThePortal, actor: Signed, template_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> Template:
    """No further drafts start from it; agreements made from it stay. Publishing a version brings it back."""
    return portal.templates.retire(actor, template_id, reason=body.reason, idempotency_key=idempotency_key)
