"""How one grant is shown: its state, what it opens, and what becomes of those below it."""

import streamlit as st

from agreements.grants import MAX_DEPTH, GrantStatus, HolderKind
from agreements.grants.tree import Becomes
from agreements.limits import Period
from agreements.scopes import Scope, precisions_in_words
from portal.pages.context import now
from portal.pages.parts import Colour, budget, fields, go, row
from portal.pages.words import count, literal, sentence, when
from portal.services.grant_views import GrantConsequences, GrantView, PeriodUse

HOLDER_ICONS = {HolderKind.INSTITUTION: "account_balance", HolderKind.PERSON: "person", HolderKind.PROGRAM: "terminal"}

DOWN = "↳ "
"""One step down a tree, in words too: a narrow screen shows no indent."""

_VERBS = {
    Becomes.NARROWED: "is narrowed",
    Becomes.REVOKED: "ends",
    Becomes.STOPPED: "opens nothing until it is lifted",
    Becomes.UNTOUCHED: "stays as it is",
}

NOW = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month"}
"""How the period that goes on is called."""

_FATES: dict[Becomes, tuple[str, Colour]] = {
    Becomes.NARROWED: ("compress", "orange"),
    Becomes.REVOKED: ("block", "red"),
    Becomes.STOPPED: ("pause_circle", "orange"),
    Becomes.UNTOUCHED: ("check_circle", "green"),
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


def fate_badge(fate: Becomes) -> None:
    """What an act above would make of it."""
    icon, colour = _FATES[fate]
    st.badge(_VERBS[fate], icon=f":material/{icon}:", color=colour)


def indented(steps: int) -> "st.delta_generator.DeltaGenerator":
    """A place moved to the right with each step down a tree; a narrow screen stacks it."""
    indent = min(max(steps, 0), MAX_DEPTH)
    return st.columns([indent, 12 - indent])[-1] if indent else st.container()


def summary(view: GrantView, *, steps: int = 0) -> None:
    """A card's worth of a grant: whose, in which state, with what is left; ``steps`` says how far down a tree."""
    grant, scope = view.grant, view.grant.scope
    if scope is None:
        return
    st.markdown(f"{DOWN * steps}**{literal(grant.label)}**")
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
    period_budgets(view)


def period_budgets(view: GrantView) -> None:
    """A bar for what is left of the current day, week and month, for each that has a budget."""
    for use in view.periods:
        shares = [
            gone / whole
            for gone, whole in (
                (use.used_tokens + use.held_tokens, use.budget.tokens),
                (use.used_requests, use.budget.requests),
            )
            if whole is not None
        ]
        st.progress(
            min(max(shares), 1.0), text=f"{sentence(period_words(use))}; it begins anew {when(use.frees_at, now())}"
        )


def period_words(use: PeriodUse) -> str:
    """What is left of one day, week or month."""
    left = []
    if use.budget.tokens is not None:
        left.append(
            f"{max(use.budget.tokens - use.used_tokens - use.held_tokens, 0):,} of {use.budget.tokens:,} tokens"
        )
    if use.budget.requests is not None:
        left.append(f"{max(use.budget.requests - use.used_requests, 0):,} of {use.budget.requests:,} requests")
    return f"{NOW[use.budget.period]}: {' and '.join(left)} left"


def limit_words(scope: Scope) -> str:
    """The finer limits in one line of Markdown; empty where there are none."""
    said = [f"at most {one}" for one in scope.periods]
    if scope.request_budget is not None:
        said.append(f"at most {count(scope.request_budget, 'request')} in all")
    if scope.output_budget is not None:
        said.append(f"at most {count(scope.output_budget, 'generated token')} in all")
    if scope.concurrency is not None:
        said.append(f"at most {count(scope.concurrency, 'run')} at once")
    if scope.sampling is not None:
        said.append(str(scope.sampling))
    if scope.hours is not None:
        said.append(str(scope.hours))
    if scope.logit_bias:
        said.append("logits may be biased")
    if scope.precisions is not None:
        said.append(f"computed in {precisions_in_words(scope.precisions)}")
    if scope.holder_bound:
        said.append("tokens bound to a key")
    return literal(sentence("; ".join(said)))


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
    if scope.output_budget is not None:
        pairs.append(("Generated tokens in all", f"{scope.output_budget:,}"))
    pairs += [(f"Each {one.period.value}", f"at most {one}") for one in scope.periods]
    if scope.concurrency is not None:
        pairs.append(("Runs at once", f"{scope.concurrency:,}"))
    if scope.sampling is not None:
        pairs.append(("Sampling", str(scope.sampling)))
    if scope.hours is not None:
        pairs.append(("Hours", literal(str(scope.hours))))
    pairs.append(("Biasing logits", "allowed" if scope.logit_bias else "not allowed"))
    if scope.precisions is not None:
        pairs.append(("Precision", precisions_in_words(scope.precisions)))
    if scope.holder_bound:
        pairs.append(("Tokens", "bound to their holder's key"))
    fields(pairs)


def says(found: GrantConsequences, named: dict[str, str]) -> str:
    """The consequences in words. ``named`` are the holders of the grants below, by grant."""
    tokens = f" {count(found.tokens, 'live access token')} will be refused." if found.tokens else ""
    runs = f" {count(len(found.runs), 'run')} under way will be stopped." if found.runs else ""
    lines = []
    for one in found.grants:
        whose = literal(named.get(one.grant.id, one.grant.holder.id))
        cut = f" in {literal(', '.join(one.dimensions))}" if one.dimensions else ""
        lines.append(f"- *{literal(one.grant.label)}* of {whose} {_VERBS[one.becomes]}{cut}")
    below = "\n\nBelow it:\n\n" + "\n".join(lines) if lines else ""
    return f"{tokens}{runs}{below}"
