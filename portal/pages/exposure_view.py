"""Exposure on the Usage screen: bars of what each institution may have seen, against what recovers the output layer."""

import altair as alt
import pandas as pd
import streamlit as st

from model_access.exposure import Level
from model_access.stages import Stage
from portal.pages.context import current_actor, portal
from portal.pages.filters import pick
from portal.pages.parts import Colour, copyable, empty, go, row
from portal.pages.words import count, literal, plain
from portal.services.exposure import CheckpointExposure, ExposureReport, InstitutionExposure

_BADGES: dict[Level, tuple[str, str, Colour]] = {
    Level.LOW: ("low", "check_circle", "green"),
    Level.WARN: ("warning", "warning", "orange"),
    Level.ALERT: ("alert", "error", "red"),
}
_COLOURS = {Level.LOW: "#4c78a8", Level.WARN: "#e8a33d", Level.ALERT: "#d64545"}
"""Told apart in brightness too."""
_LABEL = 28
_HOLDERS = 200


def exposure(screen: str) -> None:
    """Everything that the reader may know of exposure; ``screen`` is where the choice of a checkpoint is kept."""
    whole = portal().exposure.report(current_actor())
    if not whole.checkpoints:
        empty(
            "Nothing was seen that tells of a checkpoint's weights: no run under a grant that you may see reported "
            "log-probabilities, biased logits or gave embeddings.",
            screen="playground",
            label="Try a checkpoint",
            icon="visibility_off",
        )
        return
    names = {one.checkpoint_id: one.checkpoint_id for one in whole.checkpoints}
    wanted = pick("Checkpoint", "checkpoint", names, screen=screen, width=280)
    st.caption(
        "Each log-probability tells something of the layer that makes tokens out of hidden states. As many full "
        "vectors of them as that layer has hidden units recover it (Carlini et al. 2024), and an embedding counts as "
        "one. The bars are an upper bound: everything counts as new, whole, and shared within the institution."
    )
    for one in whole.checkpoints:
        if wanted in ("", one.checkpoint_id):
            _checkpoint(one, whole)
    copyable("The same over HTTP", f"GET /api/exposure{f'?checkpoint={wanted}' if wanted else ''}")


def _checkpoint(seen: CheckpointExposure, report: ExposureReport) -> None:
    with st.container(border=True, key=f"exposure_{seen.checkpoint_id}"):
        st.header(literal(seen.checkpoint_id), anchor=False)
        if seen.stage is Stage.PUBLIC:
            st.caption("It is public: nobody is told of its exposure any more.")
        worst = max((one.level for one in seen.institutions), key=list(Level).index)
        with row():
            _badge(worst)
            st.markdown(
                f"{count(len(seen.institutions), 'institution')} · recovered by **{seen.hidden_size:,}** vectors of "
                f"{seen.vocabulary_size:,} values"
            )
        picture, words = bars(seen, report)
        st.altair_chart(picture, alt=words)
        st.caption(literal(words))
        if len(seen.institutions) > 1:
            with row():
                _badge(seen.level)
                st.markdown(f"All of them together: **{seen.together:.1%}**")
        for one in seen.institutions:
            _institution(seen, one)


def _institution(seen: CheckpointExposure, one: InstitutionExposure) -> None:
    with st.expander(f"{literal(one.institution_name)}: {one.share:.1%}", icon=":material/groups:"):
        lines = [
            {
                "Who": literal(holder.name),
                "Runs": f"{holder.runs:,}",
                "Values": f"{holder.values:,}",
                "Embeddings": f"{holder.states:,}",
                "Full vectors": f"{holder.vectors:,.1f}",
                "Share": f"{holder.share:.2%}",
            }
            for holder in one.holders[:_HOLDERS]
        ]
        st.table(lines, border="horizontal", hide_index=True)
        with row():
            go("Grants", "grants", icon="key", view="table")
            go(
                "Its runs on this checkpoint",
                "usage",
                icon="monitoring",
                institution=one.institution_id,
                checkpoint=seen.checkpoint_id,
            )


def _badge(level: Level) -> None:
    word, icon, colour = _BADGES[level]
    st.badge(word, icon=f":material/{icon}:", color=colour)


def bars(seen: CheckpointExposure, report: ExposureReport) -> tuple[alt.LayerChart | alt.FacetChart, str]:
    """A bar for each institution, with the thresholds and the hidden size as lines, and their description."""
    frame = pd.DataFrame(
        {
            "Who": [_name(one) for one in seen.institutions],
            "Vectors": [one.vectors for one in seen.institutions],
            "Share": [one.share for one in seen.institutions],
            "Level": [_BADGES[one.level][0] for one in seen.institutions],
        }
    )
    lines = pd.DataFrame(
        {
            "At": [report.warn * seen.hidden_size, report.alert * seen.hidden_size, seen.hidden_size],
            "What": [f"warning, {report.warn:.0%}", f"alert, {report.alert:.0%}", "recovers the layer"],
        }
    )
    widest = max(seen.hidden_size, *(one.vectors for one in seen.institutions)) * 1.12
    at = alt.X("Vectors:Q", scale=alt.Scale(domain=[0, widest]), axis=alt.Axis(title="full vectors, at most"))
    drawn = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=at,
            y=alt.Y("Who:N", sort=list(frame["Who"]), axis=alt.Axis(title=None, labelLimit=200)),
            color=alt.Color(
                "Level:N",
                scale=alt.Scale(domain=[_BADGES[one][0] for one in Level], range=[_COLOURS[one] for one in Level]),
                legend=None,
            ),
            tooltip=[
                "Who",
                alt.Tooltip("Vectors:Q", format=",.1f", title="full vectors"),
                alt.Tooltip("Share:Q", format=".2%"),
                "Level",
            ],
        )
    )
    ruled = alt.Chart(lines).mark_rule(strokeDash=[4, 3], color="gray").encode(x="At:Q", tooltip=["What", "At"])
    named = (
        alt.Chart(lines)
        .mark_text(align="left", dx=-2, baseline="bottom", color="gray")
        .encode(x="At:Q", y=alt.value(-4), text="What:N")
    )
    told = ", ".join(f"{_name(one)} {one.vectors:,.1f} ({one.share:.1%})" for one in seen.institutions)
    words = f"Full vectors of {seen.checkpoint_id} that may have been seen, of {seen.hidden_size:,}: {told}."
    return alt.layer(drawn, ruled, named).properties(height=90 + 34 * len(frame)), words


def _name(one: InstitutionExposure) -> str:
    name = plain(one.institution_name)
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 1].rstrip()}…"
