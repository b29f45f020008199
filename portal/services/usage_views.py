"""What usage is asked by and how it is answered: plain numbers of runs and tokens, each with what it counts."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.deciders import Value
from agreements.scopes import Operation
from model_access.runs import RunStatus
from portal.services.grant_views import PeriodUse


class Grouping(StrEnum):
    """What usage is told apart by. A run belongs to exactly one group, so that groups add up to the total."""

    INSTITUTION = "institution"
    PERSON = "person"
    PROGRAM = "program"
    CHECKPOINT = "checkpoint"
    PURPOSE = "purpose"
    OPERATION = "operation"
    GRANT = "grant"
    AGREEMENT = "agreement"

    @property
    def of_none(self) -> str:
        """How the group of runs is called that have none."""
        return {
            Grouping.INSTITUTION: "no institution",
            Grouping.PERSON: "programs, not people",
            Grouping.PROGRAM: "people, not programs",
            Grouping.GRANT: "no grant: the lab's own or public use",
            Grouping.AGREEMENT: "no agreement: the lab's own or public use",
        }.get(self, f"no {self.value}")


Id = Annotated[str, Field(max_length=128)]


class UsageFilter(Value):
    """Which runs are counted; None leaves a dimension open."""

    institution: Id | None = None
    person: Id | None = None
    """A person or a program."""
    checkpoint: Id | None = None
    purpose: Id | None = None
    operation: Operation | None = None
    grant: Id | None = None
    """Runs on it and on everything delegated from it: what the grant's meter counts."""
    agreement: Id | None = None
    status: RunStatus | None = None


class Counts(Value):
    """Runs that began, and what they used."""

    runs: int = 0
    completed: int = 0
    failed: int = 0
    under_way: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charged_tokens: int = 0
    """What budgets were charged; runs under way are charged when they end."""
    held_tokens: int = 0
    """Reserved for runs under way: the most that they may still be charged."""
    people: int = 0
    """Different people. Somebody who is in two groups is one person in their total."""
    programs: int = 0


class Group(Value):
    """One institution, person, checkpoint, …; ``key`` is its id, empty for runs that have none."""

    key: str
    label: str
    counts: Counts


class Bucket(Value):
    """One day, ISO week or month in UTC. A run counts where it began."""

    start: date
    label: str
    """``2026-03-01``, ``2026-W09`` or ``2026-03``."""
    counts: Counts
    by_key: dict[str, Counts]
    """The groups that had runs in it."""


class Failures(Value):
    """Runs that failed for one reason."""

    code: str
    runs: int


class UsageReport(Value):
    """Usage between two days, both included."""

    since: date
    until: date
    period: str
    group_by: Grouping
    total: Counts
    groups: tuple[Group, ...]
    """The most tokens first."""
    buckets: tuple[Bucket, ...]
    """Every one of the range, in order, those without a run too."""
    failures: tuple[Failures, ...]

    @property
    def labels(self) -> dict[str, str]:
        """How each group is called, by its key."""
        return {group.key: group.label for group in self.groups}


class HourCount(Value):
    """Runs that began in one hour of the week, in UTC."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    """Monday is 1 (ISO 8601)."""
    hour: Annotated[int, Field(ge=0, le=23)]
    runs: int
    charged_tokens: int


class UnusualDay(Value):
    """A day on which somebody used far more than they usually do, with the numbers that say so."""

    day: date
    person_id: str
    person_name: str
    institution_id: str | None
    institution_name: str
    runs: int
    tokens: int
    usual_tokens: float
    """The median of this holder's days with runs in the range."""
    spread_tokens: float
    """The median distance of those days from that median (MAD)."""
    limit_tokens: float
    """Above this, a day is unusual."""
    days: int
    """Days with runs that this rests on."""


class UnusualReport(Value):
    """Unusual days of a range, the furthest above what is usual first, and by which rule they were found."""

    since: date
    until: date
    rule: str
    items: tuple[UnusualDay, ...]
    too_few_days: int
    """Holders who had too few days with runs to say what is usual for them."""


class Pace(Value):
    """How fast a grant's budget goes, and when it would be used up."""

    tokens_per_day: float
    over_days: int
    used_up_on: date | None
    """None where it lasts beyond ten years."""
    before_end: bool
    """Whether that is before the grant ends."""


class GrantBudget(Value):
    """A grant's budget with what it and everything delegated from it has used."""

    grant_id: str
    label: str
    parent_id: str
    depth: int
    institution_id: str
    institution_name: str
    holder_name: str
    active: bool
    ends_on: date
    budget_tokens: int
    used_tokens: int
    held_tokens: int
    left_tokens: int
    budget_requests: int | None
    used_requests: int
    periods: tuple[PeriodUse, ...]
    pace: Pace | None
    no_pace: str
    """Why no pace is given, in words; empty where one is."""
