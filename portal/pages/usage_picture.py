"""Usage as pictures: stacked bars over time, bars by group, and the hours of the week.

Colours are the theme's, so that they are right by day and by night; every picture comes with its description in words.
"""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from portal.pages.words import count, plain
from portal.services.usage_views import Counts, HourCount, UsageReport

MOST_APART = 7
"""Groups with a colour of their own; what is beyond is told together."""

_BARS = 12
_LABEL = 28
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

MEASURES = {"charged_tokens": "tokens", "runs": "runs", "failed": "failed runs"}
"""What bars may be as long as, by the name of the count."""


def over_time(report: UsageReport, measure: str) -> tuple[alt.Chart | alt.LayerChart | alt.FacetChart, str]:
    """Stacked bars, one for each day, week or month, and their description."""
    apart = [group.key for group in report.groups[:MOST_APART]]
    names = {key: _name(report.labels[key]) for key in apart}
    rest = f"{len(report.groups) - len(apart)} others"
    rows = [
        {"When": bucket.label, "Who": names.get(key, rest), "Amount": _amount(counts, measure), "Runs": counts.runs}
        for bucket in report.buckets
        for key, counts in bucket.by_key.items()
    ]
    frame = pd.DataFrame(rows, columns=["When", "Who", "Amount", "Runs"])
    frame = frame.groupby(["When", "Who"], as_index=False).sum()
    order = [*names.values(), *([rest] if len(report.groups) > len(apart) else [])]
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X(
                "When:N",
                scale=alt.Scale(domain=[bucket.label for bucket in report.buckets]),
                axis=alt.Axis(title=None, labelAngle=0, labelOverlap=True),
            ),
            y=alt.Y("Amount:Q", axis=alt.Axis(title=MEASURES[measure], format="~s", tickCount=5)),
            color=alt.Color(
                "Who:N", sort=order, legend=alt.Legend(title=None, orient="top", columns=4, labelLimit=180)
            ),
            order=alt.Order("Who:N"),
            tooltip=["When", "Who", alt.Tooltip("Amount:Q", format=",", title=MEASURES[measure]), "Runs"],
        )
        .properties(height=300)
    )
    busiest = max(report.buckets, key=lambda bucket: _amount(bucket.counts, measure))
    told = (
        f"{MEASURES[measure].capitalize()} by {report.period} and {report.group_by.value}, "
        f"{_amount(report.total, measure):,} in all; the busiest {report.period}, {busiest.label}, has "
        f"{_amount(busiest.counts, measure):,}."
    )
    return chart, told


def by_group(report: UsageReport, measure: str) -> tuple[alt.Chart | alt.LayerChart | alt.FacetChart, str]:
    """A bar for each of the largest groups, and their description."""
    groups = sorted(report.groups, key=lambda group: -_amount(group.counts, measure))[:_BARS]
    names = [_name(group.label) for group in groups]
    frame = pd.DataFrame(
        {
            "Who": names,
            "Amount": [_amount(group.counts, measure) for group in groups],
            "Runs": [group.counts.runs for group in groups],
            "Failed": [group.counts.failed for group in groups],
        }
    )
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("Amount:Q", axis=alt.Axis(title=MEASURES[measure], format="~s", tickCount=5)),
            y=alt.Y("Who:N", sort=names, axis=alt.Axis(title=None, labelLimit=200)),
            tooltip=["Who", alt.Tooltip("Amount:Q", format=",", title=MEASURES[measure]), "Runs", "Failed"],
        )
        .properties(height=60 + 28 * len(set(names)))
    )
    listed = ", ".join(f"{name} {_amount(group.counts, measure):,}" for name, group in zip(names, groups, strict=True))
    return chart, f"{MEASURES[measure].capitalize()} by {report.group_by.value}: {listed}."


def by_hour(hours: Sequence[HourCount]) -> tuple[alt.Chart | alt.LayerChart | alt.FacetChart, str]:
    """Runs in each hour of the week, and their description. ``hours`` must not be empty."""
    found = {(hour.weekday, hour.hour): hour for hour in hours}
    cells = [
        {"Day": _WEEKDAYS[day - 1], "Hour": hour, "Runs": one.runs if (one := found.get((day, hour))) else 0}
        for day in range(1, 8)
        for hour in range(24)
    ]
    chart = (
        alt.Chart(pd.DataFrame(cells))
        .mark_rect()
        .encode(
            x=alt.X("Hour:O", axis=alt.Axis(title="hour, UTC", labelAngle=0, labelOverlap=True)),
            y=alt.Y("Day:N", sort=list(_WEEKDAYS), axis=alt.Axis(title=None)),
            color=alt.Color("Runs:Q", legend=alt.Legend(title="runs")),
            tooltip=["Day", "Hour", "Runs"],
        )
        .properties(height=230)
    )
    most = max(hours, key=lambda hour: hour.runs)
    night = sum(hour.runs for hour in hours if hour.weekday > 5)
    return chart, (
        f"Runs by hour of the week, in UTC: the most on {_WEEKDAYS[most.weekday - 1]} from {most.hour:02d}:00, "
        f"{count(most.runs, 'run')}; {count(night, 'run')} on Saturdays and Sundays."
    )


def _amount(counts: Counts, measure: str) -> int:
    return int(getattr(counts, measure))


def _name(label: str) -> str:
    name = plain(label)
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 1].rstrip()}…"
