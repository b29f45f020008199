"""The keys that sign tokens, for coordinators: what signs, what still verifies, and how they are rotated."""

import streamlit as st

from portal.pages.context import current_actor, now, portal
from portal.pages.parts import Consequence, act, confirmed, row
from portal.pages.words import literal, when
from portal.services.token_keys import TokenKeyView


def signing_keys() -> None:
    """The keys, one below the other, the one that signs first."""
    here = portal()
    st.header("Keys that sign tokens", anchor=False)
    st.caption("Their public halves are at `/.well-known/jwks.json`. A rotation disturbs nobody.")
    for key in here.token_keys.list(current_actor()):
        _key(key)
    with row():
        act(
            "Rotate the key",
            "token_key.rotate",
            lambda who, key: here.token_keys.rotate(who, idempotency_key=key),
            done="A new key signs. The old one verifies until its last token has ended.",
            icon="autorenew",
        )
        confirmed(
            "It is compromised",
            "token_key.compromised",
            Consequence(
                "Refuse every token of this key?",
                "A new key signs, and **every access token** that is out is refused from the next request on. People "
                "and programs have to get new ones; refresh tokens go on working.",
                "Refuse them all",
            ),
            lambda reason: lambda who, _key: here.token_keys.rotate(who, compromised=reason),
            done="A new key signs; tokens of the old one are refused.",
            icon="gpp_bad",
        )


def _key(key: TokenKeyView) -> None:
    at = now()
    with st.container(border=True, key=f"token_key_{key.kid}"):
        with row():
            st.markdown(f"`{key.kid}`")
            if key.signs:
                st.badge("signs", icon=":material/check_circle:", color="green")
            elif key.verifies:
                st.badge("verifies", icon=":material/history:", color="orange")
            else:
                st.badge("retired", icon=":material/block:", color="gray")
        since = when(key.since, at) if key.since else "the beginning"
        until = f" · verifies until {when(key.verifies_until, at)}" if key.verifies_until else ""
        st.caption(f"since {since}{until}")
        if key.withdrawn_reason:
            st.caption(literal(key.withdrawn_reason))
        if key.verifies and not key.signs:
            confirmed(
                "Withdraw",
                f"token_key.withdraw:{key.kid}",
                Consequence(
                    "Refuse the tokens of this key?",
                    f"Tokens signed by `{key.kid}` are refused from the next request on.",
                    "Refuse them",
                ),
                lambda reason: lambda who, _key: portal().token_keys.withdraw(who, key.kid, reason=reason),
                done="Tokens of that key are refused.",
                icon="block",
            )
