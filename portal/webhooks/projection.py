"""The read row of an endpoint."""

from collections.abc import Sequence

from portal.services.aggregates import stamp
from portal.store import Aggregate, Row
from portal.webhooks.decider import WEBHOOK, Webhook


def project(webhook_id: str, _version: int, state: Webhook) -> Sequence[Row]:
    """The one row that stands for the endpoint."""
    if not state.id:
        return []
    return [
        Row(
            "webhook",
            {
                "webhook_id": webhook_id,
                "institution_id": state.institution_id,
                "status": state.status.value,
                "registered_at": stamp(state.registered_at),
            },
        )
    ]


WEBHOOKS = Aggregate(decider=WEBHOOK, state_type=Webhook, project=project)
"""The store's view of endpoints."""
