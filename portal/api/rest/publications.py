"""Publications under review: put forward by digest, answered item by item, recorded; closed to all but both sides."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from agreements.deciders import Value
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.inputs import Digest
from portal.services.publications import Appearance, PublicationView, RedactionRequest, Submission

router = APIRouter(prefix="/publications", tags=["publications"])

Number = Annotated[int, Path(ge=1, description="The redaction's number.")]


class Redactions(Value):
    """What the lab asks for, together."""

    redactions: Annotated[tuple[RedactionRequest, ...], Field(min_length=1, max_length=50)]


class Made(Value):
    """A redaction that was made: the digest of the file with it."""

    sha256: Digest
    note: Annotated[str, Field(max_length=2000)] = ""


class Argument(Value):
    """A reason that says something, twenty characters at least."""

    reason: Annotated[str, Field(max_length=4000)]


class Word(Value):
    """What is said with it, if anything."""

    note: Annotated[str, Field(max_length=2000)] = ""


@router.get("", summary="List publications under review")
def list_publications(
    portal: ThePortal,
    actor: Signed,
    agreement: Annotated[str | None, Query(max_length=128, description="Of one agreement.")] = None,
    running: Annotated[bool, Query(alias="open", description="Only those whose review still runs.")] = False,
) -> Listing[PublicationView]:
    """All for coordinators, one's own institutions' for everyone else, newest first."""
    if running:
        views = portal.publications.open_for(actor)
        return Listing.whole([view for view in views if agreement in (None, view.publication.agreement_id)])
    return Listing.whole(portal.publications.list(actor, agreement_id=agreement))


@router.post("", status_code=201, summary="Put a publication forward for review")
def submit_publication(
    portal: ThePortal, actor: Signed, body: Submission, idempotency_key: IdempotencyKey = None
) -> PublicationView:
    """For partner leads and members. The file stays with you; its digest binds it, and silence clears it."""
    return portal.publications.submit(actor, body, idempotency_key=idempotency_key)


@router.get("/{publication_id}", summary="Get a publication under review")
def get_publication(portal: ThePortal, actor: Signed, publication_id: ObjectId) -> PublicationView:
    """How it stands now, and what you may do to it."""
    return portal.publications.get(actor, publication_id)


@router.post("/{publication_id}/redactions", status_code=201, summary="Ask for redactions")
def ask_redactions(
    portal: ThePortal,
    actor: Signed,
    publication_id: ObjectId,
    body: Redactions,
    idempotency_key: IdempotencyKey = None,
) -> PublicationView:
    """Coordinators only, within the window and on the agreement's closed list of grounds."""
    return portal.publications.ask(actor, publication_id, body.redactions, idempotency_key=idempotency_key)


@router.post("/{publication_id}/redactions/{number}/accept", summary="Make a redaction")
def accept_redaction(
    portal: ThePortal,
    actor: Signed,
    publication_id: ObjectId,
    number: Number,
    body: Made,
    idempotency_key: IdempotencyKey = None,
) -> PublicationView:
    """For the institution; names the file with the redaction by its digest."""
    return portal.publications.accept(
        actor, publication_id, number, sha256=body.sha256, note=body.note, idempotency_key=idempotency_key
    )


@router.post("/{publication_id}/redactions/{number}/contest", summary="Contest a redaction")
def contest_redaction(
    portal: ThePortal,
    actor: Signed,
    publication_id: ObjectId,
    number: Number,
    body: Argument,
    idempotency_key: IdempotencyKey = None,
) -> PublicationView:
    """For the institution; deemed withdrawn unless the lab maintains it within another window."""
    return portal.publications.contest(
        actor, publication_id, number, reason=body.reason, idempotency_key=idempotency_key
    )


@router.post("/{publication_id}/redactions/{number}/maintain", summary="Maintain a contested redaction")
def maintain_redaction(
    portal: ThePortal,
    actor: Signed,
    publication_id: ObjectId,
    number: Number,
    body: Argument,
    idempotency_key: IdempotencyKey = None,
) -> PublicationView:
    """Coordinators only; no veto: it may then be published over the objection."""
    return portal.publications.maintain(
        actor, publication_id, number, reason=body.reason, idempotency_key=idempotency_key
    )


@router.post("/{publication_id}/redactions/{number}/drop", summary="Take a redaction back")
def drop_redaction(
    portal: ThePortal,
    actor: Signed,
    publication_id: ObjectId,
    number: Number,
    body: Word,
    idempotency_key: IdempotencyKey = None,
) -> PublicationView:
    """Coordinators only."""
    return portal.publications.drop(actor, publication_id, number, note=body.note, idempotency_key=idempotency_key)


@router.post("/{publication_id}/clear", summary="Clear a publication early")
def clear_publication(
    portal: ThePortal, actor: Signed, publication_id: ObjectId, body: Word, idempotency_key: IdempotencyKey = None
) -> PublicationView:
    """Coordinators only; redactions still open fall away."""
    return portal.publications.clear(actor, publication_id, note=body.note, idempotency_key=idempotency_key)


@router.post("/{publication_id}/publish", summary="Record where it appeared")
def record_publication(
    portal: ThePortal,
    actor: Signed,
    publication_id: ObjectId,
    body: Appearance,
    idempotency_key: IdempotencyKey = None,
) -> PublicationView:
    """For the institution, once it is cleared or disputed."""
    return portal.publications.publish(actor, publication_id, body, idempotency_key=idempotency_key)


@router.post("/{publication_id}/withdraw", summary="Take a publication out of review")
def withdraw_publication(
    portal: ThePortal, actor: Signed, publication_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> PublicationView:
    """For the institution; what was said stays on record."""
    return portal.publications.withdraw(actor, publication_id, reason=body.reason, idempotency_key=idempotency_key)


@router.get("/{publication_id}/letter", summary="Export the clearance letter, signed")
def export_letter(portal: ThePortal, actor: Signed, publication_id: ObjectId) -> dict[str, Any]:
    """A DSSE envelope by the lab, for an editor: which file was reviewed, which was cleared, when and how."""
    return portal.publications.letter(actor, publication_id).to_json()
