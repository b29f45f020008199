"""A clause on the screen: its words, and honestly what each of its effects is and what it compiles to."""

import streamlit as st

from agreements.clauses import Clause
from portal.pages.parts import row, status
from portal.pages.words import literal, prose


def clause_card(number: int, clause: Clause) -> None:
    """One clause, whole."""
    with st.container(border=True, key=f"clause_{clause.clause_id}"):
        clause_body(number, clause)


def clause_body(number: int, clause: Clause) -> None:
    """What stands on the card of a clause."""
    st.markdown(f"**{number}. {literal(clause.title)}**")
    st.markdown(prose(clause.rendered()))
    effect_lines(clause)


def effect_lines(clause: Clause) -> None:
    """Each effect of the clause: how far software carries it, what it compiles to, what that means."""
    for effect in clause.effects():
        with row():
            status(effect.kind)
            words = literal(effect.summary)
            label = effect.compiles_to.label
            # A duty compiles to a duty: said once is enough.
            st.caption(words if label.split()[0] == effect.kind.value else f"{label}: {words}")
