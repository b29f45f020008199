"""Who is looking, and at which portal. Everything a screen knows about its surroundings comes through here."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from agreements.errors import Unauthenticated
from portal.composition import Portal

SESSION_FIELD = "session"
"""The field of ``st.user`` that holds the session id; see ``server.trustedUserHeaders`` in config.toml."""

_portal: Portal | None = None


def set_portal(portal: Portal | None) -> None:
    """Give the screens the one portal of this process; the root application does it before it serves."""
    global _portal
    _portal = portal


def portal() -> Portal:
    """The portal of this process. Calling it before ``set_portal`` is a programming error."""
    if _portal is None:
        raise RuntimeError("set_portal was not called before the screens were served")
    return _portal


def session_id() -> str:
    """The session this browser tab came with; empty if none."""
    value = st.user.get(SESSION_FIELD)
    return value if isinstance(value, str) else ""


def current_actor() -> Actor:
    """Who is signed in, looked up at every run and every click. Raises Unauthenticated.

    ``st.user`` is frozen when the tab connects, so that only this look-up notices a session that ended elsewhere.
    """
    session = session_id()
    if not session:
        raise Unauthenticated("session_over", "You are not signed in, or your session is over.", hint="Sign in again.")
    return portal().sign_in.actor(session)


def now() -> datetime:
    """The portal's present moment, timezone-aware UTC."""
    return portal().kernel.clock()
