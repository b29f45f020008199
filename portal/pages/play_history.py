"""What was asked in this tab: to show, to fill in or to run again. It is kept nowhere else and ends with the tab."""

from collections.abc import Callable

import streamlit as st

from portal.pages.context import now
from portal.pages.parts import row
from portal.pages.play_form import BESIDE, CHECKPOINT, PROMPT, PURPOSE, SEED, fill
from portal.pages.playing import Asked, Played
from portal.pages.words import literal, relative

MOST = 20
_HISTORY = "playground.history"
_SHOWN = "playground.playing"
_BEGINNING = 80


def shown() -> Played | None:
    """What the screen shows: the newest one, or the one that was chosen."""
    played = st.session_state.get(_SHOWN)
    return played if isinstance(played, Played) else None


def remember(played: Played) -> None:
    """Show it, and keep it; what is oldest goes."""
    st.session_state[_SHOWN] = played
    st.session_state[_HISTORY] = [played, *_kept()][:MOST]


def history(again: Callable[[Asked, tuple[str, ...]], None]) -> None:
    """The list, newest first. ``again`` runs one of them anew."""
    kept = _kept()
    if not kept:
        return
    with st.expander(f"Runs of this tab ({len(kept)})", icon=":material/history:"):
        st.caption("Kept by this tab alone, and gone with it. *Runs* has every receipt.")
        for played in kept:
            with st.container(border=True, key=f"play_past_{played.id}"):
                _line(played, again)
        st.button("Forget them", key="play_forget", icon=":material/delete:", on_click=_forget)


def _line(played: Played, again: Callable[[Asked, tuple[str, ...]], None]) -> None:
    asked, asked_of = played.asked, tuple(column.checkpoint_id for column in played.columns)
    beginning = asked.prompt if len(asked.prompt) <= _BEGINNING else f"{asked.prompt[:_BEGINNING]}…"
    st.markdown(f"{literal(beginning)}")
    what = "scored" if asked.recipe.scores else f"temperature {asked.recipe.temperature:g}"
    st.caption(f"{literal(', '.join(asked_of))} · {what} · seed {asked.seed} · {relative(played.at, now())}")
    with row():
        st.button("Show", key=f"play_show_{played.id}", icon=":material/visibility:", on_click=_show, args=(played,))
        st.button(
            "Fill in again",
            key=f"play_refill_{played.id}",
            icon=":material/edit:",
            on_click=refill,
            args=(asked, asked_of),
        )
        st.button(
            "Run again",
            key=f"play_again_{played.id}",
            icon=":material/replay:",
            on_click=again,
            args=(asked, asked_of),
            help="With the same seed: the same answer, as a run of its own.",
        )


def refill(asked: Asked, checkpoint_ids: tuple[str, ...]) -> None:
    """Put into the form what was asked. For use in callbacks."""
    fill(asked.recipe)
    st.session_state.update(
        {
            PROMPT: asked.prompt,
            SEED: str(asked.seed),
            CHECKPOINT: checkpoint_ids[0],
            BESIDE: list(checkpoint_ids[1:]),
            PURPOSE: asked.purpose,
        }
    )


def _show(played: Played) -> None:
    st.session_state[_SHOWN] = played


def _forget() -> None:
    st.session_state.pop(_HISTORY, None)
    st.session_state.pop(_SHOWN, None)


def _kept() -> list[Played]:
    return [played for played in st.session_state.get(_HISTORY, ()) if isinstance(played, Played)]
