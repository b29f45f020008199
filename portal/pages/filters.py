"""Choices that stand in the address, so that what is shown can be linked to, bookmarked and gone back to.

The address is the one place where they are kept: a widget shows what it says and writes to it.
"""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

ANY = ""


def chosen(name: str, allowed: Sequence[str], default: str = ANY) -> str:
    """What the address says about ``name``; ``default`` where it says nothing, or nothing that is allowed."""
    value = st.query_params.get(name, default)
    return value if value in allowed else default


def pick(
    label: str,
    name: str,
    options: Mapping[str, str],
    *,
    screen: str,
    any_label: str = "Any",
    default: str = ANY,
    width: int = 240,
) -> str:
    """A selection kept in the address under ``name``. ``options`` are values with how they read; ANY comes first
    unless there is a default.
    """
    known = dict(options) if default else {ANY: any_label, **options}
    key = f"{screen}.filter.{name}"
    st.session_state[key] = chosen(name, list(known), default)
    return str(
        st.selectbox(
            label,
            list(known),
            format_func=known.__getitem__,
            key=key,
            on_change=_keep,
            args=(key, name, default),
            width=width,
        )
    )


def pick_view(label: str, name: str, options: Mapping[str, str], *, screen: str) -> str:
    """One of a few views, kept in the address under ``name``; the first one unless it says otherwise."""
    first = next(iter(options))
    key = f"{screen}.filter.{name}"
    st.session_state[key] = chosen(name, list(options), first)
    # Not a segmented control, which writes in the primary colour: on a dark ground that is too dark to read.
    picked = st.radio(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        horizontal=True,
        on_change=_keep,
        args=(key, name, first),
        label_visibility="collapsed",
    )
    return str(picked or first)


def button_to(label: str, name: str, value: str, *, screen: str, icon: str) -> None:
    """A button that writes ``value`` to the address under ``name``."""
    st.button(
        label,
        key=f"{screen}.{name}:{label}",
        icon=f":material/{icon}:",
        on_click=_write(name, value),
    )


def _write(name: str, value: str) -> Callable[[], None]:
    def write() -> None:
        st.query_params[name] = value

    return write


def _keep(key: str, name: str, default: str) -> None:
    value = str(st.session_state.get(key) or default)
    if value == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
