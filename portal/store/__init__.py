"""The portal's memory: events, states, read rows and the transparency log, in one DuckDB file."""

from portal.store.log import Log
from portal.store.records import Aggregate, Append, Committed, RecordedEvent, Request, Row, SqlValue
from portal.store.store import Store

__all__ = ["Aggregate", "Append", "Committed", "Log", "RecordedEvent", "Request", "Row", "SqlValue", "Store"]
