"""Writing from a screen: one service call per click, under an idempotency key, with its outcome shown afterwards.

Streamlit runs a click's callback before the script, so a callback must not draw and the script may never hear of the
call. Each form instance therefore has a key of its own: a double click sends it twice and the service acts once. What
came of the call is left in the session and drawn by ``outcome`` at the place where the form stands.
"""

from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError, Fixer
from portal.pages.context import current_actor
from portal.pages.words import literal, sentence

T = TypeVar("T")

Call = Callable[[Actor, str], T]
"""A service call, given the actor and the idempotency key."""

_TOAST = "writing.toast"
_FORM = "writing.form:"
_ROUND = "writing.round:"
_REFUSED = "writing.refused:"
_UNTOLD = "writing.untold"


def instance(form: str) -> str:
    """The idempotency key of the form as it stands on the screen; a fresh one after each success."""
    key: str = st.session_state.setdefault(_FORM + form, uuid4().hex)
    return key


def field(form: str, name: str) -> str:
    """The key of one of the form's widgets; another after each success, so that the next form begins empty."""
    rounds: int = st.session_state.get(_ROUND + form, 0)
    return f"{form}.{name}.{rounds}" if rounds else f"{form}.{name}"


def perform(
    form: str,
    key: str,
    call: Call[T],
    *,
    done: str | Callable[[T], str] = "",
    then: Callable[[T], None] | None = None,
) -> bool:
    """Make the call as whoever is signed in now, and keep what came of it for ``outcome``. For use in callbacks.

    ``done`` words the success, if it needs words; ``then`` moves on from it, for instance by setting the query string.
    """
    st.session_state.pop(_REFUSED + form, None)
    try:
        result = call(current_actor(), key)
    except ConcordatError as refusal:
        st.session_state[_REFUSED + form] = refusal
        st.session_state[_UNTOLD] = form
        return False
    afresh(form)
    st.session_state[_TOAST] = done if isinstance(done, str) else done(result)
    if then is not None:
        then(result)
    return True


def send(
    form: str,
    key: str,
    call: Call[T],
    *,
    done: str | Callable[[T], str] = "",
    then: Callable[[T], None] | None = None,
) -> None:
    """``perform`` as a callback of a widget, which returns nothing."""
    perform(form, key, call, done=done, then=then)


def outcome(form: str) -> bool:
    """Show why the form's last call was refused, if it was; whether it was."""
    refusal = st.session_state.get(_REFUSED + form)
    if not isinstance(refusal, ConcordatError):
        return False
    if st.session_state.get(_UNTOLD) == form:
        del st.session_state[_UNTOLD]
    refused(refusal)
    return True


def forget(form: str) -> None:
    """Start the form anew: no refusal, another key."""
    st.session_state.pop(_REFUSED + form, None)
    st.session_state.pop(_FORM + form, None)


def afresh(form: str) -> None:
    """Start the form anew with other widgets: what was typed is gone."""
    forget(form)
    st.session_state[_ROUND + form] = st.session_state.get(_ROUND + form, 0) + 1


def flash() -> None:
    """Show the success of the last call, once; or its refusal, where the screen no longer has the form that made it.

    A form goes when somebody else moved meanwhile, which is also the usual reason of the refusal.
    """
    untold = st.session_state.pop(_UNTOLD, None)
    if untold is not None:
        outcome(untold)
        forget(untold)
    message = st.session_state.pop(_TOAST, None)
    if message:
        st.toast(message, icon=":material/check_circle:")
        st.success(message, icon=":material/check_circle:")


def refused(refusal: ConcordatError) -> None:
    """A refusal: the condition that failed, what to do next, and who can clear it."""
    parts = [literal(refusal.message)]
    if refusal.hint:
        parts.append(literal(refusal.hint))
    if refusal.fixer not in (Fixer.CALLER, Fixer.NOBODY):
        parts.append(f"**{sentence(str(refusal.fixer))}** can clear this.")
    elif refusal.fixer is Fixer.NOBODY:
        parts.append("Nobody can clear this.")
    st.error("  \n".join(parts), icon=":material/block:")
    st.caption(f"Refusal code `{refusal.code}`")
