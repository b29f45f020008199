"""One grant, whole: what it opens, where it stands in its tree, what can be done with it, what happened to it."""

import streamlit as st

from agreements.grants import Grant
from portal.pages.context import current_actor, now, portal
from portal.pages.grant_changes import changes
from portal.pages.grant_parts import badge, scope_table, summary
from portal.pages.parts import budget, copyable, go, row
from portal.pages.words import literal, when
from portal.services.grant_views import GrantView

_EVENTS = {
    "grant:issued": "issued",
    "grant:delegated": "a part of it was delegated",
    "grant:child_extended": "a part delegated from it was extended",
    "grant:narrowed": "narrowed",
    "grant:extended": "extended",
    "grant:suspended": "suspended",
    "grant:suspension_lifted": "suspension lifted",
    "grant:revoked": "revoked",
    "grant:carried_over": "carried over to a new version of the agreement",
}


def detail(grant_id: str) -> None:
    """Everything about one grant. Raises NotFound."""
    view = portal().grants.get(current_actor(), grant_id)
    grant, at = view.grant, now()
    with st.container(border=True, key=f"grant_{grant.id}"):
        summary(view)
        if grant.scope is not None:
            scope_table(grant.scope)
        if grant.delegated_only:
            st.info("Nobody runs on it directly, only on what is delegated from it.", icon=":material/account_tree:")
        st.caption(f"Issued {when(grant.issued_at, at)} by {literal(portal().people.name(grant.issued_by))}")
        _stopped(grant)
        copyable("Digest of the agreement it rests on", grant.agreement_digest)
        with row():
            go("The agreement", "agreements", agreement=grant.agreement_id, icon="contract")
            if view.active and current_actor().belongs_to(grant.institution_id):
                go("Issue a token for it", "tokens", grant=grant.id, icon="vpn_key")
            if grant.parent_id:
                go("The grant above", "grants", grant=grant.parent_id, icon="arrow_upward")
    changes(view)
    _tree(view)
    _history(grant)


def _stopped(grant: Grant) -> None:
    at = now()
    if grant.revoked_at:
        st.warning(f"Revoked {when(grant.revoked_at, at)}: {literal(grant.revoked_reason)}", icon=":material/block:")
    if grant.suspension:
        st.warning(
            f"Suspended {when(grant.suspension.at, at)}: {literal(grant.suspension.reason)}",
            icon=":material/pause_circle:",
        )


def _tree(view: GrantView) -> None:
    below = portal().grants.below(current_actor(), view.grant.id)
    if not below:
        return
    heading_level = view.grant.depth
    st.header("Delegated from it", anchor=False)
    for one in below:
        indent = max(one.grant.depth - heading_level - 1, 0)
        # Cards move to the right with each step down; a narrow screen stacks them.
        columns = st.columns([indent, 12 - indent]) if indent else [st.container()]
        with columns[-1], st.container(border=True, key=f"below_{one.grant.id}"):
            with row():
                go(f"{literal(one.holder_name)}: {literal(one.grant.label)}", "grants", grant=one.grant.id, icon="key")
                badge(one)
            if one.grant.scope is not None:
                budget(one.used_tokens, one.held_tokens, one.grant.scope.token_budget, ended=not one.active)


def _history(grant: Grant) -> None:
    here, at = portal(), now()
    with st.expander("History", icon=":material/history:"):
        for entry in here.grants.history(current_actor(), grant.id):
            body = entry.event.body()
            reason = f": {literal(str(body['reason']))}" if body.get("reason") else ""
            above = f", because of {literal(str(body['ancestor_id']))} above" if body.get("ancestor_id") else ""
            st.markdown(f"- {when(entry.at, at)}: {_EVENTS[entry.event.type_name]}{reason}{above}")
