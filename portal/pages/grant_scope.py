"""The fields of a scope, each beside what is above it, and the scope that they make."""

from collections.abc import Mapping
from datetime import UTC, datetime, time

import streamlit as st

from agreements.errors import Invalid
from agreements.scopes import Operation, Scope, excesses, filled
from portal.inputs import parse
from portal.pages.limit_fields import (
    Beside,
    binding_field,
    binding_from,
    limit_fields,
    limits_from,
    steering_fields,
    steering_from,
)
from portal.pages.words import moment
from portal.pages.writing import field


def scope_fields(form: str, bounds: Scope, above: str, *, start: Scope | None = None) -> None:
    """One field for each dimension. ``above`` is whose bounds stand beside them, for instance ``the agreement``."""
    begin = start or bounds
    beside = Beside(form, bounds, above, marks_of(form, bounds, start=start))
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
        beside.mark(name)
    st.number_input(
        f"Tokens in all ({above} allows {bounds.token_budget:,})",
        min_value=1,
        value=begin.token_budget,
        step=10_000,
        key=field(form, "budget"),
    )
    beside.mark("token_budget")
    st.number_input(
        f"Requests a minute ({above} allows {bounds.requests_per_minute:,})",
        min_value=1,
        value=begin.requests_per_minute,
        key=field(form, "rate"),
    )
    beside.mark("requests_per_minute")
    st.date_input(
        f"Ends after ({above} ends {moment(bounds.expires_at)})",
        value=begin.expires_at.date(),
        key=field(form, "ends"),
    )
    beside.mark("expires_at")
    with st.expander(
        "Finer limits", icon=":material/tune:", expanded=any(name not in _COARSE for name in beside.marks)
    ):
        st.caption("An empty field sets no limit of its own: then what is above holds.")
        limit_fields(beside, begin)
        steering_fields(beside, begin)
        binding_field(beside, begin)


def marks_of(form: str, bounds: Scope, *, start: Scope | None = None) -> Mapping[str, str]:
    """What is wrong with the fields as they stand, by dimension; nothing before they were drawn."""
    if field(form, "budget") not in st.session_state:
        return {}
    try:
        wanted = filled(scope_from(form, bounds, start=start), bounds)
    except Invalid as refusal:
        return {refusal.param or "": refusal.message}
    return {excess.dimension: excess.message for excess in excesses(wanted, bounds)}


def scope_from(form: str, bounds: Scope, *, start: Scope | None = None) -> Scope:
    """The scope that the fields make. Raises Invalid."""
    state, begin = st.session_state, start or bounds
    last = datetime.combine(state[field(form, "ends")], time.max, UTC)
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
            **steering_from(form),
            **binding_from(form),
            **limits_from(form, bounds),
        },
    )


_COARSE = frozenset({"checkpoints", "operations", "purposes", "token_budget", "requests_per_minute", "expires_at"})
