"""Negotiating an agreement: drafts, offers and counter-offers, changes of what is in force, comments, signatures."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from agreements.agreement import Change
from agreements.deciders import Value
from portal.api.auth import Signed, ThePortal
from portal.api.rest.agreement_shapes import AgreementBody, Clauses, DocumentTitle, Note, body_of
from portal.api.rest.shapes import IdempotencyKey, ObjectId, Reason

router = APIRouter(prefix="/agreements", tags=["agreements"])


class DraftText(Value):
    """Title and clauses of a draft, whole."""

    title: DocumentTitle
    clauses: Clauses
    note: Note = ""
    """What the other side reads beside it."""


class CounterText(Value):
    """The clauses of the answer, whole."""

    clauses: Clauses
    title: DocumentTitle | None = None
    """By default that of the text it answers."""
    note: Note = ""
    """What the other side reads beside it."""


class NewProposal(Value):
    """A change of what is in force; what is left out stays as it is."""

    change: Literal[Change.AMENDMENT, Change.RENEWAL]
    clauses: Clauses | None = None
    title: DocumentTitle | None = None
    note: Note = ""
    """What the other side reads beside it."""


class NewComment(Value):
    """A remark on the text on the table, or on one of its clauses."""

    text: Annotated[str, Field(max_length=2000)]
    clause_id: Annotated[str | None, Field(max_length=128)] = None


class OnScreenSignature(Value):
    """What the signatory confirms: their name, and the digest of the document they read."""

    typed_name: Annotated[str, Field(max_length=200)]
    document_digest: Annotated[str, Field(max_length=80)]


class SignedElsewhere(Value):
    """A DSSE envelope made with the institution's own key."""

    envelope: dict[str, Any]


@router.put("/{agreement_id}", summary="Edit a draft")
def edit_agreement(portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: DraftText) -> AgreementBody:
    """Replaces title and clauses of a first draft or of a drafted change; an offered document never changes."""
    return body_of(portal, portal.agreements.edit(actor, agreement_id, **dict(body)))


@router.post("/{agreement_id}/offer", summary="Offer an agreement")
def offer_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """Freezes the draft: its digest is what both sides sign. A counter-offer is taken over as it stands."""
    return body_of(portal, portal.agreements.offer(actor, agreement_id, idempotency_key=idempotency_key))


@router.post("/{agreement_id}/counter", status_code=201, summary="Answer with another text")
def counter_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: CounterText, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """By the side whose turn it is. The text before it can no longer be signed."""
    return body_of(
        portal, portal.agreements.counter(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)
    )


@router.post("/{agreement_id}/proposals", status_code=201, summary="Propose an amendment or a renewal")
def propose_change(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: NewProposal, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """A coordinator's is a draft to be offered; a partner lead's is on the table at once."""
    return body_of(
        portal, portal.agreements.propose(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)
    )


@router.post("/{agreement_id}/comments", status_code=201, summary="Comment on a text")
def comment_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: NewComment, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """For coordinators and partner leads; kept with the version it is about."""
    return body_of(
        portal, portal.agreements.comment(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)
    )


@router.post("/{agreement_id}/sign", summary="Sign with the key the portal keeps")
def sign_agreement(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    body: OnScreenSignature,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """In the order the agreement sets, else the partner lead, then a coordinator; the last puts it in force."""
    return body_of(portal, portal.agreements.sign(actor, agreement_id, **dict(body), idempotency_key=idempotency_key))


@router.post("/{agreement_id}/signatures", status_code=201, summary="Hand in a signature made elsewhere")
def submit_signature(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    body: SignedElsewhere,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """A DSSE envelope over the document's canonical bytes, by a registered key."""
    signed = portal.agreements.submit_signature(actor, agreement_id, body.envelope, idempotency_key=idempotency_key)
    return body_of(portal, signed)


@router.post("/{agreement_id}/decline", summary="Decline the other side's text")
def decline_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """An offer by the partner lead, a counter-offer by a coordinator. What is in force stays in force."""
    declined = portal.agreements.decline(actor, agreement_id, reason=body.reason, idempotency_key=idempotency_key)
    return body_of(portal, declined)


@router.post("/{agreement_id}/withdraw", summary="Withdraw one's own text")
def withdraw_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """A draft or an offer by a coordinator, a counter-offer by the partner lead. What is in force stays in force."""
    withdrawn = portal.agreements.withdraw(actor, agreement_id, reason=body.reason, idempotency_key=idempotency_key)
    return body_of(portal, withdrawn)
