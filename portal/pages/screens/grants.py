"""Grants: what each opens and what is left of it; issued within the agreement's bounds, delegated, changed, ended."""

import streamlit as st

from agreements.agreement import Agreement
from agreements.errors import ConcordatError
from portal.pages.context import current_actor, now, portal
from portal.pages.grant_detail import detail
from portal.pages.grant_list import grant_list
from portal.pages.grant_scope import scope_fields, scope_from
from portal.pages.parts import empty, go, heading, submit
from portal.pages.words import literal
from portal.pages.writing import field, refused

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
        scope_fields(form, bounds, "the agreement")
        st.checkbox(
            "Only for delegation",
            key=field(form, "delegated_only"),
            help="Nobody runs on it directly, only the people and programs to whom a part of it is delegated.",
        )
        submit(
            "Issue the grant",
            form,
            lambda who, key: here.grants.issue(
                who,
                agreement_id=agreement.id,
                label=st.session_state[field(form, "label")],
                scope=scope_from(form, bounds),
                delegated_only=bool(st.session_state[field(form, "delegated_only")]),
                idempotency_key=key,
            ),
            done=f"The grant is issued: {literal(agreement.institution_name)} may begin.",
            icon="key",
        )


selected = st.query_params.get("grant")
if selected:
    go("All grants", "grants", icon="arrow_back")
    heading("Grant")
    try:
        detail(selected)
    except ConcordatError as refusal:
        refused(refusal)
else:
    heading(
        "Grants",
        "What an agreement in force allows one institution, and whom it passed parts of it on to.",
    )
    if actor.is_coordinator:
        issuing()
    grant_list()
