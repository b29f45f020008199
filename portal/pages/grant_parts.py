"""How one grant is shown: its state, what it opens, and what becomes of those below it."""

import streamlit as st

from agreements.grants import GrantStatus, HolderKind
from agreements.grants.tree import Becomes
from agreements.scopes import Scope
from portal.pages.context import now
from portal.pages.parts import budget, fields, go, row
from portal.pages.words import count, literal, when
from portal.services.grant_views import GrantConsequences, GrantView

HOLDER_ICONS = {HolderKind.INSTITUTION: "account_balance", HolderKind.PERSON: "person", HolderKind.PROGRAM: "terminal"}

_VERBS = {
    Becomes.NARROWED: "is narrowed",
    Becomes.REVOKED: "ends",
    Becomes.STOPPED: "opens nothing until it is lifted",
    Becomes.UNTOUCHED: "stays as it is",
}


def badge(view: GrantView) -> None:
    """Whether it opens anything now."""
    grant, at = view.grant, now()
    if view.active:
        st.badge("active", icon=":material/check_circle:", color="green")
    elif grant.status is GrantStatus.REVOKED:
        st.badge("revoked", icon=":material/block:", color="red")
    elif grant.scope and grant.scope.expires_at <= at:
        st.badge("expired", icon=":material/schedule:", color="gray")
    elif grant.status is GrantStatus.SUSPENDED:
        st.badge("suspended", icon=":material/pause_circle:", color="orange")
    elif view.closed_above:
        st.badge("closed above", icon=":material/vertical_align_top:", color="orange")
    else:
        st.badge("agreement ended", icon=":material/contract_delete:", color="red")


def summary(view: GrantView) -> None:
    """A card's worth of a grant: whose, in which state, with what is left."""
    grant, scope = view.grant, view.grant.scope
    if scope is None:
        return
    st.markdown(f"**{literal(grant.label)}**")
    with row():
        go(grant.id, "grants", grant=grant.id, icon="key")
        badge(view)
        st.badge(literal(view.holder_name), icon=f":material/{HOLDER_ICONS[grant.holder.kind]}:", color="blue")
        st.badge(
            grant.access_level.value,
            icon=":material/layers:",
            color="gray",
            help="Depth of access: AL1 outputs, AL2 also probabilities, AL3 internals.",
        )
    st.caption(f"{literal(view.institution_name)} · ends {when(scope.expires_at, now())}")
    budget(view.used_tokens, view.held_tokens, scope.token_budget, ended=not view.active)
    for use in view.periods:
        amounts = []
        if use.budget.tokens is not None:
            left = max(use.budget.tokens - use.used_tokens - use.held_tokens, 0)
            amounts.append(f"{left:,} of {use.budget.tokens:,} tokens")
        if use.budget.requests is not None:
            amounts.append(f"{max(use.budget.requests - use.used_requests, 0):,} of {use.budget.requests:,} requests")
        st.caption(f"This {use.budget.period.value}: {' and '.join(amounts)} left; anew {when(use.frees_at, now())}.")


def scope_table(scope: Scope) -> None:
    """What it opens, and every limit that is set."""
    pairs = [
        ("Checkpoints", literal(", ".join(sorted(scope.checkpoints)))),
        ("Operations", literal(", ".join(sorted(scope.operations)))),
        ("Purposes", literal(", ".join(sorted(scope.purposes)))),
        ("Requests a minute", f"{scope.requests_per_minute:,}"),
    ]
    if scope.request_budget is not None:
        pairs.append(("Requests in all", f"{scope.request_budget:,}"))
    pairs += [(f"Each {one.period.value}", f"at most {one}") for one in scope.periods]
    if scope.concurrency is not None:
        pairs.append(("Runs at once", f"{scope.concurrency:,}"))
    if scope.sampling is not None:
        pairs.append(("Sampling", str(scope.sampling)))
    if scope.hours is not None:
        pairs.append(("Hours", literal(str(scope.hours))))
    if scope.holder_bound:
        pairs.append(("Tokens", "bound to their holder's key"))
    fields(pairs)


def says(found: GrantConsequences, named: dict[str, str]) -> str:
    """The consequences in words. ``named`` are the holders of the grants below, by grant."""
    tokens = f" {count(found.tokens, 'live access token')} will be refused." if found.tokens else ""
    runs = f" {count(len(found.runs), 'run')} under way may finish." if found.runs else ""
    lines = []
    for one in found.grants:
        whose = literal(named.get(one.grant.id, one.grant.holder.id))
        cut = f" in {literal(', '.join(one.dimensions))}" if one.dimensions else ""
        lines.append(f"- *{literal(one.grant.label)}* of {whose} {_VERBS[one.becomes]}{cut}")
    below = "\n\nBelow it:\n\n" + "\n".join(lines) if lines else ""
    return f"{tokens}{runs}{below}"
