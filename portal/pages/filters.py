"""Choices that stand in the address, so that what is shown can be linked to, bookmarked and gone back to.

The address is the one place where they are kept: a widget shows what it says and writes to it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

ANY = ""
_DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,20})?")


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


def search(label: str, name: str, *, screen: str, placeholder: str = "", width: int = 280) -> str:
    """Words to look for, kept in the address under ``name``."""
    key = f"{screen}.filter.{name}"
    st.session_state[key] = st.query_params.get(name, "")
    typed = st.text_input(
        label,
        key=key,
        max_chars=200,
        icon=":material/search:",
        placeholder=placeholder,
        on_change=_keep,
        args=(key, name, ANY),
        width=width,
    )
    return str(typed or "")


def clear(*names: str) -> None:
    """Take filters out of the address; for use in callbacks."""
    for name in names:
        st.query_params.pop(name, None)


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


def pick_several(
    label: str,
    name: str,
    options: Mapping[str, str],
    *,
    screen: str,
    default: Sequence[str] = (),
    placeholder: str = "",
) -> tuple[str, ...]:
    """A selection of several, kept in the address under ``name``, with commas between them."""
    given = st.query_params.get(name)
    known = [value for value in (given.split(",") if given else default) if value in options]
    key = f"{screen}.filter.{name}"
    st.session_state[key] = known
    st.multiselect(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        placeholder=placeholder or "any",
        on_change=_keep_several,
        args=(key, name, tuple(default)),
    )
    return tuple(known)


def write_in(label: str, name: str, *, screen: str, max_chars: int, placeholder: str = "") -> str:
    """A line of text, kept in the address under ``name``."""
    key = f"{screen}.filter.{name}"
    st.session_state[key] = st.query_params.get(name, ANY)[:max_chars]
    text: str = st.text_input(
        label, key=key, max_chars=max_chars, placeholder=placeholder, on_change=_keep, args=(key, name, ANY)
    )
    return text.strip()


def number_in(label: str, name: str, *, screen: str, most: int, least: int = 1) -> int | None:
    """A whole number, or none, kept in the address under ``name``."""
    given, key = st.query_params.get(name, ANY), f"{screen}.filter.{name}"
    fits = given.isascii() and given.isdigit() and len(given) < 10 and least <= int(given) <= most
    st.session_state[key] = int(given) if fits else None
    st.number_input(
        label, least, most, key=key, value=None, placeholder="not said", on_change=_keep, args=(key, name, ANY)
    )
    return int(given) if fits else None


def decimal_in(label: str, name: str, *, screen: str, most: float) -> float | None:
    """A number from 0, or none, kept in the address under ``name``."""
    given, key = st.query_params.get(name, ANY), f"{screen}.filter.{name}"
    found = float(given) if _DECIMAL.fullmatch(given) and float(given) <= most else None
    st.session_state[key] = found
    st.number_input(
        label, 0.0, most, key=key, value=None, placeholder="not said", on_change=_keep, args=(key, name, ANY)
    )
    return found


def moment_in(label: str, name: str, *, screen: str, earliest: datetime, note: str) -> datetime | None:
    """A moment in UTC, or none, kept in the address under ``name``; one before ``earliest`` is taken as none."""
    key, found = f"{screen}.filter.{name}", _moment(st.query_params.get(name, ANY))
    if found is not None and found < earliest:
        found = None
    st.session_state[key] = found.replace(tzinfo=None) if found is not None else None
    st.datetime_input(
        label,
        value=None,
        min_value=earliest.replace(tzinfo=None),
        key=key,
        help=note,
        on_change=_keep_moment,
        args=(key, name),
    )
    return found


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


def _keep_several(key: str, name: str, default: Sequence[str]) -> None:
    values = [str(value) for value in st.session_state.get(key) or ()]
    if not values or values == list(default):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = ",".join(values)


def _keep_moment(key: str, name: str) -> None:
    value = st.session_state.get(key)
    if isinstance(value, datetime):
        st.query_params[name] = f"{value:%Y-%m-%dT%H:%M}Z"
    else:
        st.query_params.pop(name, None)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except OverflowError:
        return None


def _keep(key: str, name: str, default: str) -> None:
    value = str(st.session_state.get(key) or default)
    if value == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
