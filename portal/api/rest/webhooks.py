"""Webhooks: where an institution has notices sent, signed (Standard Webhooks, ``v1a``)."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from agreements.deciders import Value
from portal.api.auth import Anyone, Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.services.webhooks import WebhookView

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class NewWebhook(Value):
    """Where to send, and what: everything, or kinds that begin with one of ``kinds``."""

    institution_id: Annotated[str, Field(max_length=128)]
    url: Annotated[str, Field(max_length=1000)]
    kinds: Annotated[tuple[str, ...], Field(max_length=50)] = ()


class VerifyingKey(Value):
    """The Ed25519 key that verifies every delivery, as Standard Webhooks writes it: ``whpk_`` and base64."""

    public_key: str


@router.get("", summary="List webhooks")
def list_webhooks(portal: ThePortal, actor: Signed) -> Listing[WebhookView]:
    """Those you may manage, newest first, and how deliveries to them fare."""
    return Listing.whole(portal.webhooks.list(actor))


@router.post("", status_code=201, summary="Register a webhook")
def register_webhook(
    portal: ThePortal, actor: Signed, body: NewWebhook, idempotency_key: IdempotencyKey = None
) -> WebhookView:
    """For the institution's partner lead; a coordinator registers for ``lab``, which hears of every institution."""
    return portal.webhooks.register(actor, **dict(body), idempotency_key=idempotency_key)


@router.get("/key", summary="The key that verifies deliveries")
def get_webhook_key(portal: ThePortal, _actor: Anyone) -> VerifyingKey:
    """Public; pin it."""
    return VerifyingKey(public_key=portal.webhooks.public_key)


@router.get("/{webhook_id}", summary="Get a webhook")
def get_webhook(portal: ThePortal, actor: Signed, webhook_id: ObjectId) -> WebhookView:
    """Removed ones too, with the reason."""
    return portal.webhooks.get(actor, webhook_id)


@router.post("/{webhook_id}/pause", summary="Pause a webhook")
def pause_webhook(portal: ThePortal, actor: Signed, webhook_id: ObjectId, body: Reason) -> WebhookView:
    """Notices wait until it is resumed."""
    return portal.webhooks.pause(actor, webhook_id, reason=body.reason)


@router.post("/{webhook_id}/resume", summary="Resume a webhook")
def resume_webhook(portal: ThePortal, actor: Signed, webhook_id: ObjectId) -> WebhookView:
    """What waited or was given up is sent first."""
    return portal.webhooks.resume(actor, webhook_id)


@router.post("/{webhook_id}/remove", summary="Remove a webhook")
def remove_webhook(portal: ThePortal, actor: Signed, webhook_id: ObjectId, body: Reason) -> WebhookView:
    """For good; its record stays."""
    return portal.webhooks.remove(actor, webhook_id, reason=body.reason)


@router.post("/{webhook_id}/test", summary="Send a test delivery")
def send_test_delivery(portal: ThePortal, actor: Signed, webhook_id: ObjectId) -> WebhookView:
    """Now, also to a paused one; what came of it is in ``webhook.tested``."""
    return portal.webhooks.test(actor, webhook_id)
