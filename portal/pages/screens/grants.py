"""Grants: what each opens and what is left of it; issuing within the agreement's bounds, and revoking."""

from datetime import UTC, datetime, time

import streamlit as st

from agreements.agreement import Agreement
from agreements.errors import ConcordatError
from agreements.scopes import Operation, Scope
from portal.inputs import parse
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import Consequence, budget, confirmed, copyable, empty, fields, go, heading, row, submit
from portal.pages.words import count, literal, moment, when
from portal.pages.writing import field, refused
from portal.services.grant_views import GrantView

actor, here, at = current_actor(), portal(), now()


def issuing() -> None:
    """The form that opens access under an agreement in force."""
    in_force = {a.id: a for a in here.agreements.list(actor) if a.in_force_on(at)}
    with st.expander("Issue a grant", icon=":material/add:", expanded=bool(st.query_params.get("agreement"))):
        if not in_force:
            empty("A grant rests on an agreement in force, and there is none.", screen="agreements", label="Agreements")
            return
        wanted = st.query_params.get("agreement")
        chosen = st.selectbox(
            "Under which agreement",
            list(in_force),
            index=list(in_force).index(wanted) if wanted in in_force else 0,
            format_func=lambda a: f"{in_force[a].institution_name}: {in_force[a].title} ({a})",
            key="grant_agreement",
        )
        bounded(in_force[chosen])


def bounded(agreement: Agreement) -> None:
    """The scope to grant, each dimension within what the agreement allows."""
    bounds = here.grants.bounds(actor, agreement.id)
    form = f"grant.issue:{agreement.id}"
    with st.form(form):
        st.text_input("What it is for", key=field(form, "label"), max_chars=120, placeholder="Misuse study, spring")
        st.multiselect(
            "Checkpoints",
            sorted(bounds.checkpoints),
            default=sorted(bounds.checkpoints),
            key=field(form, "checkpoints"),
            help="A name opens that checkpoint even while withheld; family/* opens what has reached partner access.",
        )
        st.multiselect(
            "Operations", sorted(bounds.operations), default=sorted(bounds.operations), key=field(form, "operations")
        )
        st.multiselect(
            "Purposes", sorted(bounds.purposes), default=sorted(bounds.purposes), key=field(form, "purposes")
        )
        st.number_input(
            f"Tokens in all (the agreement allows {bounds.token_budget:,})",
            min_value=1,
            value=bounds.token_budget,
            step=10_000,
            key=field(form, "budget"),
        )
        st.number_input(
            f"Requests a minute (the agreement allows {bounds.requests_per_minute:,})",
            min_value=1,
            value=bounds.requests_per_minute,
            key=field(form, "rate"),
        )
        st.date_input(
            f"Ends after (the agreement ends {moment(bounds.expires_at)})",
            value=bounds.expires_at.date(),
            min_value=at.date(),
            key=field(form, "ends"),
        )

        def scope() -> Scope:
            state = st.session_state
            last = datetime.combine(state[field(form, "ends")], time.max, UTC)
            return parse(
                Scope,
                {
                    "checkpoints": frozenset(state[field(form, "checkpoints")]),
                    "operations": frozenset(Operation(name) for name in state[field(form, "operations")]),
                    "purposes": frozenset(state[field(form, "purposes")]),
                    "token_budget": int(state[field(form, "budget")]),
                    "requests_per_minute": int(state[field(form, "rate")]),
                    "expires_at": bounds.expires_at if last.date() == bounds.expires_at.date() else last,
                },
            )

        submit(
            "Issue the grant",
            form,
            lambda who, key: here.grants.issue(
                who,
                agreement_id=agreement.id,
                label=st.session_state[field(form, "label")],
                scope=scope(),
                idempotency_key=key,
            ),
            done=f"The grant is issued: {literal(agreement.institution_name)} may begin.",
            icon="key",
        )


