"""What a batch's answers are like, as pictures: how long, how they ended, how many tokens."""

from collections.abc import Sequence
from datetime import datetime

import altair as alt
import pandas as pd

from portal.pages.words import count
from portal.services.batches import LineView

_BLUE = "#2d6a9f"
_RED = "#b3422f"


_MOST_POINTS = 300


def over_time(lines: Sequence[LineView], began: datetime) -> tuple[alt.Chart, str]:
    """How many lines were done by when. ``lines`` are those that ended, at least one."""
    ended = sorted((line.ended_at or began, line.state) for line in lines)
    counts = {"answered": 0, "failed": 0}
    points: list[dict[str, object]] = [{"At": began, "Lines": 0, "Outcome": name} for name in counts]
    every = max(1, len(ended) // _MOST_POINTS)
    for number, (at, state) in enumerate(ended, start=1):
        counts["failed" if state == "failed" else "answered"] += 1
        if number % every == 0 or number == len(ended):
            points += [{"At": at, "Lines": lines_done, "Outcome": name} for name, lines_done in counts.items()]
    shown = [point for point in points if counts[str(point["Outcome"])]]
    picture = (
        alt.Chart(pd.DataFrame(shown), height=200)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("At:T", axis=alt.Axis(title=None, format="%H:%M:%S", labelOverlap=True)),
            y=alt.Y("Lines:Q", axis=alt.Axis(title="lines", tickMinStep=1, format=",d")),
            color=alt.Color(
                "Outcome:N",
                scale=alt.Scale(domain=["answered", "failed"], range=[_BLUE, _RED]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            strokeDash=alt.StrokeDash("Outcome:N", legend=None),
            tooltip=["Outcome", "Lines", alt.Tooltip("At:T", format="%Y-%m-%d %H:%M:%S")],
        )
    )
    took = (ended[-1][0] - began).total_seconds()
    said = (
        f"Lines over time: {counts['answered']:,} answered and {counts['failed']:,} failed within {took:,.0f} seconds."
    )
    return picture, said


def by_tokens(lines: Sequence[LineView]) -> tuple[alt.Chart, str]:
    """How many tokens answers have. ``lines`` are those that were answered, at least one."""
    counts = [line.completion_tokens for line in lines]
    said = f"Tokens written by each of {count(len(lines), 'answer')}: {min(counts):,} to {max(counts):,}."
    return _histogram(counts, "tokens written"), said


def by_seconds(lines: Sequence[LineView]) -> tuple[alt.Chart, str]:
    """How long answers took. ``lines`` are those that were answered, at least one."""
    took = [line.took_s or 0.0 for line in lines]
    said = f"Seconds for each of {count(len(lines), 'answer')}: {min(took):.1f} to {max(took):.1f}."
    return _histogram(took, "seconds"), said


def by_ending(lines: Sequence[LineView]) -> tuple[alt.Chart, str]:
    """How lines ended: the finish reasons of their choices, or the code of the failure; at least one."""
    endings: dict[str, int] = {}
    for line in lines:
        for ending in line.finish_reasons or (line.code or line.state,):
            endings[ending] = endings.get(ending, 0) + 1
    frame = pd.DataFrame({"Ending": list(endings), "Number": list(endings.values())})
    picture = (
        alt.Chart(frame, height=200)
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("Number:Q", axis=alt.Axis(title=None, tickMinStep=1, format=",d")),
            y=alt.Y("Ending:N", sort="-x", axis=alt.Axis(title=None)),
            tooltip=["Ending", "Number"],
        )
    )
    return picture, "How they ended: " + ", ".join(f"{ending} {number:,}" for ending, number in endings.items()) + "."


def _histogram(values: Sequence[float], title: str) -> alt.Chart:
    picture: alt.Chart = (
        alt.Chart(pd.DataFrame({"value": values}), height=200)
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("value:Q", bin=alt.Bin(maxbins=24), axis=alt.Axis(title=title)),
            y=alt.Y("count():Q", axis=alt.Axis(title="answers", tickMinStep=1, format=",d")),
            tooltip=[alt.Tooltip("count():Q", title="answers")],
        )
    )
    return picture
