"""Two texts of clauses beside each other, word by word. What was added is underlined, what was removed is struck out:
nothing is told by colour alone.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Final

import streamlit as st

from agreements.diffs import ChangeKind, ClauseChange, FieldChange, Segment, SegmentOp
from portal.pages.clause_view import data_list
from portal.pages.parts import row, status
from portal.pages.words import count, literal, plain, sentence

QUIET: Final = frozenset({ChangeKind.SAME, ChangeKind.MOVED})
"""Word for word as it was: nobody has to accept it anew."""

_MARKS: Final = {
    # Half transparent, so that one pair of tints does on a light and on a dark page.
    SegmentOp.ADDED: (
        "ins",
        "background:rgba(46,160,103,.22);font-weight:600;text-decoration:underline;text-underline-offset:.2em",
    ),
    SegmentOp.REMOVED: ("del", "background:rgba(200,75,60,.2);text-decoration:line-through"),
}


def clause_changes(
    changes: Sequence[ClauseChange], *, only_changed: bool = True, before: str = "Before", after: str = "After"
) -> None:
    """Every clause that differs, with its data and its words side by side, and how many stay word for word.

    ``before`` and ``after`` name the two texts, in the portal's own words. Clauses that stay are folded away, or laid
    open with ``only_changed`` unset.
    """
    quiet = [change for change in changes if change.kind in QUIET]
    st.caption(f"{_summary(changes)} Added words are underlined, removed ones struck out.")
    for change in changes:
        if change.kind not in QUIET:
            clause_change(change, before=before, after=after)
    if quiet:
        _unchanged(quiet, expanded=not only_changed)


def title_change(before: str, after: str) -> None:
    """What the whole is called, where that differs: the title is signed too."""
    if before == after:
        return
    with st.container(border=True, key="title_change"):
        with row():
            st.markdown("**Title**")
            status(ChangeKind.CHANGED)
        segments = (Segment(op=SegmentOp.REMOVED, text=f"{before} "), Segment(op=SegmentOp.ADDED, text=after))
        st.html(paragraph(segments))


def clause_change(change: ClauseChange, *, before: str = "Before", after: str = "After") -> None:
    """One clause: what became of it, its data as a table, its words on both sides."""
    with st.container(border=True):
        with row():
            st.markdown(f"**{literal(change.title)}**")
            status(change.kind)
        if change.fields:
            st.table([_field(field) for field in change.fields], border="horizontal", hide_index=True)
        if change.kind is ChangeKind.CHANGED:
            _both_sides(change, before, after)
        else:
            st.html(paragraph(change.segments))
        # New words beside old data could promise what nobody signs.
        _kept(change)


def _both_sides(change: ClauseChange, before: str, after: str) -> None:
    sides = st.columns(2)
    for side, named, absent in zip(sides, (before, after), (SegmentOp.ADDED, SegmentOp.REMOVED), strict=True):
        with side:
            st.caption(named)
            st.html(paragraph(segment for segment in change.segments if segment.op is not absent))


def marked(segments: Iterable[Segment]) -> str:
    """The words as HTML, every character escaped, with ``ins`` and ``del`` around what changed."""
    parts = []
    for segment in segments:
        text = html.escape(plain(segment.text), quote=True)
        if segment.op is SegmentOp.SAME:
            parts.append(text)
        else:
            tag, style = _MARKS[segment.op]
            words = text.rstrip()
            parts.append(f'<{tag} style="{style}">{words}</{tag}>{text[len(words) :]}')
    return "".join(parts)


def paragraph(segments: Iterable[Segment]) -> str:
    """``marked`` with its line breaks kept."""
    return f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{marked(segments)}</div>'


def _unchanged(changes: Sequence[ClauseChange], *, expanded: bool) -> None:
    with st.expander(f"{count(len(changes), 'clause')} unchanged", icon=":material/equal:", expanded=expanded):
        for change in changes:
            with row():
                st.markdown(f"**{literal(change.title)}**")
                if change.kind is ChangeKind.MOVED:
                    status(change.kind)
            st.html(paragraph(change.segments))
            _kept(change)


def _kept(change: ClauseChange) -> None:
    data_list(
        "In data, and the same as before", [(sentence(one.name), (one.after or "",)) for one in change.kept_fields]
    )


def _field(field: FieldChange) -> dict[str, str]:
    said_nothing = "*says nothing*"
    return {
        "What": sentence(literal(field.name)),
        "Before": said_nothing if field.before is None else literal(field.before),
        "After": said_nothing if field.after is None else literal(field.after),
    }


def _summary(changes: Sequence[ClauseChange]) -> str:
    kinds = [change.kind for change in changes]
    told = [f"{count(kinds.count(kind), 'clause')} {_told(kind)}" for kind in ChangeKind if kind in kinds]
    return f"{', '.join(told)}." if told else "No clauses."


def _told(kind: ChangeKind) -> str:
    return "unchanged" if kind is ChangeKind.SAME else kind.value
