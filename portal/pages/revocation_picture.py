"""How fast revocations took effect, over time, as a picture."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import altair as alt
import pandas as pd

from portal.pages.words import count, plain
from portal.services.revocations import Revocation

_CLOSE = timedelta(hours=1)
"""Acts this close together are told apart by seconds."""
_COMMIT, _REFUSED = "until it was durable", "until the first refusal"


def over_time(acts: Sequence[Revocation], names: Mapping[str, str]) -> tuple[alt.Chart, str]:
    """The chart and its description in words; a point for each act and measure. ``acts`` must not be empty.

    ``names`` has what people call that which each act was done to.
    """
    rows = [
        {"When": act.at, "Milliseconds": value, "Measure": measure, "Act": act.what, "About": plain(names[act.about])}
        for act in acts
        for measure, value in ((_COMMIT, act.commit_ms), (_REFUSED, act.refused_ms))
        if value is not None
    ]
    legend = alt.Legend(title=None, orient="top")
    domain = [_COMMIT, _REFUSED]
    times = [act.at for act in acts]
    labels = "%H:%M:%S" if max(times) - min(times) < _CLOSE else "%-d %b %H:%M"
    picture = (
        alt.Chart(pd.DataFrame(rows), height=240)
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(
            x=alt.X("When:T", axis=alt.Axis(title=None, format=labels, labelOverlap=True)),
            y=alt.Y("Milliseconds:Q", axis=alt.Axis(title="ms after the click"), scale=alt.Scale(zero=True)),
            shape=alt.Shape("Measure:N", scale=alt.Scale(domain=domain, range=["circle", "diamond"]), legend=legend),
            color=alt.Color("Measure:N", scale=alt.Scale(domain=domain, range=["#2d6a9f", "#b0392f"]), legend=legend),
            tooltip=[
                "Act",
                "About",
                "Measure",
                alt.Tooltip("Milliseconds:Q", format=",.1f"),
                alt.Tooltip("When:T", format="%Y-%m-%d %H:%M:%S"),
            ],
        )
    )
    slowest = max(max(act.commit_ms, act.refused_ms or 0.0) for act in acts)
    return picture, f"{count(len(acts), 'act')} over time; the slowest measure is {slowest:,.0f} ms."
