"""The portal's memory: events, states, read rows and the transparency log, in one DuckDB file."""

from portal.store.backup import backup
from portal.store.log import Log
from portal.store.reading import reading
from portal.store.records import (
    Aggregate,
    Append,
    Change,
    Committed,
    Guard,
    Held,
    Listener,
    RecordedEvent,
    Request,
    Row,
    SqlValue,
)
from portal.store.store import Store
from portal.store.verify import Fault, VerifyReport, verify_store

__all__ = [
    "Aggregate",
    "Append",
    "Change",
    "Committed",
    "Fault",
    "Guard",
    "Held",
    "Listener",
    "Log",
    "RecordedEvent",
    "Request",
    "Row",
    "SqlValue",
    "Store",
    "VerifyReport",
    "backup",
    "reading",
    "verify_store",
]
