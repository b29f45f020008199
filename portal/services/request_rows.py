"""The read row of an access request."""

from collections.abc import Sequence

from agreements.access_requests import ACCESS_REQUEST, AccessRequest
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(request_id: str, _version: int, state: AccessRequest) -> Sequence[Row]:
    """The one row that stands for it. How it stands today depends on the time, so it is in no row."""
    terms = state.asked
    return [
        Row(
            "access_request",
            {
                "request_id": request_id,
                "institution_id": state.institution_id,
                "agreement_id": terms.agreement_id if terms is not None else state.draft.agreement_id,
                "requester_id": state.requester_id,
                "status": state.status.value,
                "opened_at": stamp(state.opened_at),
                "submitted_at": stamp(state.submitted_at),
                "decide_by": stamp(state.decide_by),
            },
        )
    ]


ACCESS_REQUESTS = Aggregate(decider=ACCESS_REQUEST, state_type=AccessRequest, project=project)
"""The store's view of access requests."""
