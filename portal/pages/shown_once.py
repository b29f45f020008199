"""What is shown once: a token, a link. It stays with the screen that made it, and goes when that screen is left."""

from typing import Any, Final

import streamlit as st

_PREFIX: Final = "shown_once:"


def keep(name: str, value: object) -> None:
    """Show it from the next run on. For use in callbacks too."""
    st.session_state[_PREFIX + name] = value


def kept(name: str) -> Any:
    """What is being shown under a name; None if nothing is."""
    return st.session_state.get(_PREFIX + name)


def put_away(name: str) -> None:
    """Show it no more. For use in callbacks too."""
    st.session_state.pop(_PREFIX + name, None)


def leave() -> None:
    """Put away everything that is shown once: another screen is drawn now."""
    for key in [key for key in st.session_state if str(key).startswith(_PREFIX)]:
        del st.session_state[key]