def card(view: GrantView, *, whole: bool = False) -> None:
    """One grant."""
    grant, scope = view.grant, view.grant.scope
    if scope is None:
        return
    with st.container(border=True, key=f"grant_{grant.id}"):
        st.markdown(f"**{literal(grant.label)}**")
        with row():
            go(grant.id, "grants", grant=grant.id, icon="key")
            badge(view)
            st.badge(
                grant.access_level.value,
                icon=":material/layers:",
                color="gray",
                help="Depth of access: AL1 outputs, AL2 also probabilities, AL3 internals.",
            )
        st.caption(f"{literal(view.institution_name)} · ends {when(scope.expires_at, at)}")
        budget(view.used_tokens, view.held_tokens, scope.token_budget, ended=not view.active)
        if not whole:
            return
        fields(
            [
                ("Checkpoints", literal(", ".join(sorted(scope.checkpoints)))),
                ("Operations", literal(", ".join(sorted(scope.operations)))),
                ("Purposes", literal(", ".join(sorted(scope.purposes)))),
                ("Requests a minute", f"{scope.requests_per_minute:,}"),
                ("Issued", f"{when(grant.issued_at, at)} by {literal(here.people.name(grant.issued_by))}"),
            ]
        )
        if grant.revoked_at:
            st.warning(
                f"Revoked {when(grant.revoked_at, at)}: {literal(grant.revoked_reason)}", icon=":material/block:"
            )
        copyable("Digest of the agreement it rests on", grant.agreement_digest)
        with row():
            go("The agreement", "agreements", agreement=grant.agreement_id, icon="contract")
            if view.active and actor.belongs_to(grant.institution_id):
                go("Issue a token for it", "tokens", grant=grant.id, icon="vpn_key")
        if actor.is_coordinator and view.active:
            revoking(view)


def badge(view: GrantView) -> None:
    """Whether it opens anything now."""
    if view.active:
        st.badge("active", icon=":material/check_circle:", color="green")
    elif view.grant.revoked_at:
        st.badge("revoked", icon=":material/block:", color="red")
    elif view.grant.scope and view.grant.scope.expires_at <= at:
        st.badge("expired", icon=":material/schedule:", color="gray")
    else:
        st.badge("agreement ended", icon=":material/contract_delete:", color="red")


def revoking(view: GrantView) -> None:
    """The way to end it, with what that means."""
    tokens = [t for t in here.tokens.list(actor) if t.grant_id == view.grant.id and t.live_on(at)]
    held = f" {count(view.held_tokens, 'token')} are held by runs under way, which finish." if view.held_tokens else ""
    ended = f" {count(len(tokens), 'live access token')} under it will be refused." if tokens else ""
    confirmed(
        "Revoke",
        f"grant.revoke:{view.grant.id}",
        Consequence(
            "Revoke this grant?",
            f"*{literal(view.grant.label)}* of **{literal(view.institution_name)}** opens nothing any more, beginning "
            f"with the next request.{ended}{held} This cannot be undone.",
            "Revoke the grant",
        ),
        lambda reason: lambda who, key: here.grants.revoke(who, view.grant.id, reason=reason, idempotency_key=key),
        done="The grant is revoked; the next request under it is refused.",
        icon="block",
    )


def detail(grant_id: str) -> None:
    """One grant, whole."""
    go("All grants", "grants", icon="arrow_back")
    heading("Grant")
    try:
        card(here.grants.get(actor, grant_id), whole=True)
    except ConcordatError as refusal:
        refused(refusal)


def listing() -> None:
    """The grants the reader may see."""
    heading(
        "Grants",
        "What an agreement in force allows one institution: which checkpoints, for what, how much, until when.",
    )
    if actor.is_coordinator:
        issuing()
    views = here.grants.list(actor)
    if not views and not actor.is_coordinator:
        empty(
            "Your institution holds no grant yet. A coordinator issues one once an agreement is in force.", icon="key"
        )
    for view in views:
        card(view)


selected = st.query_params.get("grant")
if selected:
    detail(selected)
else:
    listing()
