"""A request beside what the agreement allows, on screen: a line for each dimension, and bars for the amounts."""

import streamlit as st

from agreements.access_requests import Comparison, differences
from agreements.scopes import Scope
from portal.pages.words import literal

_BARS = ("token_budget", "requests_per_minute", "request_budget", "output_budget")


def comparison_table(found: Comparison, *, only_beyond: bool = False) -> None:
    """Asked, allowed, and whether the one lies within the other."""
    rows = [
        {
            "": f"**{line.label}**",
            "asked": literal(line.asked),
            "the agreement allows": literal(line.allowed),
            " ": f":red[:material/error: beyond: {literal(line.beyond)}]"
            if line.beyond
            else ":green[:material/check_circle: within]",
        }
        for line in found.lines
        if line.beyond or not only_beyond
    ]
    st.table(rows, border="horizontal", hide_index=True)
    if found.apart:
        st.markdown(f":material/block: In {literal(found.apart)} the two have nothing in common.")
    for note in found.uses:
        if note.closed:
            st.warning(
                f"For the purpose {literal(note.purpose)} nothing of what is asked for is open: {literal(note.says)}.",
                icon=":material/lock:",
            )
            continue
        st.caption(
            f":material/info: For the purpose {literal(note.purpose)} alone the agreement allows less, and each run is "
            f"held to that: {literal(note.says)}."
        )


def amount_bars(found: Comparison) -> None:
    """How much of what the agreement allows is asked for."""
    for line in found.lines:
        if line.share is None or line.dimension not in _BARS:
            continue
        text = f"{line.label}: **{line.asked}** of {line.allowed}"
        if line.share > 1:
            text += f", :red[{line.share:,.1f} times as much]"
        st.progress(min(line.share, 1.0), text=text)


def difference_table(asked: Scope, offered: Scope) -> None:
    """What an alternative changes, a line for each dimension in which it does."""
    words = {
        "less": ":orange[:material/compress: less]",
        "other": ":blue[:material/swap_horiz: other]",
        "": ":green[:material/expand: more]",
    }
    rows = [
        {
            "": f"**{line.label}**",
            "asked for": literal(line.asked),
            "offered": literal(line.allowed),
            " ": words[line.beyond],
        }
        for line in differences(asked, offered)
    ]
    st.table(rows, border="horizontal", hide_index=True)
