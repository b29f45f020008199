"""Passports: what an institution's vetting holds, who reviewed it, and until when."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from agreements.canonical import b64decode
from agreements.deciders import Value
from agreements.institutions import KeyHex
from agreements.keys import PublicKey
from agreements.passport_credential import MAX_PASSPORT_BYTES
from agreements.passports import VettingItem
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.passports import Handed, PassportView

router = APIRouter(prefix="/passports", tags=["passports"])


class NewReview(Value):
    """Accepted until ``valid_until``, or returned with a reason."""

    item: VettingItem
    accepted: bool
    valid_until: datetime | None = None
    """With its time zone."""
    reason: str = ""
    submission: int | None = None
    """The number of the submission that was read; without it, the latest."""


class NewRevocation(Value):
    """Why an accepted item counts no more."""

    item: VettingItem
    reason: str


class NewCredential(Value):
    """A passport that another portal exported, as its file's bytes, and that portal's key (raw 32 bytes, hex)."""

    credential_base64: Annotated[str, Field(max_length=2 * MAX_PASSPORT_BYTES)]
    issuer_key: KeyHex
    subject_confirmed: bool = False
    """That the subject, though named otherwise there, is this institution."""


@router.get("", summary="List passports")
def list_passports(portal: ThePortal, actor: Signed) -> Listing[PassportView]:
    """Everyone's for a coordinator, else those of the caller's institutions."""
    return Listing.whole(portal.passports.list(actor))


@router.get("/{institution_id}", summary="Get a passport")
def get_passport(portal: ThePortal, actor: Signed, institution_id: ObjectId) -> PassportView:
    """With its whole history, and a checklist of what counts now and who clears what does not."""
    return portal.passports.get(actor, institution_id)


@router.post("/{institution_id}/submissions", status_code=201, summary="Hand in an item of vetting")
def submit_item(
    portal: ThePortal, actor: Signed, institution_id: ObjectId, body: Handed, idempotency_key: IdempotencyKey = None
) -> PassportView:
    """For its partner lead, or a coordinator on its behalf. What is still valid stays so meanwhile."""
    return portal.passports.submit(actor, institution_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/{institution_id}/reviews", status_code=201, summary="Review an item of vetting")
def review_item(
    portal: ThePortal, actor: Signed, institution_id: ObjectId, body: NewReview, idempotency_key: IdempotencyKey = None
) -> PassportView:
    """Coordinators only, and never who handed it in."""
    return portal.passports.review(actor, institution_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/{institution_id}/revocations", status_code=201, summary="Revoke an accepted item")
def revoke_item(
    portal: ThePortal,
    actor: Signed,
    institution_id: ObjectId,
    body: NewRevocation,
    idempotency_key: IdempotencyKey = None,
) -> PassportView:
    """Coordinators only. The acceptance stays on record with its date."""
    return portal.passports.revoke(actor, institution_id, **dict(body), idempotency_key=idempotency_key)


@router.get("/{institution_id}/export", summary="Export a passport, signed")
def export_passport(portal: ThePortal, actor: Signed, institution_id: ObjectId) -> dict[str, Any]:
    """The DSSE envelope, signed by the lab: what was accepted here and is valid now."""
    return portal.passports.export(actor, institution_id)


@router.post("/{institution_id}/credentials", status_code=201, summary="Take over another portal's passport")
def import_passport(
    portal: ThePortal,
    actor: Signed,
    institution_id: ObjectId,
    body: NewCredential,
    idempotency_key: IdempotencyKey = None,
) -> PassportView:
    """Coordinators only. What it attests counts on the issuer's word, for as long as it says and no longer."""
    return portal.passports.import_credential(
        actor,
        institution_id,
        b64decode(body.credential_base64),
        issuer_key=PublicKey.from_raw(bytes.fromhex(body.issuer_key)),
        subject_confirmed=body.subject_confirmed,
        idempotency_key=idempotency_key,
    )
