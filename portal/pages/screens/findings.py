"""Findings: search and list, and by ``?finding=`` one finding."""

import altair as alt
import pandas as pd
import streamlit as st

from agreements.errors import ConcordatError
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Status
from portal.findings.reads import Filters, FindingRow
from portal.pages.context import current_actor, now, portal
from portal.pages.finding_view import finding_page
from portal.pages.frame import institution_name
from portal.pages.parts import empty, go, heading, marking, row, status
from portal.pages.words import count, literal, sentence
from portal.pages.writing import refused

PAGE = 20

_CURSORS = "findings.cursors"
"""The cursors of the pages turned so far, the present one last, under the filters they belong to."""

actor, here, at = current_actor(), portal(), now()


def detail(finding_id: str, version: str | None) -> None:
    """One finding, or one version of it."""
    go("All findings", "findings", icon="arrow_back")
    try:
        number = int(version) if version and version.isascii() and version.isdigit() else None
        view = here.findings.get(actor, finding_id, number)
    except ConcordatError as refusal:
        heading("Finding")
        refused(refusal)
        return
    finding_page(actor, view, at)


def filters() -> Filters:
    """What to list."""
    text = st.text_input("Search", key="findings_text", type="search", placeholder="Words in titles and summaries")
    first, second, third, fourth = st.columns(4)
    return Filters(
        text=text or "",
        kind=first.selectbox(
            "Kind", [None, *Kind], format_func=lambda v: sentence(v.label) if v else "Any", key="findings_kind"
        ),
        status=second.selectbox(
            "Status", [None, *Status], format_func=lambda v: sentence(v.value) if v else "Any", key="findings_status"
        ),
        marking=third.selectbox(
            "Marking", [None, *Tlp], format_func=lambda v: v.value if v else "Any", key="findings_marking"
        ),
        checkpoint_id=fourth.selectbox(
            "Checkpoint",
            [None, *(view.checkpoint.id for view in here.checkpoints.list(actor))],
            format_func=lambda v: v or "Any",
            key="findings_checkpoint",
        ),
    )


def chart() -> None:
    """How many findings of each kind the reader may see."""
    counts = {kind: n for kind, n in here.findings.counts(actor).by_kind.items() if n}
    if len(counts) < 2:
        return
    frame = pd.DataFrame({"Kind": [sentence(kind.label) for kind in counts], "Findings": list(counts.values())})
    bars = (
        alt.Chart(frame)
        .mark_bar(cornerRadiusEnd=3, height=14)
        .encode(
            x=alt.X("Findings:Q", axis=alt.Axis(tickMinStep=1, format="d", title=None)),
            y=alt.Y("Kind:N", sort="-x", axis=alt.Axis(title=None, labelLimit=180)),
            tooltip=["Kind", "Findings"],
        )
        .properties(height=24 * len(counts) + 24)
    )
    listed = ", ".join(f"{sentence(kind.label)} {n}" for kind, n in counts.items())
    with st.expander("By kind", icon=":material/bar_chart:"):
        st.altair_chart(bars, alt=f"Findings by kind: {listed}")


def line(finding: FindingRow) -> None:
    """One finding in the list."""
    with st.container(border=True, key=f"finding_{finding.finding_id}"):
        st.markdown(f"**{literal(finding.title) or 'Withdrawn'}**")
        with row():
            go(finding.finding_id, "findings", icon="lab_profile", finding=finding.finding_id)
            marking(finding.marking)
            status(finding.status)
            st.badge(finding.kind.label, icon=":material/label:", color="gray")
            if finding.severity:
                status(finding.severity)
        about = f" · {literal(', '.join(finding.checkpoint_ids))}" if finding.checkpoint_ids else ""
        st.caption(f"{literal(institution_name(finding.institution_id))} · {finding.filed_at[:10]}{about}")


def listing() -> None:
    """The findings that match, a page at a time."""
    heading("Findings", "What participants learned, as far as each marking lets you read.")
    with row():
        go("File a finding", "file_finding", icon="edit_document")
    chosen = filters()
    chart()
    key = chosen.model_dump_json()
    under, cursors = st.session_state.get(_CURSORS, (key, [None]))
    if under != key:
        cursors = [None]
    page = here.findings.list(actor, chosen, limit=PAGE, cursor=cursors[-1])
    if not page.rows:
        empty(
            "No finding that you may read matches.", screen="file_finding", label="File a finding", icon="lab_profile"
        )
        return
    st.caption(count(page.total, "finding"))
    for finding in page.rows:
        line(finding)
    with row():
        if len(cursors) > 1:
            st.button(
                "Back", key="findings_back", on_click=st.session_state.update, args=({_CURSORS: (key, cursors[:-1])},)
            )
        if page.next_cursor:
            st.button(
                "More",
                key="findings_more",
                on_click=st.session_state.update,
                args=({_CURSORS: (key, [*cursors, page.next_cursor])},),
            )


selected = st.query_params.get("finding")
if selected:
    detail(selected, st.query_params.get("version"))
else:
    listing()
