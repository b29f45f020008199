"""Two answers beside each other, word by word. What differs is underlined or struck out, not told by colour alone."""

from collections.abc import Mapping

import streamlit as st

from agreements.diffs import Segment, SegmentOp, compare_words
from agreements.errors import ConcordatError
from portal.pages.diff_view import paragraph
from portal.pages.playing import Played
from portal.pages.words import count, literal

_OPEN = "play_compare"


def outputs(played: Played) -> dict[str, str]:
    """Every whole answer, by what it is called: the checkpoint, and the answer's number where there are several."""
    found = {}
    for column in played.columns:
        if column.playing is None or not column.playing.over:
            continue
        try:
            choices = column.playing.run.result().choices
        except ConcordatError:
            choices = ()
        for choice in choices:
            several = f", answer {choice.index + 1}" if len(choices) > 1 else ""
            found[f"{column.checkpoint_id}{several}"] = choice.text
    return found


def differences(segments: tuple[Segment, ...]) -> tuple[int, int, int]:
    """How many words are the same, only in the first, only in the second."""
    words = {op: sum(len(one.text.split()) for one in segments if one.op is op) for op in SegmentOp}
    return words[SegmentOp.SAME], words[SegmentOp.REMOVED], words[SegmentOp.ADDED]


def compare(played: Played) -> None:
    """Any two of the answers, where there are two."""
    if played.asked.recipe.scores:
        return
    found = outputs(played)
    if len(found) > 1:
        with st.expander("What differs, word by word", icon=":material/difference:", expanded=True):
            _compared(played, found)


def _compared(played: Played, found: Mapping[str, str]) -> None:
    names = list(found)
    first, second = names[0], names[1]
    if len(names) > 2:
        left, right = st.columns(2)
        first = left.selectbox("One answer", names, key=f"{_OPEN}.first.{played.id}", format_func=str)
        second = right.selectbox("Another answer", names, index=1, key=f"{_OPEN}.second.{played.id}", format_func=str)
    segments = compare_words(found[first], found[second])
    same, mine, other = differences(segments)
    if not mine and not other:
        st.markdown(f"Word for word the same: {count(same, 'word')}.")
        return
    st.markdown(
        f"{count(same, 'word')} the same; {count(mine, 'word')} only in {literal(first)}, struck out; "
        f"{count(other, 'word')} only in {literal(second)}, underlined."
    )
    st.html(paragraph(segments))
