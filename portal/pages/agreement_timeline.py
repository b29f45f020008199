"""The history of an agreement in words, newest first, each line with the entry of the log that proves it."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement
from portal.pages import links
from portal.pages.context import portal
from portal.pages.parts import go, row
from portal.pages.words import literal, prose, when
from portal.services.agreement_timeline import TimelineEntry

_ICONS = (
    ("drafted", "edit_note"),
    ("edited", "edit_note"),
    ("offered", "outgoing_mail"),
    ("countered", "swap_horiz"),
    ("proposed", "difference"),
    ("commented", "forum"),
    ("signed", "signature"),
    ("entered", "verified"),
    ("suspended", "pause_circle"),
    ("lifted", "play_circle"),
    ("appealed", "gavel"),
    ("decided", "gavel"),
    ("narrowed", "compress"),
    ("widened", "expand"),
    ("dropped", "undo"),
    ("ended", "cancel"),
    ("closed", "inventory_2"),
)


def timeline_part(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """Everything the reader may know of."""
    entries = portal().agreement_timeline.of(actor, agreement.id)
    go("The whole log", "transparency", icon="account_tree")
    for entry in reversed(entries):
        _entry(entry, now)


def _entry(entry: TimelineEntry, now: datetime) -> None:
    with st.container(border=True, key=f"event_{entry.position}"):
        with row():
            st.markdown(f":material/{_icon(entry.type)}: **{literal(entry.text)}**", width="stretch")
            st.link_button(
                f"Entry {entry.position:,}",
                links.evidence(entry.position),
                icon=":material/receipt_long:",
                type="tertiary",
            )
        if entry.detail:
            st.markdown(f"> {prose(entry.detail)}".replace("  \n", "  \n> "))
        who = f":material/smart_toy: the rule {literal(entry.by)}" if entry.automatic else literal(entry.by)
        st.caption(f"{when(entry.at, now)} · {who}")


def _icon(kind: str) -> str:
    return next((icon for word, icon in _ICONS if word in kind), "radio_button_checked")
