"""One grant, whole: what it opens, where it stands in its tree, what can be done with it, what happened to it."""

import streamlit as st

from agreements.grants import Grant, HolderKind
from agreements.grants.tree import Becomes
from agreements.scopes import Scope
from model_access.registry import Checkpoint
from portal.pages.context import current_actor, now, portal
from portal.pages.grant_changes import changes
from portal.pages.grant_parts import (
    DOWN,
    badge,
    fate_badge,
    indented,
    limit_words,
    period_budgets,
    scope_table,
    summary,
)
from portal.pages.parts import budget, copyable, go, row
from portal.pages.words import count, literal, when
from portal.services.aggregates import GRANTS
from portal.services.askers import institutions_to_ask_about
from portal.services.grant_views import GrantAct, GrantView
from portal.services.revocations import says

_MEASURED_WITHIN_S = 2.0
"""For what was revoked by the click that draws this page: its measurement is there a moment later."""

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
            _why(grant)
            if grant.request_id:
                go("The request that it answers", "requests", request=grant.request_id, icon="approval")
            if grant.parent_id:
                go("The grant above", "grants", grant=grant.parent_id, icon="arrow_upward")
    changes(view)
    _tree(view)
    _history(grant)


def _why(grant: Grant) -> None:
    """Where it is explained what its holder may do on it, as far as the reader may ask that."""
    actor, scope = current_actor(), grant.scope
    named = next((one.id for one in portal().checkpoints.registered() if scope and _reaches(scope, one)), None)
    if named is None or scope is None:
        return
    query = {"checkpoint": named, "purpose": min(scope.purposes), "operation": min(scope.operations)}
    allowed = institutions_to_ask_about(actor)
    if grant.holder.id != actor.person_id and (allowed is None or grant.institution_id in allowed):
        if grant.holder.kind is HolderKind.INSTITUTION:
            query |= {"who": "invented", "institution": grant.institution_id}
        else:
            query |= {"who": "person", "person": grant.holder.id}
    go("Why may its holder, or why not?", "explain", icon="help", grant=grant.id, **query)


def _reaches(scope: Scope, checkpoint: Checkpoint) -> bool:
    return scope.names(checkpoint.id) or scope.covers_family(checkpoint.family)


def _stopped(grant: Grant) -> None:
    at = now()
    if grant.revoked_at:
        st.warning(f"Revoked {when(grant.revoked_at, at)}: {literal(grant.revoked_reason)}", icon=":material/block:")
    if grant.suspension:
        st.warning(
            f"Suspended {when(grant.suspension.at, at)}: {literal(grant.suspension.reason)}",
            icon=":material/pause_circle:",
        )
    if grant.revoked_at or grant.suspension:
        act = portal().revocations.latest(GRANTS.decider.stream(grant.id), wait_s=_MEASURED_WITHIN_S)
        if act is not None:
            st.caption(f":material/timer: {says(act)}")
            if current_actor().is_coordinator:
                go("How fast revocations take effect", "revocations", icon="timer")


def _tree(view: GrantView) -> None:
    here, actor = portal(), current_actor()
    below = here.grants.below(actor, view.grant.id)
    if not below:
        return
    st.header("Delegated from it", anchor=False)
    fates = _imagined(view) if here.grants.may(actor, view.grant).changes and view.grant.live_on(now()) else {}
    for one in below:
        steps = one.grant.depth - view.grant.depth - 1
        with indented(steps), st.container(border=True, key=f"below_{one.grant.id}"):
            with row():
                go(
                    f"{DOWN * steps}{literal(one.holder_name)}: {literal(one.grant.label)}",
                    "grants",
                    grant=one.grant.id,
                    icon="key",
                )
                badge(one)
                if one.grant.id in fates:
                    fate_badge(fates[one.grant.id])
            if one.grant.scope is not None:
                budget(one.used_tokens, one.held_tokens, one.grant.scope.token_budget, ended=not one.active)
                period_budgets(one)
                if words := limit_words(one.grant.scope):
                    st.caption(words)


def _imagined(view: GrantView) -> dict[str, Becomes]:
    """What would become of each grant below if this one were suspended or revoked, as its reader chooses."""
    acts = {"": "as it is", GrantAct.SUSPEND.value: "if it is suspended", GrantAct.REVOKE.value: "if it is revoked"}
    chosen = st.radio(
        "What is below it",
        list(acts),
        format_func=acts.__getitem__,
        horizontal=True,
        key=f"grant.imagined:{view.grant.id}",
    )
    if not chosen:
        return {}
    found = portal().grants.preview(current_actor(), view.grant.id, GrantAct(chosen))
    stops = f"{count(found.tokens, 'live access token')} would be refused"
    runs = f", {count(len(found.runs), 'run')} under way would be stopped" if found.runs else ""
    st.caption(f":material/visibility: Nothing is done yet. {stops}{runs}.")
    return {one.grant.id: one.becomes for one in found.grants}


def _history(grant: Grant) -> None:
    here, at = portal(), now()
    with st.expander("History", icon=":material/history:"):
        for entry in here.grants.history(current_actor(), grant.id):
            body = entry.event.body()
            reason = f": {literal(str(body['reason']))}" if body.get("reason") else ""
            above = f", because of {literal(str(body['ancestor_id']))} above" if body.get("ancestor_id") else ""
            st.markdown(f"- {when(entry.at, at)}: {_EVENTS[entry.event.type_name]}{reason}{above}")
