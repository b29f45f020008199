"""Revocations: how fast access that was taken away was gone, measured at each act, for coordinators."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from agreements.errors import ConcordatError
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.object_names import name_of
from portal.pages.parts import empty, go, heading, row
from portal.pages.revocation_picture import over_time
from portal.pages.words import count, literal, moment, plain, when
from portal.pages.writing import refused
from portal.services.revocations import Revocation, RevocationReport, Spread, says

_DETAILS = 20
"""Acts that are told one by one; the table has them all."""

_SCREENS = {
    "grant": ("grants", "grant", "key"),
    "agreement": ("agreements", "agreement", "contract"),
    "person": ("people", "person", "group"),
    "checkpoint": ("checkpoints", "checkpoint", "deployed_code"),
    "passport": ("passports", "institution", "badge"),
}

actor, here, at = current_actor(), portal(), now()


def tiles(report: RevocationReport) -> None:
    """The measures in figures."""
    left, middle, right = st.columns(3)
    _tile(left, "Click to first refusal", report.refused)
    _tile(middle, "Click to durable", report.commit)
    with right.container(border=True):
        st.metric("Runs stopped under way", f"{report.runs_stopped:,}", help="Since these measurements begin.")
        st.caption(f"{count(report.tokens_after, 'token')} given after the act was durable")


def _tile(place: "st.delta_generator.DeltaGenerator", label: str, spread: Spread | None) -> None:
    with place.container(border=True):
        if spread is None:
            st.metric(label, "–", help="Nobody was there to be refused yet.")
            st.caption("not measured yet")
            return
        st.metric(f"{label}, median", f"{spread.median:,.0f} ms", help="Half of the acts were faster than this.")
        st.caption(f"95 of 100 within {spread.p95:,.0f} ms, at most {spread.most:,.0f} ms")


def table(report: RevocationReport, about: Mapping[str, str]) -> None:
    """Every act that is remembered, to sort and to search."""
    names = {one: here.people.name(one) for one in {act.by for act in report.items}}
    frame = pd.DataFrame(
        {
            "When": [moment(act.at) for act in report.items],
            "What": [act.what for act in report.items],
            "About": [plain(about[act.about]) for act in report.items],
            "By": [plain(names[act.by]) for act in report.items],
            "Durable, ms": [act.commit_ms for act in report.items],
            "First refusal, ms": [act.refused_ms for act in report.items],
            "Everywhere, ms": [act.everywhere_ms for act in report.items],
            "Asked again": [act.asked for act in report.items],
            "Runs stopped": [len(act.stopped_runs) for act in report.items],
            "Batches stopped": [len(act.stopped_batches) for act in report.items],
            "Tokens after": [act.tokens_after for act in report.items],
            "Id": [act.about.partition("/")[2] for act in report.items],
        }
    )
    shown = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(
        frame,
        hide_index=True,
        column_config=dict.fromkeys(("Durable, ms", "First refusal, ms", "Everywhere, ms"), shown),
    )


def line(act: Revocation, about: str) -> None:
    """One act, with the ways to what it was about."""
    kind, _, object_id = act.about.partition("/")
    with st.container(border=True, key=f"revocation_{act.position}"):
        st.markdown(f"**{act.what}**: {literal(says(act))}")
        below = f" · {count(len(act.others), 'object')} more with it" if act.others else ""
        st.caption(f"{when(act.at, at)} by {literal(here.people.name(act.by))}{below}")
        if act.still_open:
            st.caption(
                f":material/info: {count(act.still_open, 'question')} of {act.asked} still allowed afterwards, on "
                "another ground or by what was left."
            )
        with row():
            if kind in _SCREENS:
                screen, name, icon = _SCREENS[kind]
                go(literal(about), screen, icon=icon, **{name: object_id})
            st.link_button(
                f"Proof of entry {act.position:,}",
                links.evidence(act.position),
                icon=":material/account_tree:",
                key=f"revocation_proof_{act.position}",
            )
            for batch_id in act.stopped_batches[:5]:
                go(batch_id, "batches", icon="stacks", batch=batch_id)
            for run_id in act.stopped_runs[:5]:
                go(run_id, "runs", icon="receipt_long", run=run_id)


heading(
    "Revocations",
    "What was taken away, and how long it took until the portal refused it: the very questions that were allowed "
    "before are asked again right after each act.",
)
try:
    found = here.revocations.report(actor)
except ConcordatError as refusal:
    refused(refusal)
else:
    if not found.items:
        empty(
            "Nothing was taken away yet. When a grant, a token, a person's role or an agreement ends, its measurement "
            "appears here.",
            screen="grants",
            label="Grants",
            icon="timer",
        )
    else:
        tiles(found)
        names = {stream: name_of(here, actor, stream) for stream in {act.about for act in found.items}}
        picture, said = over_time(found.items, names)
        st.altair_chart(picture, alt=said)
        table(found, names)
        st.link_button("Download as CSV", links.revocations(), icon=":material/download:")
        st.header("The latest", anchor=False)
        for each in found.items[:_DETAILS]:
            line(each, names[each.about])
        st.caption(
            "Times are this machine's, from the moment the portal was asked. The log holds the acts themselves and "
            "every run that was stopped; these measurements are kept beside it, for the latest 500 acts."
        )
