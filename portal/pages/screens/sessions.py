"""My sessions: where one is signed in, and how that ends."""

import streamlit as st

from portal.pages.context import current_actor, now, portal, session_id
from portal.pages.parts import Consequence, act, confirmed, heading, row
from portal.pages.words import literal, when
from portal.services.sessions import SessionView

_METHODS = {"link": "one-time link", "provider": "institution's account", "invitation": "invitation", "demo": "demo"}

actor, here, at = current_actor(), portal(), now()
TOKENS = "sessions.tokens"


def card(view: SessionView) -> None:
    """One session."""
    with st.container(border=True, key=f"session_{view.handle}"):
        with row():
            st.markdown(f"**{literal(view.browser or 'Unknown browser')}**")
            if view.current:
                st.badge("this one", icon=":material/check_circle:", color="green")
        method = view.provider or _METHODS.get(view.method.value if view.method else "", "unknown")
        st.caption(
            f"by {literal(method)} · since {when(view.since, at)} · last seen {when(view.last_seen, at)} · "
            f"ends {when(view.expires_at, at)} at the latest"
        )
        if not view.current:
            act(
                "End",
                f"session.end:{view.handle}",
                lambda who, _key: here.sessions.end(who, view.handle),
                done="That session is over.",
                icon="logout",
            )


heading(
    "My sessions",
    f"Each ends {here.settings.session_hours} hours after sign-in, or after {here.settings.session_idle_hours} hours "
    "without use.",
)
for session in here.sessions.list(actor, current=session_id()):
    card(session)
st.checkbox("End my access tokens too", key=TOKENS, help="Programs that use them are refused from then on.")
confirmed(
    "Sign out everywhere else",
    "session.end_all",
    Consequence(
        "Sign out everywhere else?",
        "Every other browser of yours is signed out, and sign-in links not used yet are dead"
        + (". Every access token of yours ends with them." if st.session_state.get(TOKENS) else "."),
        "Sign out everywhere else",
        asks_reason=False,
    ),
    lambda _reason: (
        lambda who, _key: here.sessions.end_all(
            who, who.person_id, tokens=bool(st.session_state.get(TOKENS)), keep=session_id()
        )
    ),
    done=lambda ended: f"Ended: {ended.sessions} sessions and links, {ended.tokens} access tokens.",
    icon="logout",
)
