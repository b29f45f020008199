"""What stands around every screen: who is signed in, the notices nobody may miss, and the state of the log."""

from functools import cache
from html import escape
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError, NotFound, Unauthenticated
from portal.pages.context import portal, session_id
from portal.pages.words import count, literal, plain, sentence


def institution_name(institution_id: str) -> str:
    """The institution's name, or its id where it is not registered."""
    try:
        return portal().institutions.get(institution_id).name
    except NotFound:
        return institution_id


def signed_out(refusal: Unauthenticated) -> None:
    """What somebody sees whose session is over while the tab was open."""
    st.title("You are signed out", anchor=False)
    st.markdown(literal(refusal.message))
    # A link button would open another tab and leave this one behind.
    provider = portal().oidc.signs_out_at(session_id())
    if provider:
        st.markdown(
            f"At **{literal(provider)}** you are still signed in: whoever uses this browser next comes in as you by "
            "one click."
        )
        st.html(f'<a href="/session/oidc/leave" target="_self">Sign out at {escape(plain(provider))} too</a>')
    st.html('<a href="/session/login" target="_self">Sign in again</a>')


def sidebar(actor: Actor) -> None:
    """Who is signed in, as what, and the way out."""
    with st.sidebar:
        st.markdown(f"**{literal(actor.name)}**")
        for membership in actor.memberships:
            st.caption(f"{sentence(membership.role.label)}, {literal(institution_name(membership.institution_id))}")
        st.button(
            "Sign out",
            icon=":material/logout:",
            key="sign_out",
            on_click=portal().sign_in.sign_out,
            args=(session_id(),),
        )
        provider = portal().oidc.signs_out_at(session_id())
        if provider:
            st.html(f'<a href="/session/signout" target="_self">Sign out here and at {escape(plain(provider))}</a>')


def notices() -> None:
    """Fictional data and missing isolation are said on every page."""
    here = portal()
    if not here.sandbox.isolates:
        st.error(
            "**No sandbox.** This portal runs models without isolation: weights and host are not kept apart. "
            "Every receipt says so too.",
            icon=":material/gpp_bad:",
        )
    if here.settings.demo:
        st.info(
            "**Demonstration.** Institutions, people and findings are fictional; runs, signatures and proofs are real.",
            icon=":material/science:",
        )


def footer() -> None:
    """The state of the log, the isolation models run under, and the build."""
    here = portal()
    st.divider()
    try:
        head = here.log.size_and_root()
        log = f"Log head: {count(head.size, 'entry', 'entries')}, root `{head.root.hex()[:12]}…`"
    except ConcordatError as refusal:
        log = f"Log head: {literal(refusal.message)}"
    st.caption(f"{log} · sandbox `{here.sandbox.id}` · Concordat {_build()}")


@cache
def _build() -> str:
    try:
        return version("concordat")
    except PackageNotFoundError:
        return "from source"
