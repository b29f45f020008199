"""A token at the one moment it is shown, and how to use it."""

import streamlit as st

from agreements.credentials import Credential
from portal.pages import shown_once
from portal.pages.context import current_actor, now, portal
from portal.pages.reach import reach_of
from portal.pages.token_snippets import Use, refreshing, snippets
from portal.pages.words import when
from portal.services.tokens import IssuedToken

_REVEALED = "token"
"""The token just issued; the portal stores it nowhere else."""


def keep(issued: IssuedToken) -> None:
    """Show the token from the next run on."""
    shown_once.keep(_REVEALED, issued)


def revealed() -> IssuedToken | None:
    """The token that is being shown."""
    issued = shown_once.kept(_REVEALED)
    return issued if isinstance(issued, IssuedToken) else None


def reveal(issued: IssuedToken) -> None:
    """The token, what keeps it fresh, and snippets for curl and Python."""
    record, at = issued.record, now()
    with st.container(border=True, key="token_revealed"):
        mine = record.person_id == current_actor().person_id
        whose = "Your token" if mine else "The token to pass on"
        st.markdown(f"**{whose}**, good until {when(record.expires_at, at)}")
        st.code(issued.token, language=None, wrap_lines=True)
        st.caption("The portal keeps no copy. Put it where your other secrets are; whoever has it acts as its holder.")
        if issued.refresh_token is not None:
            st.markdown("**What keeps it fresh**: trade it for the next pair; it is good once.")
            st.code(issued.refresh_token, language=None, wrap_lines=True)
            language, code = refreshing(portal().settings.url, bound=record.key_thumbprint is not None)
            st.code(code, language=language)
        _how(record)
        st.button("I have copied it", key="token_hide", on_click=shown_once.put_away, args=(_REVEALED,))


def _how(record: Credential) -> None:
    bound = record.key_thumbprint is not None
    if bound:
        st.caption("It is bound to a key, so each request proves it (DPoP, RFC 9449).")
    use = Use(portal().settings.url, _model(), _purpose_to_declare(record), bound)
    found = snippets(use)
    for tab, (language, code) in zip(st.tabs(list(found)), found.values(), strict=True):
        tab.code(code, language=language)


def _model() -> str:
    return next((reach.checkpoint.id for reach in reach_of(portal(), current_actor()) if reach.open), "CHECKPOINT")


def _purpose_to_declare(record: Credential) -> str:
    if record.purpose or record.grant_id is None or record.person_id != current_actor().person_id:
        return ""
    scope = portal().tokens.opens(current_actor(), record.id)
    return min(scope.purposes) if scope and len(scope.purposes) > 1 else ""
