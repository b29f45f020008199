"""A clause on the screen: its words, all of its data, and honestly what each of its effects is and compiles to."""

import html
from collections.abc import Iterable, Sequence
from typing import Final

import streamlit as st

from agreements.clauses import Clause, Effect, EffectKind
from portal.pages.parts import LOOKS
from portal.pages.words import literal, plain, prose

DATA_BINDS: Final = (
    "Under the words of each clause stands all of its data. The portal follows the data: where words and data do not "
    "agree, do not sign, and answer with a text in which they do."
)


def clause_card(number: int, clause: Clause) -> None:
    """One clause, whole."""
    with st.container(border=True, key=f"clause_{clause.clause_id}"):
        clause_body(number, clause)


def clause_body(number: int, clause: Clause) -> None:
    """What stands on the card of a clause."""
    st.markdown(f"**{number}. {literal(clause.title)}**")
    st.markdown(prose(clause.rendered()))
    data_list(f"In data: {clause.kind.replace('_', ' ')}", [(one.label, one.lines) for one in clause.data_fields()])
    effect_lines(clause)


def data_list(heading: str, fields: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Data as a list of labels and what stands there, line by line; nothing where there is none."""
    entries = "".join(
        f'<dt style="opacity:.72">{_escaped(label)}</dt>'
        f'<dd style="margin:0;overflow-wrap:anywhere">{"<br>".join(map(_escaped, lines))}</dd>'
        for label, lines in fields
    )
    if entries:
        st.html(
            '<div style="font-size:.875rem;border-left:2px solid rgba(128,128,128,.45);padding-left:.75rem">'
            f'<div style="font-weight:600">{_escaped(heading)}</div>'
            '<dl style="display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:0 1rem;margin:0">'
            f"{entries}</dl></div>"
        )


def _escaped(text: str) -> str:
    return html.escape(plain(text), quote=True)


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
