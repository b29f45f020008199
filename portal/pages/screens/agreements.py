"""Agreements: the list, a new draft, and by ``?agreement=`` one agreement to read, edit, sign or end."""

import streamlit as st

from agreements.actors import LAB
from agreements.agreement import Agreement, AgreementStatus
from agreements.errors import ConcordatError
from portal.pages.agreement_edit import editor
from portal.pages.agreement_view import ending, signing, terms
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import empty, go, heading, row, status, submit
from portal.pages.words import literal, when
from portal.pages.writing import refused

actor, here, at = current_actor(), portal(), now()


def open_agreement(agreement: Agreement) -> None:
    """Go to the agreement that was just drafted."""
    st.query_params["agreement"] = agreement.id


def drafting() -> None:
    """The form that starts a draft from a template."""
    partners = [institution for institution in here.institutions.list(actor) if institution.id != LAB]
    templates = here.agreements.templates()
    with st.expander("Draft a new agreement", icon=":material/add:", expanded=not agreements):
        if not partners:
            empty("Register an institution first.", screen="institutions", label="Institutions", icon="domain")
            return
        with st.form("agreement.draft"):
            names = {institution.id: institution.name for institution in partners}
            titles = {template.template_id: template.title for template in templates}
            st.selectbox("Institution", list(names), format_func=names.__getitem__, key="draft_institution")
            st.selectbox("Template", list(titles), format_func=titles.__getitem__, key="draft_template")
            for template in templates:
                st.caption(f"**{literal(template.title)}**: {literal(template.summary)}")
            st.text_input("Title (the template's, if left empty)", key="draft_title", max_chars=200)
            submit(
                "Make the draft",
                "agreement.draft",
                lambda who, key: here.agreements.draft(
                    who,
                    institution_id=st.session_state["draft_institution"],
                    template_id=st.session_state["draft_template"],
                    title=st.session_state["draft_title"].strip() or None,
                    idempotency_key=key,
                ),
                done="The draft is made. Adapt its clauses, then offer it.",
                then=open_agreement,
            )


def detail(agreement_id: str) -> None:
    """One agreement."""
    go("All agreements", "agreements", icon="arrow_back")
    try:
        agreement = here.agreements.get(actor, agreement_id)
    except ConcordatError as refusal:
        heading("Agreement")
        refused(refusal)
        return
    heading(literal(agreement.title))
    st.markdown(f"Between **{literal(agreement.lab_name)}** and **{literal(agreement.institution_name)}**")
    if actor.is_coordinator and agreement.status is AgreementStatus.DRAFT:
        editor(actor, agreement)
    else:
        terms(agreement, at)
    signing(actor, agreement)
    ending(actor, agreement)


def listing() -> None:
    """All agreements that the reader may see."""
    heading(
        "Agreements",
        "Terms between the lab and an institution. What a clause lets through is enforced where software can enforce "
        "it, and says so where it cannot.",
    )
    if actor.is_coordinator:
        drafting()
    if not agreements and not actor.is_coordinator:
        empty("The lab has not offered your institution an agreement yet. Ask a coordinator for one.", icon="contract")
    for entry in agreements:
        with st.container(border=True, key=f"agreement_{entry.id}"):
            st.markdown(f"**{literal(entry.institution_name)}**: {literal(entry.title)}")
            with row():
                go(entry.id, "agreements", agreement=entry.id, icon="contract")
                status(entry.status)
            st.caption(f"Drafted {when(entry.drafted_at, at)}")


agreements = here.agreements.list(actor)
selected = st.query_params.get("agreement")
if selected:
    detail(selected)
else:
    listing()
