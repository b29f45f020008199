"""Finer limits of a scope: how a request may sample, how much a day, week or month may take, at which hours.

Each says in which respects it goes beyond another, and what the two have in common. None stands for no limit.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_serializer, model_validator

from agreements.values import Value, later

N = TypeVar("N", int, float)

TokenCount = Annotated[int, Field(ge=1, le=10**12)]
RequestCount = Annotated[int, Field(ge=1, le=10**9)]
PerMinute = Annotated[int, Field(ge=1, le=100_000)]
AtOnce = Annotated[int, Field(ge=1, le=1000)]
Decimals = Annotated[int, Field(ge=0, le=6)]
"""Digits after the point; a float32 log-probability has no more that mean anything."""

DAY_ENDS = "24:00"


class Excess(Value):
    """One dimension in which a scope goes beyond another."""

    dimension: str
    message: str


def over(dimension: str, wanted: N | None, allowed: N | None) -> Iterator[Excess]:
    """Whether a number goes beyond a limit; no number of its own goes beyond every limit."""
    if allowed is None or (wanted is not None and wanted <= allowed):
        return
    said = "no limit" if wanted is None else f"{wanted:,}"
    yield Excess(dimension=dimension, message=f"{said} is more than {allowed:,}")


def lower(one: N | None, other: N | None) -> N | None:
    """The narrower of two limits."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


class Sampling(Value):
    """How one request may sample. At least one limit is set."""

    max_tokens: TokenCount | None = later()
    """Tokens generated per choice."""
    choices: Annotated[int, Field(ge=1, le=1024)] | None = later()
    """Choices per request: prompts × ``n``."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = later()
    """Alternatives reported per token."""
    max_temperature: Annotated[float, Field(ge=0, le=2)] | None = later()
    logprob_decimals: Decimals | None = later()
    """To how many decimals log-probabilities are rounded before they leave. Nobody asks for it: it is done."""

    @model_validator(mode="after")
    def _says_something(self) -> "Sampling":
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("limits on sampling name at least one limit")
        return self

    def __str__(self) -> str:
        words = (
            ("{:,} tokens per choice", self.max_tokens),
            ("{:,} choices per request", self.choices),
            ("{:,} alternatives per token", self.top_logprobs),
            ("temperature {:g}", self.max_temperature),
            ("{:,} decimals of log-probabilities", self.logprob_decimals),
        )
        return "at most " + ", ".join(form.format(value) for form, value in words if value is not None)


def sampling_beyond(child: Sampling | None, parent: Sampling | None) -> Iterator[Excess]:
    """Every limit on sampling in which ``child`` is wider."""
    if parent is not None:
        for name in Sampling.model_fields:
            yield from over(f"sampling.{name}", child and getattr(child, name), getattr(parent, name))


def sampling_meet(one: Sampling | None, other: Sampling | None) -> Sampling | None:
    """The narrower of the two in each limit."""
    if one is None or other is None:
        return other if one is None else one
    return Sampling(**{name: lower(getattr(one, name), getattr(other, name)) for name in Sampling.model_fields})


def sampling_filled(own: Sampling | None, above: Sampling | None) -> Sampling | None:
    """``own`` with what it leaves unsaid taken from above."""
    if own is None or above is None:
        return own or above
    return Sampling(**(above.model_dump(exclude_none=True) | own.model_dump(exclude_none=True)))


class Period(StrEnum):
    """A stretch of the calendar, in UTC."""

    DAY = "day"
    WEEK = "week"
    """From Monday (ISO 8601)."""
    MONTH = "month"

    def start(self, now: datetime) -> datetime:
        """When the period that holds ``now`` began."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match self:
            case Period.DAY:
                return midnight
            case Period.WEEK:
                return midnight - timedelta(days=midnight.weekday())
            case Period.MONTH:
                return midnight.replace(day=1)

    def end(self, now: datetime) -> datetime:
        """When the next one begins."""
        start = self.start(now)
        match self:
            case Period.DAY:
                return start + timedelta(days=1)
            case Period.WEEK:
                return start + timedelta(days=7)
            case Period.MONTH:
                return (start + timedelta(days=31)).replace(day=1)


class PeriodBudget(Value):
    """How much each day, week or month may take."""

    period: Period
    tokens: TokenCount | None = later()
    requests: RequestCount | None = later()

    @model_validator(mode="after")
    def _says_something(self) -> "PeriodBudget":
        if self.tokens is None and self.requests is None:
            raise ValueError("the budget of a period names tokens, requests or both")
        return self

    def __str__(self) -> str:
        amounts = (("tokens", self.tokens), ("requests", self.requests))
        said = " and ".join(f"{amount:,} {what}" for what, amount in amounts if amount is not None)
        return f"{said} a {self.period.value}"


def _one_each(periods: tuple[PeriodBudget, ...]) -> tuple[PeriodBudget, ...]:
    if len({budget.period for budget in periods}) < len(periods):
        raise ValueError("a period has one budget")
    order = list(Period)
    return tuple(sorted(periods, key=lambda budget: order.index(budget.period)))


Periods = Annotated[tuple[PeriodBudget, ...], Field(max_length=3), AfterValidator(_one_each)]
"""At most one budget for each period, shortest first."""


def budget_of(periods: Sequence[PeriodBudget], period: Period) -> PeriodBudget | None:
    """The budget of that period, if there is one."""
    return next((budget for budget in periods if budget.period is period), None)


