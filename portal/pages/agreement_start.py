"""Starting an agreement: for whom, from which template, and under which framework where the template asks for one."""

from datetime import datetime

import streamlit as st

from agreements.actors import LAB, Actor
from agreements.agreement import Agreement
from agreements.clauses import Form
from agreements.standard_terms import Template
from portal.pages.clause_view import effect_lines
from portal.pages.context import portal
from portal.pages.parts import act, empty, row
from portal.pages.words import count, literal, sentence
from portal.pages.writing import field

_FORM = "agreement.draft"


def starting(actor: Actor, now: datetime, *, expanded: bool) -> None:
    """The form that starts a draft, for coordinators."""
    here = portal()
    partners = {one.id: one.name for one in here.institutions.list(actor) if one.id != LAB}
    templates = {template.template_id: template for template in here.agreements.templates()}
    with st.expander("Draft a new agreement", icon=":material/add:", expanded=expanded):
        if not partners:
            empty("Register an institution first.", screen="institutions", label="Institutions", icon="domain")
            return
        institution_id = st.selectbox(
            "Institution", list(partners), format_func=partners.__getitem__, key="draft_institution"
        )
        chosen = templates[
            st.selectbox(
                "Template", list(templates), format_func=lambda name: templates[name].title, key="draft_template"
            )
        ]
        _said(chosen)
        framework_id = None
        if chosen.form is Form.SCHEDULE:
            framework_id = _framework(actor, institution_id, partners[institution_id], now)
            if framework_id is None:
                return
        st.text_input("Title (the template's, if left empty)", key=field(_FORM, "title"), max_chars=200)
        act(
            "Make the draft",
            _FORM,
            lambda who, key: here.agreements.draft(
                who,
                institution_id=institution_id,
                template_id=chosen.template_id,
                title=st.session_state[field(_FORM, "title")].strip() or None,
                framework_id=framework_id,
                idempotency_key=key,
            ),
            done="The draft is made. Adapt its clauses, then offer it.",
            then=_open,
            icon="edit_note",
            primary=True,
        )


def _open(agreement: Agreement) -> None:
    st.query_params.from_dict({"agreement": agreement.id})


def _said(template: Template) -> None:
    """What the template is, and its clauses to look at."""
    with row():
        st.badge(template.form.label, icon=":material/description:", color="gray")
        st.caption(f"Version {template.version} · {count(len(template.clauses), 'clause')}")
    st.markdown(literal(template.summary))
    with st.popover("Look at its clauses", icon=":material/visibility:"):
        for number, clause in enumerate(template.clauses, start=1):
            st.markdown(f"**{number}. {literal(clause.title)}**")
            effect_lines(clause)


def _framework(actor: Actor, institution_id: str, name: str, now: datetime) -> str | None:
    """Which framework in force the schedule belongs to; None where there is none."""
    frameworks = {
        one.id: one.title
        for one in portal().agreements.list(actor)
        if one.institution_id == institution_id and one.form is Form.FRAMEWORK and one.runs_on(now)
    }
    if not frameworks:
        st.info(
            f"A schedule belongs to a framework in force, and there is none with **{literal(name)}**. Draft and sign "
            f"a {Form.FRAMEWORK.label} first.",
            icon=":material/account_tree:",
        )
        return None
    chosen: str = st.selectbox(
        sentence("under which framework"),
        list(frameworks),
        format_func=lambda key: f"{frameworks[key]} ({key})",
        key="draft_framework",
    )
    return chosen
