"""The read rows of a notice, as a function of its whole state."""

from collections.abc import Sequence

from portal.notices.decider import NOTICE
from portal.notices.model import NoticeState
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(notice_id: str, _version: int, state: NoticeState) -> Sequence[Row]:
    """Every row that stands for the notice."""
    notice = state.notice
    if notice is None:
        return []
    summary = Row(
        "notice",
        {
            "notice_id": notice_id,
            "kind": notice.kind,
            "institution_id": notice.institution_id,
            "raised_at": stamp(state.raised_at),
        },
    )
    readers = [
        Row("notice_reader", {"notice_id": notice_id, "reader": key, "institution_id": institution_id})
        for key, institution_id in notice.readers
    ]
    marks = [
        Row("notice_read", {"notice_id": notice_id, "person_id": mark.person_id, "read_at": stamp(mark.at)})
        for mark in state.read_by
    ]
    deliveries = [
        Row(
            "notice_delivery",
            {
                "notice_id": notice_id,
                "channel": delivery.channel.value,
                "target_id": delivery.target_id,
                "status": delivery.status.value,
                "reason": delivery.reason,
                "attempted_at": stamp(delivery.at),
                "next_at": stamp(delivery.next_at),
            },
        )
        for delivery in state.deliveries
    ]
    return [summary, *readers, *marks, *deliveries]


NOTICES = Aggregate(decider=NOTICE, state_type=NoticeState, project=project)
"""The store's view of notices."""
