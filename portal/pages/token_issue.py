"""The form that issues a token: least by default."""

from typing import Any

import streamlit as st

from agreements.actors import Actor
from agreements.areas import Area
from portal.pages.context import current_actor, portal
from portal.pages.parts import submit
from portal.pages.token_reveal import keep
from portal.pages.words import sentence
from portal.pages.writing import field
from portal.services.tokens import IssuedToken

_FORM = "token.issue"
_NO_GRANT = ""


def issuing() -> None:
    """The form."""
    here, actor = portal(), current_actor()
    usable = {held.grant.id for held in here.grants.usable_by(actor)}
    grants = {view.grant.id: view.grant for view in here.grants.list(actor) if view.active and view.grant.id in usable}
    purposes = sorted({purpose for grant in grants.values() if grant.scope for purpose in grant.scope.purposes})
    wanted = st.query_params.get("grant")
    names = {grant_id: f"{grant.label} ({grant_id})" for grant_id, grant in grants.items()}
    names[_NO_GRANT] = "no grant: what my role and public checkpoints allow"
    with st.form(_FORM):
        st.text_input("Label", key=field(_FORM, "label"), max_chars=120, placeholder="notebook on my laptop")
        st.selectbox(
            "Grant it draws on",
            list(names),
            index=list(names).index(wanted) if wanted in names else 0,
            format_func=names.__getitem__,
            key=field(_FORM, "grant"),
        )
        st.selectbox(
            "Purpose",
            [None, *purposes],
            format_func=lambda purpose: purpose or "declared with each request",
            key=field(_FORM, "purpose"),
            help="A token for one purpose needs no X-Concordat-Purpose header.",
        )
        st.multiselect(
            "What it is for, if it names no grant",
            list(Area),
            [Area.READ],
            format_func=lambda area: sentence(area.says),
            key=field(_FORM, "areas"),
            help="A token without a grant carries your role. Leave out what the program does not need.",
        )
        st.number_input(
            f"Hours it lives, at most {here.settings.token_hours}",
            1,
            here.settings.token_hours,
            here.settings.token_hours,
            key=field(_FORM, "hours"),
        )
        with st.expander("Bind it to a key, or keep it fresh"):
            st.text_input(
                "Thumbprint of your DPoP key",
                key=field(_FORM, "key"),
                max_chars=43,
                help="`concordat token dpop-key FILE` makes a key and prints it. The token is then useless without it.",
            )
            st.checkbox(
                "With a refresh token, for scripts that run on",
                key=field(_FORM, "fresh"),
                disabled=here.settings.refresh_days == 0,
                help=f"Trades itself for the next pair for up to {here.settings.refresh_days} days.",
            )
        submit(
            "Issue the token",
            _FORM,
            _issue,
            done="The token is issued. Copy it now: it is shown only once.",
            then=keep,
            icon="vpn_key",
        )


def _issue(who: Actor, key: str) -> IssuedToken:
    typed = {name: st.session_state.get(field(_FORM, name)) for name in ("label", "grant", "purpose", "areas", "hours")}
    grant_id = typed["grant"] or None
    wish: dict[str, Any] = {
        "label": str(typed["label"] or ""),
        "grant_id": grant_id,
        "purpose": typed["purpose"] if grant_id else None,
        "areas": None if grant_id else [area.value for area in typed["areas"] or [Area.READ]],
        "hours": int(typed["hours"] or 1),
        "key_thumbprint": str(st.session_state.get(field(_FORM, "key")) or "").strip() or None,
    }
    if st.session_state.get(field(_FORM, "fresh")):
        return portal().refresh.issue(who, **wish)
    return portal().tokens.issue(who, **wish, idempotency_key=key)
