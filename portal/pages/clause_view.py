"""A clause on the screen: its words, and honestly what each of its effects is and what it compiles to."""

import streamlit as st

from agreements.clauses import Clause, Effect, EffectKind
from portal.pages.parts import LOOKS
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
    """Each effect of the clause on a line of its own."""
    st.markdown("  \n".join(effect_line(effect) for effect in clause.effects()))


def effect_line(effect: Effect) -> str:
    """How far software carries an effect, what it compiles to and what that means, as Markdown."""
    label, words = effect.compiles_to.label, literal(effect.summary)
    # A duty compiles to a duty: said once is enough.
    said = words if label.split()[0] == effect.kind.value else f"{label}: {words}"
    return f"{kind_badge(effect.kind)} :small[{said}]"


def kind_badge(kind: EffectKind) -> str:
    """How far software carries something, as a badge within Markdown: icon, word and colour."""
    look = LOOKS[kind]
    return f":{look.colour}-badge[:material/{look.icon}: {kind.value}]"
