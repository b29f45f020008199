"""A message of the Standard Webhooks specification 1.0.0: payload, headers, and a ``v1a`` signature (Ed25519)."""

from datetime import datetime

from agreements.canonical import b64encode, canonical_bytes, sha256_hex
from agreements.deciders import Value
from agreements.keys import PublicKey, SigningKey
from portal.notices.model import Notice

TEST_KIND = "webhook.test"
"""The type of a test delivery; no notice has it."""


class Message(Value):
    """What is sent, the same bytes under the same id however often it is tried."""

    id: str
    payload: bytes

    def headers(self, key: SigningKey, at: datetime) -> dict[str, str]:
        """The headers of one attempt at ``at``: id, Unix seconds, and the signature over ``id.timestamp.payload``."""
        timestamp = str(int(at.timestamp()))
        signature = key.sign(f"{self.id}.{timestamp}.".encode() + self.payload)
        return {
            "content-type": "application/json",
            "webhook-id": self.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1a,{b64encode(signature)}",
        }


def public_form(key: PublicKey) -> str:
    """The public key as the specification writes it: ``whpk_`` and the raw bytes in base64."""
    return f"whpk_{b64encode(key.raw)}"


def notice_message(notice: Notice, webhook_id: str, portal_url: str) -> Message:
    """The message that brings a notice to an endpoint.

    It names the endpoint: one key signs for all, and a message must not pass for another endpoint's.
    """
    data = {
        "webhook_id": webhook_id,
        "notice_id": notice.id,
        "institution_id": notice.institution_id,
        "subject": notice.subject,
        "body": notice.body,
        "link": f"{portal_url}{notice.link}",
    }
    return _message(f"{webhook_id}/{notice.id}", notice.kind, notice.at, data)


def trial_message(webhook_id: str, institution_id: str, at: datetime) -> Message:
    """A message that says nothing, to try an endpoint with."""
    data = {
        "webhook_id": webhook_id,
        "notice_id": "",
        "institution_id": institution_id,
        "subject": "A test delivery",
        "body": "Somebody had it sent to see whether it arrives.",
        "link": "",
    }
    return _message(f"{webhook_id}/test/{at.isoformat()}", TEST_KIND, at, data)


def _message(seed: str, kind: str, at: datetime, data: dict[str, str]) -> Message:
    payload = canonical_bytes({"type": kind, "timestamp": at.isoformat(), "data": {**data}})
    # Hashed, because an id must not hold a full stop: it would be ambiguous in what is signed.
    return Message(id=f"msg_{sha256_hex(seed.encode())[:32]}", payload=payload)
