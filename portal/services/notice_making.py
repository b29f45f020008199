"""Making notices about agreements: for whom, and with the way to what they tell of."""

from datetime import datetime
from typing import Any

from agreements.actors import Role
from agreements.agreement import Agreement
from portal.inputs import parse
from portal.notices.model import Notice

LEADS = frozenset({Role.PARTNER_LEAD.value})
PARTNERS = frozenset({Role.PARTNER_LEAD.value, Role.PARTNER_MEMBER.value})
LAB_SIDE = frozenset({Role.COORDINATOR.value})
EVERYBODY = PARTNERS | LAB_SIDE


def notice_about(
    agreement: Agreement,
    notice_id: str,
    kind: str,
    subject: str,
    body: str,
    at: datetime,
    audience: frozenset[str],
    **more: Any,
) -> Notice:
    """A notice about an agreement, with the way there unless ``more`` says another."""
    # Parsed, so that a name nobody foresaw ends in a refusal of ours that stops this notice alone.
    return parse(
        Notice,
        {
            "id": notice_id,
            "kind": kind,
            "institution_id": agreement.institution_id,
            "subject": subject,
            "body": body,
            "link": f"/agreements?agreement={agreement.id}",
            "at": at,
            "audience": audience,
            **more,
        },
    )
