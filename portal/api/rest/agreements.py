"""Agreements: from a template to two signatures, and to their end."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from agreements.agreement import Agreement
from agreements.deciders import Value
from agreements.standard_terms import Template
from portal.api.auth import Signed, ThePortal
from portal.api.rest.agreement_shapes import AgreementBody
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.composition import Portal

router = APIRouter(prefix="/agreements", tags=["agreements"])

Clauses = Annotated[tuple[dict[str, Any], ...], Field(max_length=100)]


class NewAgreement(Value):
    """What a draft starts from."""

    institution_id: str
    template_id: str = "software-access"
    title: str | None = None
    clauses: Clauses | None = None
    """In place of the template's."""


class DraftText(Value):
    """Title and clauses of a draft, whole."""

    title: str
    clauses: Clauses


class OnScreenSignature(Value):
    """What the signatory confirms: their name, and the digest of the document they read."""

    typed_name: Annotated[str, Field(max_length=200)]
    document_digest: Annotated[str, Field(max_length=80)]


class SignedElsewhere(Value):
    """A DSSE envelope made with the institution's own key."""

    envelope: dict[str, Any]


class SignedAgreement(Value):
    """What was signed, word for word, with every signature; verifies by itself."""

    type: str
    document: dict[str, Any]
    document_digest: str | None
    status: str
    signatures: tuple[dict[str, Any], ...]


def _body(portal: Portal, agreement: Agreement) -> AgreementBody:
    return AgreementBody.of(agreement, portal.kernel.clock())


@router.get("/templates", summary="List agreement templates")
def list_templates(portal: ThePortal, _actor: Signed) -> Listing[Template]:
    """What a draft can start from."""
    return Listing.whole(portal.agreements.templates())


@router.get("", summary="List agreements")
def list_agreements(portal: ThePortal, actor: Signed) -> Listing[AgreementBody]:
    """All for coordinators, one's own institutions' for everyone else, newest first."""
    now = portal.kernel.clock()
    return Listing.whole([AgreementBody.of(entry, now) for entry in portal.agreements.list(actor)])


@router.post("", status_code=201, summary="Draft an agreement")
def draft_agreement(
    portal: ThePortal, actor: Signed, body: NewAgreement, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """Coordinators only."""
    return _body(portal, portal.agreements.draft(actor, **dict(body), idempotency_key=idempotency_key))


@router.get("/{agreement_id}", summary="Get an agreement")
def get_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> AgreementBody:
    """For its parties; a draft is the lab's alone."""
    return _body(portal, portal.agreements.get(actor, agreement_id))


@router.put("/{agreement_id}", summary="Edit a draft")
def edit_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: DraftText) -> AgreementBody:
    """Replaces title and clauses; an offered document never changes."""
    return _body(portal, portal.agreements.edit(actor, agreement_id, title=body.title, clauses=body.clauses))


@router.post("/{agreement_id}/offer", summary="Offer an agreement")
def offer_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """Freezes the document: its digest is what both sides sign."""
    return _body(portal, portal.agreements.offer(actor, agreement_id, idempotency_key=idempotency_key))


@router.post("/{agreement_id}/sign", summary="Sign with the key the portal keeps")
def sign_agreement(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    body: OnScreenSignature,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """First by the institution's partner lead, then by a coordinator for the lab; the second puts it in force."""
    return _body(portal, portal.agreements.sign(actor, agreement_id, **dict(body), idempotency_key=idempotency_key))


@router.post("/{agreement_id}/signatures", status_code=201, summary="Hand in a signature made elsewhere")
def submit_signature(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    body: SignedElsewhere,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """A DSSE envelope over the document's canonical bytes, by a registered key."""
    return _body(
        portal, portal.agreements.submit_signature(actor, agreement_id, body.envelope, idempotency_key=idempotency_key)
    )


@router.post("/{agreement_id}/decline", summary="Decline an offer")
def decline_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason) -> AgreementBody:
    """For the institution's partner lead."""
    return _body(portal, portal.agreements.decline(actor, agreement_id, reason=body.reason))


@router.post("/{agreement_id}/withdraw", summary="Withdraw a draft or an offer")
def withdraw_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason) -> AgreementBody:
    """Coordinators only."""
    return _body(portal, portal.agreements.withdraw(actor, agreement_id, reason=body.reason))


@router.post("/{agreement_id}/terminate", summary="Terminate an agreement in force")
def terminate_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason) -> AgreementBody:
    """Every grant under it ends with the next request."""
    return _body(portal, portal.agreements.terminate(actor, agreement_id, reason=body.reason))


@router.get("/{agreement_id}/export", summary="Export the signed document")
def export_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> SignedAgreement:
    """Data and human text as signed, with the DSSE envelopes."""
    return SignedAgreement.model_validate(portal.agreements.export(actor, agreement_id))
