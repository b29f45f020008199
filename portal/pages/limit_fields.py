"""Fields of the finer limits, each beside what is above it, and what they say. An empty field says nothing of its own.

One module for grants and for narrowed tokens: both are a part of something, in the same dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from agreements.limits import DAY_ENDS, Hours, Period, PeriodBudget, Sampling, Weekday, budget_of
from agreements.precision import Precision
from agreements.scopes import Scope, precisions_in_words
from portal.pages.words import literal
from portal.pages.writing import field

_DAYS = {day.value: day.value.capitalize() for day in Weekday}


@dataclass(frozen=True)
class Beside:
    """Where fields stand: in which form, beside whose bounds, and which of them go beyond those."""

    form: str
    bounds: Scope
    above: str
    """Whose bounds they are, for instance ``the agreement``."""
    marks: Mapping[str, str]
    """What is wrong, by dimension."""

    def key(self, name: str) -> str:
        """The widget's key."""
        return field(self.form, name)

    def number(
        self,
        name: str,
        label: str,
        dimension: str,
        limit: float | None,
        value: float | None,
        *,
        least: float = 1,
        **more: Any,
    ) -> None:
        """A number that may be left out."""
        said = f"{self.above} allows {limit:,}" if limit is not None else f"{self.above} sets no limit"
        st.number_input(
            f"{label} ({said})",
            min_value=least,
            value=value,
            key=self.key(name),
            placeholder="as above it" if limit is not None else "no limit",
            **more,
        )
        self.mark(dimension)

    def mark(self, *dimensions: str) -> None:
        """Say at the field what is wrong with it, if something is."""
        for dimension, message in self.marks.items():
            if dimension in dimensions:
                st.markdown(f":red[:material/error: {literal(message)}]")


def limit_fields(beside: Beside, begin: Scope) -> None:
    """Requests, runs at once, calendar budgets, sampling and hours. ``begin`` is what they start from."""
    bounds = beside.bounds
    left, right = st.columns(2)
    with left:
        beside.number("requests", "Requests in all", "request_budget", bounds.request_budget, begin.request_budget)
    with right:
        beside.number("at_once", "Runs at once", "concurrency", bounds.concurrency, begin.concurrency)
    beside.number("outputs", "Generated tokens in all", "output_budget", bounds.output_budget, begin.output_budget)
    for period in Period:
        _period(beside, period, begin)
    _sampling(beside, begin.sampling)
    _hours(beside, begin.hours)


def _period(beside: Beside, period: Period, begin: Scope) -> None:
    allowed, wanted = budget_of(beside.bounds.periods, period), budget_of(begin.periods, period)
    names = {"tokens": "Tokens", "requests": "Requests"}
    for column, (name, label) in zip(st.columns(2), names.items(), strict=True):
        with column:
            beside.number(
                f"{period.value}_{name}",
                f"{label} a {period.value}, UTC",
                f"periods.{period.value}.{name}",
                getattr(allowed, name, None),
                getattr(wanted, name, None),
            )


def _sampling(beside: Beside, begin: Sampling | None) -> None:
    fields: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("max_tokens", "Tokens per choice", {}),
        ("choices", "Choices per request", {"max_value": 1024}),
        ("top_logprobs", "Alternatives reported per token", {"least": 0, "max_value": 20}),
        ("max_temperature", "Highest temperature", {"least": 0.0, "max_value": 2.0, "step": 0.1}),
        ("logprob_decimals", "Decimals of log-probabilities", {"least": 0, "max_value": 6}),
    )
    columns = st.columns(2)
    for place, (name, label, more) in enumerate(fields):
        with columns[place % 2]:
            limit, value = getattr(beside.bounds.sampling, name, None), getattr(begin, name, None)
            beside.number(name, label, f"sampling.{name}", limit, value, **more)


def _hours(beside: Beside, begin: Hours | None) -> None:
    above = beside.bounds.hours
    hours = begin or above or Hours()
    said = f"{beside.above} allows {above}" if above else f"{beside.above} allows any time"
    st.multiselect(
        f"On which days requests are taken ({said})",
        list(_DAYS),
        default=[day.value for day in Weekday if day in hours.weekdays],
        format_func=_DAYS.__getitem__,
        key=beside.key("weekdays"),
    )
    first, second, third = st.columns(3)
    first.text_input("From (HH:MM)", hours.opens, key=beside.key("opens"), max_chars=5)
    second.text_input("To (HH:MM)", hours.closes, key=beside.key("closes"), max_chars=5)
    # Hours of two zones are not compared: a part keeps the zone of the whole.
    zones = [above.zone] if above else sorted({*_zones(), hours.zone})
    third.selectbox("Time zone", zones, index=zones.index(hours.zone), key=beside.key("zone"), disabled=bool(above))
    beside.mark("hours", "hours.weekdays", "hours.opens", "hours.closes", "hours.zone")


