"""What can happen to a finding."""

from datetime import datetime

from agreements.deciders import Event
from portal.findings.model import Version


class Filed(Event, type="finding:filed"):
    """A finding was filed with its first version."""

    finding_id: str
    institution_id: str
    reporter_id: str
    version: Version


class Revised(Event, type="finding:revised"):
    """A new version replaced the current one."""

    version: Version


class Acknowledged(Event, type="finding:acknowledged"):
    """A coordinator confirmed having read it."""

    by: str


class Closed(Event, type="finding:closed"):
    """A coordinator ended its handling."""

    by: str
    note: str


class MarkedDuplicate(Event, type="finding:marked_duplicate"):
    """The finding points to the one it repeats; its own id stays valid."""

    duplicate_of: str
    by: str


class Withdrawn(Event, type="finding:withdrawn"):
    """The finding was taken back; a tombstone stays."""

    reason: str
    by: str
    withdrawn_at: datetime