def periods_beyond(child: Sequence[PeriodBudget], parent: Sequence[PeriodBudget]) -> Iterator[Excess]:
    """Every period in which ``child`` may take more."""
    for allowed in parent:
        wanted = budget_of(child, allowed.period)
        for name in ("tokens", "requests"):
            dimension = f"periods.{allowed.period.value}.{name}"
            yield from over(dimension, wanted and getattr(wanted, name), getattr(allowed, name))


def periods_meet(one: Sequence[PeriodBudget], other: Sequence[PeriodBudget]) -> tuple[PeriodBudget, ...]:
    """The narrower budget of each period."""
    found = []
    for period in Period:
        budgets = [budget for budgets in (one, other) if (budget := budget_of(budgets, period))]
        if budgets:
            first, last = budgets[0], budgets[-1]
            tokens, requests = lower(first.tokens, last.tokens), lower(first.requests, last.requests)
            found.append(PeriodBudget(period=period, tokens=tokens, requests=requests))
    return tuple(found)


def periods_filled(own: Sequence[PeriodBudget], above: Sequence[PeriodBudget]) -> tuple[PeriodBudget, ...]:
    """``own`` with what it leaves unsaid taken from above."""
    found = []
    for period in Period:
        said: dict[str, object] = {}
        for budgets in (above, own):
            budget = budget_of(budgets, period)
            said |= budget.model_dump(exclude_none=True) if budget else {}
        if said:
            found.append(PeriodBudget.model_validate(said))
    return tuple(found)


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


_WEEK = tuple(Weekday)


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (LookupError, ValueError, OSError):
        # A folder of the database, a path out of it, or nothing at all.
        raise ValueError("no such time zone; use a name such as Europe/Zurich") from None


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
"""A name of the IANA time zone database."""

Clock = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
"""A time of day, ``HH:MM``; ``24:00`` is the end of the day."""


class Hours(Value):
    """At which hours requests are taken, on the wall clock of one zone."""

    weekdays: frozenset[Weekday] = Field(default=frozenset(Weekday), min_length=1)
    opens: Clock = "00:00"
    closes: Clock = DAY_ENDS
    zone: Zone = "UTC"

    @field_serializer("weekdays")
    def _sorted(self, values: frozenset[Weekday]) -> list[str]:
        return [day.value for day in _WEEK if day in values]

    @model_validator(mode="after")
    def _in_order(self) -> "Hours":
        if self.opens >= self.closes:
            raise ValueError("the hours open before they close, within one day")
        return self

    def open_at(self, now: datetime) -> bool:
        """Whether requests are taken at ``now``."""
        local = now.astimezone(ZoneInfo(self.zone))
        return _WEEK[local.weekday()] in self.weekdays and self.opens <= f"{local:%H:%M}" < self.closes

    def next_opening(self, now: datetime) -> datetime:
        """When requests are taken again, in UTC; ``now`` while they are."""
        if self.open_at(now):
            return now
        local = now.astimezone(ZoneInfo(self.zone))
        hour, minute = (int(part) for part in self.opens.split(":"))
        # Two weeks: clocks that are put forward may skip a short opening.
        for days in range(15):
            day = (local + timedelta(days=days)).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
            opening = day.astimezone(UTC)
            if opening > now and self.open_at(opening):
                return opening
        raise AssertionError("unreachable: every week has one of the weekdays")

    def __str__(self) -> str:
        return f"{_days_in_words(self.weekdays)} {self.opens}–{self.closes} {self.zone}"


def _days_in_words(weekdays: frozenset[Weekday]) -> str:
    """``daily``, ``Mon–Fri``, ``Mon, Wed, Fri–Sun``: three days or more on end are one stretch."""
    if len(weekdays) == len(_WEEK):
        return "daily"
    stretches: list[list[Weekday]] = []
    for place, day in enumerate(_WEEK):
        if day not in weekdays:
            continue
        if stretches and _WEEK[place - 1] is stretches[-1][-1]:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    said = []
    for stretch in stretches:
        names = [day.value.capitalize() for day in stretch]
        said += [f"{names[0]}–{names[-1]}"] if len(names) > 2 else names
    return ", ".join(said)


def hours_beyond(child: Hours | None, parent: Hours | None) -> Iterator[Excess]:
    """Whether ``child`` takes requests when ``parent`` does not. Hours of two zones are not compared: clocks change."""
    if parent is None:
        return
    if child is None or not (
        child.zone == parent.zone
        and child.weekdays <= parent.weekdays
        and parent.opens <= child.opens
        and child.closes <= parent.closes
    ):
        yield Excess(dimension="hours", message=f"{child or 'any time'} does not lie within {parent}")


class Apart(Exception):
    """Two limits leave nothing, or nothing that can be said. ``args[0]`` names the dimension."""


def hours_meet(one: Hours | None, other: Hours | None) -> Hours | None:
    """The hours that both take requests. Raises Apart where there are none, or they are of two zones."""
    if one is None or other is None:
        return other if one is None else one
    weekdays = one.weekdays & other.weekdays
    opens, closes = max(one.opens, other.opens), min(one.closes, other.closes)
    if one.zone != other.zone or not weekdays or opens >= closes:
        raise Apart("hours")
    return Hours(weekdays=weekdays, opens=opens, closes=closes, zone=one.zone)
