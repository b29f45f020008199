"""What the Usage screen is made of: tiles, tables, unusual days and budgets."""

from collections.abc import Sequence

import streamlit as st

from portal.pages.context import current_actor, portal
from portal.pages.grant_parts import NOW
from portal.pages.parts import budget, empty, go, row
from portal.pages.words import count, literal, sentence
from portal.services.usage_budgets import PACE_RULE
from portal.services.usage_views import Bucket, GrantBudget, Group, Grouping, UnusualReport, UsageReport

_TABLE = 200
_SHOWN = 10


def tiles(report: UsageReport) -> None:
    """The totals."""
    total = report.total
    with st.container(horizontal=True, gap="medium"):
        st.metric("Runs", f"{total.runs:,}", border=True)
        st.metric("Tokens charged", f"{total.charged_tokens:,}", border=True)
        st.metric("People", f"{total.people:,}", border=True)
        if total.programs:
            st.metric("Programs", f"{total.programs:,}", border=True)
        st.metric("Failed runs", f"{total.failed:,}", border=True)
    said = [f"{total.prompt_tokens:,} tokens read and {total.completion_tokens:,} written"]
    if total.under_way:
        said.append(
            f"{count(total.under_way, 'run')} under way, for which {total.held_tokens:,} tokens are held and none "
            "charged yet"
        )
    if report.failures:
        reasons = ", ".join(f"{literal(one.code or 'no code')} {one.runs:,}" for one in report.failures)
        said.append(f"failed: {reasons}")
    st.caption("; ".join(said) + ". What was refused before it became a run is not counted.")


def table(report: UsageReport) -> None:
    """The numbers of the pictures."""
    st.table([_line(group, report) for group in report.groups[:_TABLE]], border="horizontal", hide_index=True)
    if len(report.groups) > _TABLE:
        st.caption(f"The {_TABLE} with the most tokens; the file has all {len(report.groups):,}.")
    with st.expander(f"By {report.period}", icon=":material/calendar_month:"):
        st.table(
            [_numbers(report.period.capitalize(), bucket.label, bucket) for bucket in reversed(report.buckets)],
            border="horizontal",
            hide_index=True,
        )


def unusual(found: UnusualReport) -> None:
    """Days far above what is usual for somebody; nothing at all where there is none."""
    if not found.items:
        return
    with st.container(border=True, key="usage_unusual"):
        st.header(f":material/insights: {count(len(found.items), 'unusual day')}", anchor=False)
        for day in found.items[:_SHOWN]:
            with row():
                place = f", {literal(day.institution_name)}" if day.institution_id else ""
                st.markdown(
                    f"**{day.day}** {literal(day.person_name)}{place}: **{day.tokens:,}** tokens in "
                    f"{count(day.runs, 'run')}. Usual are {day.usual_tokens:,.0f}; above {day.limit_tokens:,.0f} is "
                    f"unusual ({day.days} days with runs).",
                    width="stretch",
                )
                go(
                    f"Runs of {day.day}",
                    "access_log",
                    icon="receipt_long",
                    kind="run",
                    person=day.person_id,
                    **{"from": day.day.isoformat(), "to": day.day.isoformat()},
                )
        if len(found.items) > _SHOWN:
            st.caption(f"The {_SHOWN} furthest above; `GET /api/usage/unusual` lists all.")
        st.caption(found.rule)


def budgets(institution_id: str) -> None:
    """Each grant that opens something, with what is left of it and until when that lasts."""
    listed = portal().usage_budgets.list(current_actor(), institution_id=institution_id or None)
    if not listed:
        empty("There is no grant that you may see.", screen="agreements", label="Agreements", icon="key")
        return
    soon = [one for one in listed if one.pace and one.pace.before_end]
    if soon:
        st.warning(
            f"{count(len(soon), 'grant is', 'grants are')} used up before the end at the present pace.",
            icon=":material/speed:",
        )
    for one in listed:
        indent = min(one.depth, 4)
        columns = st.columns([indent, 16 - indent]) if indent else [st.container()]
        with columns[-1], st.container(border=True, key=f"budget_{one.grant_id}"):
            _budget(one)
    st.caption(PACE_RULE)


def _budget(one: GrantBudget) -> None:
    with row():
        go(literal(one.label), "grants", icon="key", grant=one.grant_id)
        st.caption(f"{literal(one.holder_name)} · ends {one.ends_on}")
    budget(one.used_tokens, one.held_tokens, one.budget_tokens, ended=not one.active)
    if one.pace is None:
        said = f"No pace is given: {one.no_pace}."
    elif one.pace.used_up_on is None:
        said = f"{one.pace.tokens_per_day:,.0f} tokens a day; at this pace it lasts beyond ten years."
    else:
        icon = ":material/warning:" if one.pace.before_end else ":material/speed:"
        fate = "before it ends" if one.pace.before_end else "after it ends"
        said = (
            f"{icon} {one.pace.tokens_per_day:,.0f} tokens a day over {one.pace.over_days} days; at this pace it is "
            f"used up on **{one.pace.used_up_on}**, {fate}."
        )
    requests = f" {one.used_requests:,} of {one.budget_requests:,} requests used." if one.budget_requests else ""
    st.caption(said + requests)
    for period in one.periods:
        if period.budget.tokens:
            st.progress(
                min((period.used_tokens + period.held_tokens) / period.budget.tokens, 1.0),
                text=f"{sentence(NOW[period.budget.period])}: {period.used_tokens:,} of {period.budget.tokens:,} "
                f"tokens used; it begins anew on {period.frees_at:%Y-%m-%d}",
            )


def _line(group: Group, report: UsageReport) -> dict[str, str]:
    line = _numbers(report.group_by.value.capitalize(), group.label, group)
    if report.group_by in {Grouping.PERSON, Grouping.PROGRAM}:
        del line["People"]
    return line


def _numbers(heading: str, name: str, one: Group | Bucket) -> dict[str, str]:
    counts = one.counts
    return {
        heading: literal(name),
        "Runs": f"{counts.runs:,}",
        "Failed": f"{counts.failed:,}",
        "People": f"{counts.people:,}",
        "Tokens read": f"{counts.prompt_tokens:,}",
        "Written": f"{counts.completion_tokens:,}",
        "Charged": f"{counts.charged_tokens:,}",
    }


def options(groups: Sequence[Group]) -> dict[str, str]:
    """Groups to choose from, by how they are called; what has no key cannot be asked for."""
    return {group.key: group.label for group in sorted(groups, key=lambda one: one.label.casefold()) if group.key}
