"""Agreements: found, drafted, read version by version, exported. Negotiating and running them have modules beside."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from agreements.agreement import AgreementStatus, Version
from agreements.clauses import Form
from agreements.deciders import Value
from agreements.standard_terms import Template
from portal.api.auth import Signed, ThePortal
from portal.api.rest.agreement_shapes import AgreementBody, Clauses, DocumentTitle, body_of
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.agreement_filters import AgreementFilters

router = APIRouter(prefix="/agreements", tags=["agreements"])

VersionNumber = Annotated[int, Path(ge=1, description="The version's number.")]
Id = Annotated[str, Field(max_length=128)]


class NewAgreement(Value):
    """What a draft starts from."""

    institution_id: Id
    template_id: Id = "software-access"
    title: DocumentTitle | None = None
    clauses: Clauses | None = None
    """In place of the template's."""
    framework_id: Id | None = None
    """For a schedule: the framework in force that it belongs to."""


class SignedAgreement(Value):
    """What was signed, word for word, with every signature; verifies by itself."""

    type: str
    document: dict[str, Any]
    document_digest: str | None
    status: str
    signatures: tuple[dict[str, Any], ...]


@router.get("/templates", summary="List agreement templates")
def list_templates(portal: ThePortal, _actor: Signed) -> Listing[Template]:
    """What a draft can start from."""
    return Listing.whole(portal.agreements.templates())


@router.get("", summary="List agreements")
def list_agreements(
    portal: ThePortal,
    actor: Signed,
    status: Annotated[AgreementStatus | None, Query(description="As it stands now.")] = None,
    institution_id: Annotated[str | None, Query(max_length=128)] = None,
    form: Form | None = None,
    template_id: Annotated[str | None, Query(max_length=128)] = None,
    open_proposal: Annotated[bool | None, Query(description="Whether a text is under negotiation.")] = None,
) -> Listing[AgreementBody]:
    """All for coordinators, one's own institutions' for everyone else, newest first."""
    now = portal.kernel.clock()
    filters = AgreementFilters(
        status=status, institution_id=institution_id, form=form, template_id=template_id, open_proposal=open_proposal
    )
    return Listing.whole([AgreementBody.of(entry, now) for entry in filters.of(portal.agreements.list(actor), now)])


@router.post("", status_code=201, summary="Draft an agreement")
def draft_agreement(
    portal: ThePortal, actor: Signed, body: NewAgreement, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """Coordinators only."""
    return body_of(portal, portal.agreements.draft(actor, **dict(body), idempotency_key=idempotency_key))


@router.get("/{agreement_id}", summary="Get an agreement")
def get_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> AgreementBody:
    """For its parties; a draft is the lab's alone."""
    return body_of(portal, portal.agreements.get(actor, agreement_id))


@router.get("/{agreement_id}/export", summary="Export the signed document")
def export_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> SignedAgreement:
    """Data and human text as signed, with the DSSE envelopes: of the version in force, or before that the newest."""
    return SignedAgreement.model_validate(portal.agreements.export(actor, agreement_id))


@router.get("/{agreement_id}/versions/{number}", summary="Get a version of an agreement")
def get_agreement_version(portal: ThePortal, actor: Signed, agreement_id: ObjectId, number: VersionNumber) -> Version:
    """A text as it was put on the table, who signed it, and from when to when it governed."""
    return portal.agreements.get(actor, agreement_id).version(number)


@router.get("/{agreement_id}/versions/{number}/export", summary="Export one version's document")
def export_agreement_version(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, number: VersionNumber
) -> SignedAgreement:
    """An amendment on the table, to sign it with one's own key, or what was in force before."""
    return SignedAgreement.model_validate(portal.agreements.export(actor, agreement_id, version=number))
