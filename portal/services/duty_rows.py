"""The read rows of a duty ledger, as a function of its whole state."""

from collections.abc import Sequence

from agreements.duties import DUTIES, Ledger, Record
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(agreement_id: str, _version: int, state: Ledger) -> Sequence[Row]:
    """One row for each duty that something happened to, and one for each incident."""
    records = [
        Row(
            "duty_record",
            {
                "agreement_id": agreement_id,
                "duty_key": record.key,
                "outcome": _outcome(record),
                "due_at": stamp(record.due_at),
                "changed_at": stamp(record.changed_at),
            },
        )
        for record in state.records
    ]
    incidents = [
        Row(
            "incident",
            {
                "agreement_id": agreement_id,
                "number": incident.number,
                "kind": incident.kind.value,
                "aware_at": stamp(incident.aware_at),
                "reported_at": stamp(incident.at),
            },
        )
        for incident in state.incidents
    ]
    return [*records, *incidents]


def _outcome(record: Record) -> str:
    if record.fulfilment is not None:
        return "fulfilled"
    return "waived" if record.waiver is not None else "open"


LEDGERS = Aggregate(decider=DUTIES, state_type=Ledger, project=project)
"""The store's view of what is on record about duties."""
