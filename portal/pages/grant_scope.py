"""The fields of a scope, each beside what is above it, and the scope that they make."""

from datetime import UTC, datetime, time

import streamlit as st

from agreements.limits import Period, PeriodBudget, Weekday, budget_of
from agreements.scopes import Operation, Scope
from portal.inputs import parse
from portal.pages.words import moment
from portal.pages.writing import field


def scope_fields(form: str, bounds: Scope, above: str, *, start: Scope | None = None) -> None:
    """One field for each dimension. ``above`` is whose bounds stand beside them, for instance ``the agreement``."""
    begin = start or bounds
    for name, label in (("checkpoints", "Checkpoints"), ("operations", "Operations"), ("purposes", "Purposes")):
        st.multiselect(
            label,
            sorted(getattr(bounds, name)),
            default=sorted(getattr(begin, name) & getattr(bounds, name)),
            key=field(form, name),
            help="A name opens that checkpoint even while withheld; family/* opens what has reached partner access."
            if name == "checkpoints"
            else None,
        )
    st.number_input(
        f"Tokens in all ({above} allows {bounds.token_budget:,})",
        min_value=1,
        value=begin.token_budget,
        step=10_000,
        key=field(form, "budget"),
    )
    st.number_input(
        f"Requests a minute ({above} allows {bounds.requests_per_minute:,})",
        min_value=1,
        value=begin.requests_per_minute,
        key=field(form, "rate"),
    )
    st.date_input(
        f"Ends after ({above} ends {moment(bounds.expires_at)})",
        value=begin.expires_at.date(),
        key=field(form, "ends"),
    )
    with st.expander("Finer limits", icon=":material/tune:"):
        _finer(form, bounds, above, begin)


def _finer(form: str, bounds: Scope, above: str, begin: Scope) -> None:
    day, wanted_day = budget_of(bounds.periods, Period.DAY), budget_of(begin.periods, Period.DAY)
    st.caption("0 stands for no limit of its own: then what is above holds.")
    for name, label, limit, value in (
        ("requests", "Requests in all", bounds.request_budget, begin.request_budget),
        ("at_once", "Runs at once", bounds.concurrency, begin.concurrency),
        ("day_tokens", "Tokens a day (UTC)", day and day.tokens, wanted_day and wanted_day.tokens),
        ("day_requests", "Requests a day (UTC)", day and day.requests, wanted_day and wanted_day.requests),
        (
            "max_tokens",
            "Tokens per choice",
            bounds.sampling and bounds.sampling.max_tokens,
            begin.sampling and begin.sampling.max_tokens,
        ),
    ):
        said = f" ({above} allows {limit:,})" if limit else ""
        st.number_input(f"{label}{said}", min_value=0, value=value or 0, key=field(form, name))
    hours = begin.hours or bounds.hours
    st.multiselect(
        f"Weekdays{f' ({above} allows {bounds.hours})' if bounds.hours else ''}",
        [day.value for day in Weekday],
        default=[day.value for day in Weekday if hours is None or day in hours.weekdays],
        key=field(form, "weekdays"),
    )
    st.text_input("From (HH:MM)", hours.opens if hours else "00:00", key=field(form, "opens"), max_chars=5)
    st.text_input("To (HH:MM)", hours.closes if hours else "24:00", key=field(form, "closes"), max_chars=5)
    st.text_input("Time zone", hours.zone if hours else "UTC", key=field(form, "zone"), max_chars=64)
    st.checkbox(
        "Tokens have to be bound to their holder's key (DPoP)",
        value=begin.holder_bound,
        disabled=bounds.holder_bound,
        key=field(form, "bound"),
    )


def scope_from(form: str, bounds: Scope, *, start: Scope | None = None) -> Scope:
    """The scope that the fields make. What they have no field for stays as in ``start``. Raises Invalid."""
    state, begin = st.session_state, start or bounds

    def said(name: str) -> int | None:
        return int(state[field(form, name)]) or None

    last = datetime.combine(state[field(form, "ends")], time.max, UTC)
    day = {"period": Period.DAY, "tokens": said("day_tokens"), "requests": said("day_requests")}
    others: list[PeriodBudget] = [budget for budget in begin.periods if budget.period is not Period.DAY]
    sampling = begin.sampling.model_dump(exclude_none=True) if begin.sampling else {}
    sampling = {**sampling, "max_tokens": said("max_tokens")}
    hours = {name: state[field(form, name)] for name in ("weekdays", "opens", "closes", "zone")}
    always = len(hours["weekdays"]) == len(Weekday) and (hours["opens"], hours["closes"]) == ("00:00", "24:00")
    return parse(
        Scope,
        {
            "checkpoints": frozenset(state[field(form, "checkpoints")]),
            "operations": frozenset(Operation(name) for name in state[field(form, "operations")]),
            "purposes": frozenset(state[field(form, "purposes")]),
            "token_budget": int(state[field(form, "budget")]),
            "requests_per_minute": int(state[field(form, "rate")]),
            "expires_at": next(
                (end for end in (begin.expires_at, bounds.expires_at) if end.date() == last.date()), last
            ),
            "request_budget": said("requests"),
            "concurrency": said("at_once"),
            "periods": (*others, day) if day["tokens"] or day["requests"] else tuple(others),
            "sampling": sampling if any(value is not None for value in sampling.values()) else None,
            "hours": None if always else hours,
            "holder_bound": bool(state[field(form, "bound")]),
        },
    )
