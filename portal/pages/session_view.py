"""Sessions on the screen: where somebody is signed in, and how that ends."""

from typing import Final

import streamlit as st

from portal.pages.context import now, portal
from portal.pages.parts import act, row
from portal.pages.words import literal, when
from portal.services.sessions import SessionView

METHODS: Final = {
    "link": "one-time link",
    "provider": "institution's account",
    "invitation": "invitation",
    "demo": "demonstration",
}
"""How a session was opened, in words."""


def session_card(view: SessionView) -> None:
    """One session, and the button that ends it unless it is the reader's own present one."""
    at = now()
    with st.container(border=True, key=f"session_{view.handle}"):
        with row():
            st.markdown(f"**{literal(view.browser or 'Unknown browser')}**")
            if view.current:
                st.badge("this one", icon=":material/check_circle:", color="green")
        method = view.provider or METHODS.get(view.method.value if view.method else "", "unknown")
        st.caption(
            f"by {literal(method)} · since {when(view.since, at)} · last seen {when(view.last_seen, at)} · "
            f"ends {when(view.expires_at, at)} at the latest"
        )
        if not view.current:
            act(
                "End",
                f"session.end:{view.handle}",
                lambda who, _key: portal().sessions.end(who, view.handle),
                done="That session is over.",
                icon="logout",
            )
