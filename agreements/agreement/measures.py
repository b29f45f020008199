"""Measures taken while an agreement runs: suspensions with their appeals, and narrowings; each keeps its record."""

from datetime import datetime
from enum import StrEnum

from pydantic import field_serializer

from agreements.clauses import SuspensionReason
from agreements.deciders import Value
from agreements.scopes import Operation


class AppealOutcome(StrEnum):
    """How an appeal ended."""

    UPHELD = "upheld"
    """The institution was right: the suspension is lifted."""
    DISMISSED = "dismissed"
    LAPSED = "lapsed"
    """The lab did not decide in time."""
    OVERTAKEN = "overtaken"
    """The suspension ended by another way before the lab decided."""


class Appeal(Value):
    """The institution's objection to a suspension."""

    text: str
    filed_by: str
    filed_by_name: str
    filed_at: datetime
    decide_by: datetime | None
    """When the lab has to have decided; None where the agreement sets no clock."""
    outcome: AppealOutcome | None = None
    decided_by: str = ""
    decided_by_name: str = ""
    decided_at: datetime | None = None
    reasons: str = ""


class Suspension(Value):
    """All access stopped, with a reason, until it is lifted."""

    number: int
    reason: SuspensionReason
    statement: str
    duty_keys: tuple[str, ...] = ()
    by_id: str
    by_name: str
    automatic: bool = False
    notified_at: datetime
    takes_effect_at: datetime
    appeal_until: datetime | None = None
    """Until when it can be appealed; None for as long as it lasts."""
    lifted_at: datetime | None = None
    lifted_by: str = ""
    lifted_by_name: str = ""
    lift_reason: str = ""
    appeal: Appeal | None = None

    @property
    def requested(self) -> bool:
        """Whether the institution asked for it; only it ends what it asked for."""
        return self.reason is SuspensionReason.REQUESTED

    def effective_on(self, now: datetime) -> bool:
        """Whether it stops access at ``now``."""
        return self.lifted_at is None and now >= self.takes_effect_at


class SuspensionEffect(Value):
    """When a suspension stops access, and what can be done against it."""

    takes_effect_at: datetime
    notice_hours: int = 0
    """How long after its notice that is; none where it stops access at once."""
    appeal_until: datetime | None = None
    """Until when it can be appealed; None for as long as it lasts."""
    decision_days: int | None = None
    """How long the lab has to decide an appeal; None sets no clock."""
    silence_lifts: bool = False
    """Whether it ends when the lab does not decide in time."""


class Narrowing(Value):
    """Access cut down to some operations and a slower rate, until it is widened again."""

    number: int
    operations: frozenset[Operation]
    requests_per_minute: int
    statement: str
    duty_keys: tuple[str, ...] = ()
    by_id: str
    by_name: str
    automatic: bool = False
    at: datetime
    widened_at: datetime | None = None
    widened_by: str = ""
    widened_by_name: str = ""
    widen_reason: str = ""

    @field_serializer("operations")
    def _sorted(self, values: frozenset[Operation]) -> list[str]:
        return sorted(values)
