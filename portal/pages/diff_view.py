"""Two texts of clauses beside each other, word by word. What was added is underlined, what was removed is struck out:
nothing is told by colour alone.
"""

import html
from collections.abc import Iterable, Sequence

import streamlit as st

from agreements.diffs import ChangeKind, ClauseChange, FieldChange, Segment, SegmentOp
from portal.pages.parts import row, status
from portal.pages.words import count, literal, plain, sentence

_QUIET = frozenset({ChangeKind.SAME, ChangeKind.MOVED})
_MARKS = {
    # Half transparent, so that one pair of tints does on a light and on a dark page.
    SegmentOp.ADDED: ("ins", "background:rgba(46,160,103,.22);text-decoration:underline;text-underline-offset:.2em"),
    SegmentOp.REMOVED: ("del", "background:rgba(200,75,60,.2);text-decoration:line-through"),
}


def clause_changes(changes: Sequence[ClauseChange], *, only_changed: bool = True) -> None:
    """Every clause that differs, with its data and its words; with ``only_changed`` unset the others too."""
    differing = [change for change in changes if change.kind not in _QUIET]
    st.caption(f"{_summary(changes)} Added words are underlined, removed ones struck out.")
    for change in differing if only_changed else changes:
        clause_change(change)


def clause_change(change: ClauseChange) -> None:
    """One clause, before and after."""
    with st.container(border=True):
        with row():
            st.markdown(f"**{literal(change.title)}**")
            status(change.kind)
        if change.fields:
            st.table([_field(field) for field in change.fields], border="horizontal", hide_index=True)
        st.html(f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{marked(change.segments)}</div>')


def marked(segments: Iterable[Segment]) -> str:
    """The words as HTML, every character escaped, with ``ins`` and ``del`` around what changed."""
    parts = []
    for segment in segments:
        text = html.escape(plain(segment.text), quote=True)
        if segment.op is SegmentOp.SAME:
            parts.append(text)
        else:
            tag, style = _MARKS[segment.op]
            parts.append(f'<{tag} style="{style}">{text}</{tag}>')
    return "".join(parts)


def _field(field: FieldChange) -> dict[str, str]:
    said_nothing = "*says nothing*"
    return {
        "What": sentence(literal(field.name)),
        "Before": said_nothing if field.before is None else literal(field.before),
        "After": said_nothing if field.after is None else literal(field.after),
    }


def _summary(changes: Sequence[ClauseChange]) -> str:
    kinds = [change.kind for change in changes]
    told = [f"{count(kinds.count(kind), 'clause')} {kind.value}" for kind in ChangeKind if kind in kinds]
    return f"{', '.join(told)}." if told else "No clauses."
