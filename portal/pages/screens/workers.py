"""Workers: what every model worker does, who waits for it, and how institutions share them; for coordinators."""

import altair as alt
import pandas as pd
import streamlit as st

from agreements.errors import ConcordatError
from portal.pages.context import current_actor, portal
from portal.pages.parts import empty, heading, submit
from portal.pages.words import count, plain
from portal.pages.worker_view import card
from portal.pages.writing import field, refused
from portal.services.workers import WorkerReport

WEIGHT = "workers.weight"
_MIB = 1 << 20

actor, here = current_actor(), portal()


def tiles(report: WorkerReport) -> None:
    """Memory, load and queue in figures."""
    left, middle, right = st.columns(3)
    with left.container(border=True):
        st.metric("Memory in use", f"{report.memory_used_bytes / _MIB:,.0f} MiB")
        st.caption(
            f"limits of workers that are up: {report.memory_promised_bytes / _MIB:,.0f} of "
            f"{report.memory_budget_bytes / _MIB:,.0f} MiB"
        )
    statuses = [view.status for view in report.workers]
    with middle.container(border=True):
        st.metric("Slots in use", f"{sum(one.slots_in_use for one in statuses):,}")
        up = sum(one.pid is not None for one in statuses)
        st.caption(f"{count(up, 'worker')} up, {count(len(statuses), 'checkpoint')} served")
    with right.container(border=True):
        st.metric("Waiting", f"{sum(one.waiting for one in statuses):,}")
        st.caption(f"sandbox {plain(report.sandbox)}")


def shares(report: WorkerReport) -> None:
    """Who waits, and what went to whom, as a picture and a table."""
    st.header("The queue, by institution", anchor=False)
    if not report.shares:
        empty("Nobody waits, and nobody was served within the last ten minutes.", icon="hourglass_empty")
        return
    served = [one for one in report.shares if one.served_tokens]
    total = sum(one.served_tokens for one in served)
    if served:
        frame = pd.DataFrame(
            {
                "Institution": [plain(one.institution_name) for one in served],
                "Tokens": [one.served_tokens for one in served],
                "Share": [one.served_tokens / total for one in served],
            }
        )
        chart = (
            alt.Chart(frame)
            .mark_bar()
            .encode(
                x=alt.X("Tokens:Q", title="Tokens served in ten minutes"),
                y=alt.Y("Institution:N", sort="-x", title=None),
                tooltip=["Institution", "Tokens", alt.Tooltip("Share:Q", format=".0%")],
            )
        )
        said = "; ".join(f"{one.institution_name} {one.served_tokens / total:.0%}" for one in served)
        st.altair_chart(chart, alt=f"Tokens served over the last ten minutes: {said}.")
    st.dataframe(
        pd.DataFrame(
            {
                "Institution": [plain(one.institution_name) for one in report.shares],
                "Weight": [one.weight for one in report.shares],
                "Waiting": [one.waiting for one in report.shares],
                "Running": [one.running for one in report.shares],
                "Tokens served": [one.served_tokens for one in report.shares],
            }
        ),
        hide_index=True,
    )


def weights() -> None:
    """The form that gives an institution another weight."""
    st.header("Weights", anchor=False)
    st.markdown(
        "Institutions that wait share a worker by tokens, each by its weight; 1 is everybody's. A change holds at "
        "once, and the log has it with its reason."
    )
    known = {one.id: one for one in here.institutions.list(actor)}
    chosen = st.selectbox(
        "Institution",
        list(known),
        format_func=lambda one: f"{plain(known[one].name)} · {known[one].weight:g}",
        key=f"{WEIGHT}.institution",
    )
    with st.form(WEIGHT, border=False):
        value = f"{field(WEIGHT, 'value')}.{chosen}"
        reason = field(WEIGHT, "reason")
        st.number_input("Weight", 0.1, 10.0, known[chosen].weight, step=0.1, key=value)
        st.text_input("Why", key=reason, max_chars=500)
        submit(
            "Set the weight",
            WEIGHT,
            lambda who, key: here.workers.set_weight(
                who,
                chosen,
                weight=float(st.session_state[value]),
                reason=str(st.session_state[reason]),
                idempotency_key=key,
            ),
            done="The weight is set.",
        )


heading(
    "Workers",
    "Each checkpoint has one worker, which starts when it is asked for and is kept warm. Requests wait in front of it, "
    "and institutions take turns by tokens.",
)
try:
    found = here.workers.report(actor)
except ConcordatError as refusal:
    refused(refusal)
else:
    st.button("Look again", icon=":material/refresh:")
    if not found.workers:
        empty(
            "No checkpoint is served. On the machine that holds one: "
            "`concordat checkpoint add PATH --id ID --family NAME`.",
            screen="checkpoints",
            label="Checkpoints",
            icon="dns",
        )
    else:
        tiles(found)
        for each in found.workers:
            card(here, actor, each)
        shares(found)
    weights()
