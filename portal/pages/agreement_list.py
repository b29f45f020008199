"""The list of agreements: filters kept in the address, counts by status, and whose turn it is."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus
from agreements.clauses import Form
from portal.pages.agreement_next import needs, next_steps
from portal.pages.context import portal
from portal.pages.parts import LOOKS, empty, go, row, status
from portal.pages.words import count, literal, sentence, when
from portal.services.agreement_filters import AgreementFilters

PAGE: Final = 25

_PAGE_NUMBER: Final = re.compile("[0-9]{1,6}")

_KEY: Final = "agreements.filter."
_NAMES: Final = ("status", "institution", "form", "template", "mine", "title", "page")
"""The filters, by their names in the address."""


def agreement_list(actor: Actor, now: datetime) -> None:
    """The agreements the reader may see, as far as the filters let them through."""
    agreements = portal().agreements.list(actor)
    if not agreements:
        if not actor.is_coordinator:
            empty(
                "The lab has not offered your institution an agreement yet. Ask a coordinator for one.", icon="contract"
            )
        return
    _seed()
    _choices(actor, agreements, now)
    others = tuple(one for one in _fitting(agreements, now, status=None) if _wanted(one, actor, now))
    _statuses(others, now)
    shown = _fitting(others, now, status=_status())
    if not shown:
        empty("No agreement fits these filters.", icon="filter_alt_off")
        st.button("Show all", icon=":material/filter_alt_off:", key="agreements.all", on_click=_clear)
        return
    st.caption(count(len(shown), "agreement") + (f" of {len(agreements)}" if len(shown) < len(agreements) else ""))
    for agreement in _page(shown):
        line(actor, agreement, now)


def line(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """One agreement in the list: how it stands, what it waits for, how much of its term is over."""
    with st.container(border=True, key=f"agreement_{agreement.id}"):
        st.markdown(f"**{literal(agreement.institution_name)}**: {literal(agreement.title)}")
        with row():
            go(agreement.id, "agreements", agreement=agreement.id, icon="contract")
            status(agreement.status_on(now))
            if agreement.form is not Form.STANDALONE:
                st.badge(agreement.form.value, icon=":material/description:", color="gray")
            if needs(agreement, actor, now):
                st.badge("your turn", icon=":material/person_alert:", color="violet")
        for step in next_steps(agreement, now):
            st.markdown(f":material/{step.icon}: {sentence(step.dated)}.")
        term_bar(agreement, now)
        if agreement.in_force_at is None:
            st.caption(f"Drafted {when(agreement.drafted_at, now)}")


def term_bar(agreement: Agreement, now: datetime) -> None:
    """How much of the term has passed, once it runs."""
    begins, ends = agreement.term_starts_at, agreement.expires_at
    if begins is None or ends is None or not agreement.runs_on(now):
        return
    # A renewal signed ahead of time begins a term in the future.
    begins = min(begins, agreement.in_force_at or begins)
    share = min(max((now - begins) / (ends - begins), 0.0), 1.0)
    st.progress(share, text=f"The term ends {when(ends, now)}; {share:.0%} of it has passed")


# ---- filters -------------------------------------------------------------------------------------------------------


def _seed() -> None:
    """Let the widgets begin with what the address says."""
    for name in _NAMES:
        given = st.query_params.get(name)
        key = _KEY + name
        match name:
            case "mine":
                st.session_state[key] = given == "yes"
            case "title":
                st.session_state[key] = given or ""
            case "page":
                st.session_state[key] = int(given) if given and _PAGE_NUMBER.fullmatch(given) else 1
            case _:
                st.session_state[key] = given


def _keep(name: str) -> None:
    """Put what a widget says into the address."""
    value = st.session_state[_KEY + name]
    if name != "page":
        st.query_params.pop("page", None)
    if value in (None, "", False) or (name == "page" and value == 1):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = "yes" if value is True else str(value)


def _clear() -> None:
    for name in _NAMES:
        st.query_params.pop(name, None)


def _choices(actor: Actor, agreements: Sequence[Agreement], now: datetime) -> None:
    institutions = {one.institution_id: one.institution_name for one in agreements}
    titles = {template.template_id: template.title for template in portal().templates.all(retired=True)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Search the titles",
            key=_KEY + "title",
            on_change=_keep,
            args=("title",),
            icon=":material/search:",
            max_chars=200,
            width=240,
        )
        if len(institutions) > 1:
            _choice("Institution", "institution", sorted(institutions, key=str.casefold), institutions.__getitem__)
        _choice("Form", "form", [form.value for form in Form], lambda value: sentence(Form(value).label))
        _choice(
            "Template",
            "template",
            sorted({one.template_id for one in agreements}),
            lambda name: titles.get(name, name),
        )
        waiting = sum(needs(one, actor, now) for one in agreements)
        st.toggle(f"Needs me ({waiting})", key=_KEY + "mine", on_change=_keep, args=("mine",))


def _choice(label: str, name: str, options: Sequence[str], worded: Callable[[str], str]) -> None:
    """A filter with one value or none; what the address says and nobody knows is taken as none."""
    key = _KEY + name
    if st.session_state[key] not in options:
        st.session_state[key] = None
    st.selectbox(
        label,
        options,
        format_func=worded,
        key=key,
        placeholder="any",
        on_change=_keep,
        args=(name,),
        width=220,
    )


def _statuses(agreements: Sequence[Agreement], now: datetime) -> None:
    """How many stand how; each is a filter."""
    counts = Counter(one.status_on(now) for one in agreements)
    chosen = _status()
    with row(key="agreement_statuses"):
        for entry in AgreementStatus:
            if not counts[entry] and entry is not chosen:
                continue
            st.button(
                f"{entry.label} {counts[entry]}",
                key=f"{_KEY}status:{entry.value}",
                icon=f":material/{LOOKS[entry].icon}:",
                # The chosen one is told by its ground: written in the theme's accent it would be hard to read at night.
                type="primary" if entry is chosen else "tertiary",
                on_click=_toggle,
                args=("" if entry is chosen else entry.value,),
            )


def _toggle(status: str) -> None:
    st.session_state[_KEY + "status"] = status
    _keep("status")


def _status() -> AgreementStatus | None:
    value = st.session_state[_KEY + "status"]
    return next((entry for entry in AgreementStatus if entry == value), None)


def _fitting(
    agreements: Sequence[Agreement], now: datetime, *, status: AgreementStatus | None
) -> tuple[Agreement, ...]:
    state = st.session_state
    form = state[_KEY + "form"]
    filters = AgreementFilters(
        status=status,
        institution_id=state.get(_KEY + "institution"),
        form=Form(form) if form else None,
        template_id=state[_KEY + "template"],
    )
    return filters.of(agreements, now)


def _wanted(agreement: Agreement, actor: Actor, now: datetime) -> bool:
    words = st.session_state[_KEY + "title"].casefold().split()
    titles = " ".join(version.title for version in agreement.versions).casefold()
    return all(word in titles for word in words) and (
        not st.session_state[_KEY + "mine"] or needs(agreement, actor, now)
    )


def _page(agreements: Sequence[Agreement]) -> Sequence[Agreement]:
    pages = -(-len(agreements) // PAGE)
    key = _KEY + "page"
    st.session_state[key] = min(max(st.session_state[key], 1), pages)
    number = st.session_state[key]
    if pages > 1:
        st.pagination(pages, key=key, on_change=_keep, args=("page",))
    return agreements[(number - 1) * PAGE : number * PAGE]
