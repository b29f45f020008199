"""By when a request is decided: so many days, counted as working days (Monday to Friday, UTC) or as calendar days."""

from datetime import datetime, timedelta

from pydantic import Field

from agreements.deciders import Value

SATURDAY = 5


class DecisionPeriod(Value):
    """How long the lab takes at most to decide. Public holidays differ from place to place and are not counted out."""

    days: int = Field(ge=1, le=366)
    working: bool = True

    def end(self, start: datetime) -> datetime:
        """When a period that begins at ``start`` is over."""
        if not self.working:
            return start + timedelta(days=self.days)
        moment, left = start, self.days
        while left:
            moment += timedelta(days=1)
            if moment.weekday() < SATURDAY:
                left -= 1
        return moment

    def __str__(self) -> str:
        kind = "working " if self.working else ""
        return f"{self.days} {kind}day{'' if self.days == 1 else 's'}"