def steering_fields(beside: Beside, begin: Scope) -> None:
    """Whether logits may be biased, and in which precisions answers may be computed."""
    bounds, above = beside.bounds, beside.above
    st.checkbox(
        "Requests may bias logits (logit_bias)" + ("" if bounds.logit_bias else f": {above} does not allow it"),
        value=begin.logit_bias and bounds.logit_bias,
        disabled=not bounds.logit_bias,
        help="Who may bias logits can have any token chosen, and learns more of the weights with each request.",
        key=beside.key("bias"),
    )
    beside.mark("logit_bias")
    offered = [one.value for one in Precision if bounds.precisions is None or one in bounds.precisions]
    st.multiselect(
        f"Precisions in which answers may be computed ({above} allows {precisions_in_words(bounds.precisions)})",
        offered,
        default=[one for one in offered if begin.precisions is not None and one in begin.precisions],
        placeholder="as above it",
        key=beside.key("precisions"),
    )
    beside.mark("precisions")


def binding_field(beside: Beside, begin: Scope) -> None:
    """Whether tokens are bound to a key."""
    bounds, above = beside.bounds, beside.above
    st.checkbox(
        "Tokens have to be bound to their holder's key (DPoP)"
        + (f": {above} asks for it" if bounds.holder_bound else ""),
        value=begin.holder_bound or bounds.holder_bound,
        disabled=bounds.holder_bound,
        key=beside.key("bound"),
    )
    beside.mark("holder_bound")


def steering_from(form: str) -> dict[str, Any]:
    """What those fields say, by the names of a scope."""
    state = st.session_state
    return {
        "logit_bias": bool(state.get(field(form, "bias"))),
        "precisions": frozenset(map(Precision, state.get(field(form, "precisions")) or ())) or None,
    }


def binding_from(form: str) -> dict[str, Any]:
    """What that field says, by the names of a scope."""
    return {"holder_bound": bool(st.session_state.get(field(form, "bound")))}


def limits_from(form: str, bounds: Scope) -> dict[str, Any]:
    """What the fields say, by the names of a scope; what they leave out is not among it."""
    state = st.session_state

    def said(name: str) -> Any:
        return state.get(field(form, name))

    periods: list[PeriodBudget | dict[str, Any]] = [
        {"period": period, **amounts}
        for period in Period
        if (
            amounts := {
                name: value for name in ("tokens", "requests") if (value := said(f"{period.value}_{name}")) is not None
            }
        )
    ]
    sampling = {name: value for name in Sampling.model_fields if (value := said(name)) is not None}
    hours = {name: said(name) for name in ("weekdays", "opens", "closes", "zone")}
    always = len(hours["weekdays"] or ()) == len(Weekday) and (hours["opens"], hours["closes"]) == ("00:00", DAY_ENDS)
    found = {
        "request_budget": said("requests"),
        "output_budget": said("outputs"),
        "concurrency": said("at_once"),
        "periods": tuple(periods) or None,
        "sampling": sampling or None,
        "hours": None if always and bounds.hours is None else hours,
    }
    return {name: value for name, value in found.items() if value is not None}


def limits_below(form: str, bounds: Scope) -> dict[str, Any]:
    """All of the fields without what is just as above: a run is charged to a limit that a token has of its own."""
    found = limits_from(form, bounds)
    for name in ("request_budget", "output_budget", "concurrency"):
        if found.get(name) == getattr(bounds, name):
            found.pop(name, None)
    sampling = _changed(found.pop("sampling", {}), bounds.sampling)
    periods = [
        {"period": said["period"], **changed}
        for said in found.pop("periods", ())
        if (changed := _changed({**said, "period": None}, budget_of(bounds.periods, said["period"])))
    ]
    if "hours" in found and bounds.hours is not None:
        said = {**found["hours"], "weekdays": frozenset(found["hours"]["weekdays"])}
        if said == dict(bounds.hours):
            del found["hours"]
    steering = {name: value for name, value in steering_from(form).items() if value != getattr(bounds, name)}
    found |= {name: value for name, value in steering.items() if value is not None}
    return found | {name: value for name, value in (("sampling", sampling), ("periods", periods)) if value}


def _changed(said: Mapping[str, Any], above: Sampling | PeriodBudget | None) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None and value != getattr(above, name, None)}


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/")) | {"UTC"}
