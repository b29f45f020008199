"""My sessions: where one is signed in, and how that ends."""

import streamlit as st

from agreements.actors import Actor
from portal.pages.context import current_actor, portal, session_id
from portal.pages.parts import Consequence, confirmed, empty, heading
from portal.pages.session_view import session_card
from portal.pages.words import count, literal
from portal.services.sessions import Ended

TOKENS = "sessions.tokens"

actor, here = current_actor(), portal()


def ending(label: str, form: str, says: str, *, keep: bool) -> None:
    """The button that ends one's sessions, all of them or all but this one."""
    with_tokens = bool(st.session_state.get(TOKENS))

    def call(who: Actor, _key: str) -> Ended:
        return here.sessions.end_all(who, who.person_id, tokens=with_tokens, keep=session_id() if keep else "")

    confirmed(
        label,
        form,
        Consequence(
            f"{label}?",
            f"{says} Sign-in links not used yet are dead."
            + (" **Every access token of yours ends too**: programs that use them are refused." if with_tokens else ""),
            label,
            asks_reason=False,
        ),
        lambda _reason: call,
        done=lambda ended: f"Ended: {ended.sessions} sessions and links, {ended.tokens} access tokens.",
        icon="logout",
    )


heading(
    "My sessions",
    f"Each ends {here.settings.session_hours} hours after sign-in, or after {here.settings.session_idle_hours} hours "
    "without use. The portal remembers the kind of browser and when it was used, and no network address.",
)
found = here.sessions.list(actor, current=session_id())
for session in found:
    session_card(session)
if len(found) < 2:
    empty("You are signed in nowhere else.", icon="devices")
identities = here.identity_providers.identities(actor, actor.person_id)
if identities:
    labels = {one.id: one.label for one in here.identity_providers.list(actor)}
    names = ", ".join(literal(labels.get(one.provider_id, one.issuer)) for one in identities)
    st.caption(
        f"You are known at {count(len(identities), 'identity provider')}: {names}. A coordinator can unlink an account "
        "that is not yours any more."
    )
st.checkbox("End my access tokens too", key=TOKENS, help="Programs that use them are refused from then on.")
ending(
    "Sign out everywhere else",
    "session.end_all",
    f"{count(sum(1 for one in found if not one.current), 'other browser')} of yours is signed out; this one stays."
    if len(found) == 2
    else "Every other browser of yours is signed out; this one stays.",
    keep=True,
)
ending(
    "Sign out everywhere",
    "session.end_everything",
    "Every browser of yours is signed out, **this one too**: you need a way in again.",
    keep=False,
)
