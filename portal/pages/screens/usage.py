"""Usage: runs and tokens over time and by whom, what is out of the ordinary, and how far budgets reach."""

from datetime import UTC, timedelta

import streamlit as st

from agreements.limits import Period
from agreements.scopes import Operation
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.exposure_view import exposure
from portal.pages.filters import chosen, pick, pick_view
from portal.pages.parts import empty, go, heading, row
from portal.pages.usage_picture import MEASURES, by_group, by_hour, over_time
from portal.pages.usage_view import budgets, options, table, tiles, unusual
from portal.pages.words import literal
from portal.services.usage_views import Grouping, UsageFilter

_SCREEN = "usage"
_VIEWS = {"time": "Over time", "hours": "Hours of the week", "budgets": "Budgets", "exposure": "Exposure"}
_RANGES = {"7": "7 days", "28": "4 weeks", "91": "13 weeks", "182": "26 weeks", "364": "52 weeks"}
_DEFAULT_RANGE = "28"
_FILTER = 170
"""Pixels: two beside each other on a phone."""

actor, here = current_actor(), portal()
today = now().astimezone(UTC).date()


def counted() -> None:
    """Everything that is counted from runs."""
    days = int(chosen("days", list(_RANGES), _DEFAULT_RANGE))
    since = today - timedelta(days=days - 1)
    everything = {
        one: here.usage.report(actor, group_by=one, period=Period.MONTH, since=since, until=today).groups
        for one in (Grouping.INSTITUTION, Grouping.PERSON, Grouping.PROGRAM, Grouping.CHECKPOINT, Grouping.PURPOSE)
    }
    with row():
        pick("Range", "days", _RANGES, screen=_SCREEN, default=_DEFAULT_RANGE, width=_FILTER)
        default = Period.DAY.value if days <= 28 else Period.WEEK.value
        period = pick(
            "Bars",
            "per",
            {one.value: f"by {one.value}" for one in Period},
            screen=_SCREEN,
            default=default,
            width=_FILTER,
        )
        first = (Grouping.INSTITUTION if actor.is_coordinator else Grouping.PERSON).value
        groupings = {one.value: f"by {one.value}" for one in Grouping}
        group_by = pick("Told apart", "by", groupings, screen=_SCREEN, default=first, width=_FILTER)
        measure = pick("Measure", "of", MEASURES, screen=_SCREEN, default="charged_tokens", width=_FILTER)
    with row():
        institution = pick(
            "Institution", "institution", options(everything[Grouping.INSTITUTION]), screen=_SCREEN, width=_FILTER
        )
        people = options(everything[Grouping.PERSON]) | options(everything[Grouping.PROGRAM])
        person = pick("Person or program", "person", people, screen=_SCREEN, width=_FILTER)
        checkpoint = pick(
            "Checkpoint", "checkpoint", options(everything[Grouping.CHECKPOINT]), screen=_SCREEN, width=_FILTER
        )
        purpose = pick("Purpose", "purpose", options(everything[Grouping.PURPOSE]), screen=_SCREEN, width=_FILTER)
        operations = {one.value: one.value for one in Operation}
        operation = pick("Operation", "operation", operations, screen=_SCREEN, width=_FILTER)
    grant = st.query_params.get("grant", "")[:128]
    where = UsageFilter(
        institution=institution or None,
        person=person or None,
        checkpoint=checkpoint or None,
        purpose=purpose or None,
        operation=Operation(operation) if operation else None,
        grant=grant or None,
    )
    if grant:
        with row():
            st.caption(f"Only on grant {literal(grant)} and what is delegated from it.")
            go("On every grant", "usage", icon="close")
    report = here.usage.report(
        actor, group_by=Grouping(group_by), period=Period(period), since=since, until=today, where=where
    )
    if not report.total.runs:
        empty(
            f"No run from {since} to {today} that you may see and that fits. Look further back, or take a filter away.",
            screen="playground",
            label="Try a checkpoint",
            icon="monitoring",
        )
        return
    tiles(report)
    if view == "hours":
        picture, words = by_hour(here.usage.hours(actor, since=since, until=today, where=where))
        st.altair_chart(picture, alt=words)
        st.caption(literal(words))
        return
    unusual(here.usage.unusual(actor, since=since, until=today, where=where))
    picture, words = over_time(report, measure)
    st.altair_chart(picture, alt=words)
    st.caption(literal(words))
    if len(report.groups) > 1:
        picture, words = by_group(report, measure)
        st.altair_chart(picture, alt=words)
    st.header(f"By {report.group_by.value}", anchor=False)
    table(report)
    asked = {
        "group_by": group_by,
        "period": period,
        "from": since.isoformat(),
        "to": today.isoformat(),
        **where.model_dump(mode="json", exclude_none=True),
    }
    with row():
        st.link_button("Download as CSV", links.usage(asked, "csv"), icon=":material/download:")
        st.link_button("Open as JSON", links.usage(asked, "json"), icon=":material/data_object:")


heading(
    "Usage", "Runs and tokens, by whom and for what, over time: counted from the runs that you may see, and no others."
)
view = pick_view("View", "view", _VIEWS, screen=_SCREEN)
if view == "budgets":
    budgets(st.query_params.get("institution", "")[:128])
elif view == "exposure":
    exposure(_SCREEN)
else:
    counted()
