"""Log: its signed head, its entries as far as they may be known, and its verification."""

import streamlit as st

from agreements.errors import ConcordatError
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import copyable, empty, heading, row
from portal.pages.words import count, literal, short, when
from portal.pages.writing import refused
from portal.services.log import LogLine

PAGE = 25

_LONG = 32

_VERIFIED = "log.verified"
_BEFORE = "log.before"
"""The positions that the pages turned so far ended at, the present page's last."""

actor, here, at = current_actor(), portal(), now()


def verifying() -> None:
    """The button that recomputes everything, its progress, and what came of it."""
    if st.button("Verify everything now", icon=":material/fact_check:", type="primary", key="log_verify"):
        bar = st.progress(0.0, text="Recomputing")

        def progress(done: int, total: int) -> None:
            bar.progress(min(done / total, 1.0) if total else 1.0, text=f"{done:,} of {total:,} rows")

        try:
            st.session_state[_VERIFIED] = here.log.verify(actor, progress)
        except ConcordatError as refusal:
            refused(refusal)
            return
        bar.empty()
    report = st.session_state.get(_VERIFIED)
    if report is None:
        return
    if report.fault is None:
        st.success(
            f"All of it holds: {count(report.entries, 'entry', 'entries')}, {count(report.heads, 'signed head')}, "
            f"{count(report.objects, 'object')} and {count(report.rows, 'read row')} recomputed.",
            icon=":material/verified:",
        )
    else:
        st.error(f"Something was changed: {literal(str(report.fault))}", icon=":material/gpp_bad:")


def line(entry: LogLine) -> None:
    """One entry."""
    kind, _, name = entry.stream.partition("/")
    with st.container(border=True, key=f"entry_{entry.position}"), row():
        st.markdown(
            f"**{entry.position:,}** `{entry.type}` {literal(kind)} `{short(name) if len(name) > _LONG else name}`  \n"
            f":small[{literal(entry.actor_name)}, by {literal(entry.channel)}, {when(entry.at, at)}]",
            width="stretch",
        )
        st.link_button(
            "Proof",
            links.evidence(entry.position),
            icon=":material/download:",
            key=f"proof_{entry.position}",
            type="tertiary",
        )


heading(
    "Log",
    "Every change is an entry of one append-only Merkle log. Keep a head: a later one must contain it, so that nobody, "
    "the lab included, can rewrite what you have seen.",
)
with st.container(border=True):
    copyable("Signed head (C2SP tlog-checkpoint), also at /log/checkpoint", here.log.head())
    copyable("Verifier key: pin it once", here.log.vkey)
if actor.is_coordinator:
    verifying()
st.header("Entries", anchor=False)
st.caption(
    "All that you may know of, newest first."
    if actor.is_coordinator
    else "What you did yourself, newest first. The rest shows in the public log as hashes."
)
stream = st.text_input(
    "Only one object's entries",
    key="log_stream",
    placeholder="grant/grt_…",
    on_change=lambda: st.session_state.pop(_BEFORE, None),
)
turned: list[int | None] = st.session_state.get(_BEFORE, [None])
entries = here.log.entries(actor, before=turned[-1], limit=PAGE, stream=stream.strip() or None)
if not entries:
    empty("No entry that you may know of.", icon="account_tree")
for shown in entries:
    line(shown)
with row():
    if len(turned) > 1:
        st.button("Newer", key="log_newer", on_click=st.session_state.update, args=({_BEFORE: turned[:-1]},))
    if len(entries) == PAGE:
        st.button(
            "Older",
            key="log_older",
            on_click=st.session_state.update,
            args=({_BEFORE: [*turned, entries[-1].position]},),
        )
