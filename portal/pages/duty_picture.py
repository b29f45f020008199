"""Duties over time as a picture: a line for each agreement, and on it a point where each duty is due.

How a duty stands is told by the shape of its point as well as by its colour.
"""

from collections.abc import Sequence
from datetime import datetime

import altair as alt
import pandas as pd

from agreements.duties import DutyState
from portal.pages.words import count, plain, sentence
from portal.services.duties import DutyView

_SHAPES = {
    DutyState.OVERDUE: ("triangle-up", "#b0392f"),
    DutyState.DUE: ("diamond", "#b3661a"),
    DutyState.UPCOMING: ("circle", "#2d6a9f"),
    DutyState.FULFILLED: ("square", "#1f7a52"),
    DutyState.WAIVED: ("cross", "#76828a"),
    DutyState.DROPPED: ("stroke", "#76828a"),
}
_LABEL = 34
"""How many characters of a name fit beside the picture."""


def timeline(views: Sequence[DutyView], now: datetime) -> tuple[alt.LayerChart | alt.FacetChart, str]:
    """The chart and its description in words. ``views`` must not be empty."""
    lines = [_line(view) for view in views]
    frame = pd.DataFrame(
        {
            "Due": [view.standing.due_at for view in views],
            "Agreement": lines,
            "Duty": [plain(view.standing.duty.title) for view in views],
            "State": [sentence(view.standing.state.value) for view in views],
        }
    )
    used = [state for state in _SHAPES if any(view.standing.state is state for view in views)]
    domain = [sentence(state.value) for state in used]
    state = alt.Legend(title=None, orient="top", columns=3)
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=130, opacity=0.95)
        .encode(
            x=alt.X("Due:T", axis=alt.Axis(title=None, format="%-d %b", labelOverlap=True)),
            y=alt.Y("Agreement:N", axis=alt.Axis(title=None, labelLimit=170), sort=list(dict.fromkeys(lines))),
            shape=alt.Shape(
                "State:N", scale=alt.Scale(domain=domain, range=[_SHAPES[one][0] for one in used]), legend=state
            ),
            color=alt.Color(
                "State:N", scale=alt.Scale(domain=domain, range=[_SHAPES[one][1] for one in used]), legend=state
            ),
            tooltip=["Duty", "Agreement", "State", alt.Tooltip("Due:T", format="%Y-%m-%d")],
        )
    )
    today = (
        alt.Chart(pd.DataFrame({"Due": [now], "Now": ["today"]}))
        .mark_rule(strokeDash=[4, 3], strokeWidth=1.5, color="#76828a")
        .encode(x="Due:T", tooltip=["Now"])
    )
    picture = alt.layer(today, points, height=110 + 40 * len(set(lines)))
    states = [view.standing.state for view in views]
    told = ", ".join(f"{count(states.count(one), 'duty', 'duties')} {one.value}" for one in used)
    return picture, f"Duties by due date, a dashed line for today: {told}."


def _line(view: DutyView) -> str:
    name = plain(f"{view.institution_name}: {view.agreement_title}")
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 1].rstrip()}…"
