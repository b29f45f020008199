"""The form of a finding, for filing one and for revising one: what, where, how bad, and who may read it."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from agreements.actors import Actor
from model_access.runs import RunStatus
from portal.findings.marking import DEFAULT_MARKING, Audience, Tlp
from portal.findings.model import Credit, Kind, Severity
from portal.findings.service import FindingDraft
from portal.inputs import parse
from portal.pages.context import portal
from portal.pages.frame import institution_name
from portal.pages.parts import marking
from portal.pages.words import sentence
from portal.standing import contributes

TLP_MEANS = {
    Tlp.RED: "for the eyes of named persons only",
    Tlp.AMBER_STRICT: "also your institution, nobody outside it",
    Tlp.AMBER: "also the lab",
    Tlp.GREEN: "everyone of a partner institution who is signed in",
    Tlp.CLEAR: "everyone, signed in or not",
}

CREDITS = {
    Credit.NAMED: "name me and my institution",
    Credit.INSTITUTION: "name my institution only",
    Credit.NONE: "do not name me",
}

RUNS_OFFERED = 200


def finding_form(actor: Actor, form: str, before: FindingDraft | None = None, *, run_ids: Sequence[str] = ()) -> None:
    """Draw the fields. ``before`` fills them in for a revision; ``run_ids`` are runs to cite from the start."""
    given: Mapping[str, Any] = dict(before) if before else {}
    what, where, whom = st.container(border=True), st.container(border=True), st.container(border=True)
    with what:
        st.markdown("**What you learned**")
        _institution(actor, form, before)
        st.text_input("Title", value=given.get("title", ""), key=f"{form}.title", max_chars=160)
        st.text_area(
            "Summary",
            value=given.get("summary", ""),
            key=f"{form}.summary",
            max_chars=4000,
            height=180,
            help="What was done, what came out, why it matters. Plain text. Null results and benefits count too.",
        )
        left, right = st.columns(2)
        left.selectbox(
            "Kind",
            list(Kind),
            index=list(Kind).index(given.get("kind", Kind.MISUSE_FINDING)),
            format_func=lambda value: sentence(value.label),
            key=f"{form}.kind",
        )
        kind: Kind = st.session_state[f"{form}.kind"]
        severities = [*([] if kind.needs_severity else [None]), *Severity]
        severity = given.get("severity", Severity.LOW if kind.needs_severity else None)
        right.selectbox(
            "Severity, worst plausible case",
            severities,
            index=severities.index(severity) if severity in severities else 0,
            format_func=lambda value: sentence(value.value) if value else "None: nothing bad about it",
            key=f"{form}.severity",
        )
    with where:
        _evidence(actor, form, given, run_ids)
    with whom:
        _readers(actor, form, given)


def drafted(form: str) -> FindingDraft:
    """What the fields say. Raises Invalid naming the first field that does not fit."""
    state = st.session_state
    names = (
        "institution_id",
        "title",
        "summary",
        "kind",
        "severity",
        "marking",
        "credit",
        "ai_usage",
        "to_coordinators",
    )
    lists = ("recipients", "checkpoint_ids", "run_ids")
    values = {name: state[f"{form}.{name}"] for name in names}
    return parse(FindingDraft, {**values, **{name: tuple(state.get(f"{form}.{name}", ())) for name in lists}})


def _institution(actor: Actor, form: str, before: FindingDraft | None) -> None:
    mine = [i for i in actor.institution_ids if contributes(actor, i)]
    options = [before.institution_id] if before else mine
    st.selectbox(
        "On behalf of",
        options,
        format_func=institution_name,
        key=f"{form}.institution_id",
    )


def _evidence(actor: Actor, form: str, given: Mapping[str, Any], run_ids: Sequence[str]) -> None:
    st.markdown("**Where you saw it**")
    completed = {
        run.terms.run_id: run
        for run in portal().runs.list(actor, limit=RUNS_OFFERED)
        if run.terms and run.status is RunStatus.COMPLETED
    }
    cited = [*given.get("run_ids", ()), *(run_id for run_id in run_ids if run_id in completed)]

    def described(which: str) -> str:
        run = completed.get(which)
        if run is None or run.terms is None or run.started_at is None:
            return which
        return f"{which}, {run.terms.checkpoint_id}, {run.started_at:%Y-%m-%d %H:%M}"

    if cited or completed:
        st.multiselect(
            "Runs it rests on",
            list(dict.fromkeys([*cited, *completed])),
            default=list(dict.fromkeys(cited)),
            format_func=described,
            key=f"{form}.run_ids",
            help="The facts of each receipt (checkpoint digest, sampling, time) are frozen into the finding.",
        )
    else:
        st.markdown("You may read no completed run yet. Without one, say in the summary how you know.")
    st.multiselect(
        "Checkpoints it is about (those of the runs are added)",
        [view.checkpoint.id for view in portal().checkpoints.list(actor)],
        default=list(given.get("checkpoint_ids", ())),
        key=f"{form}.checkpoint_ids",
    )


def _readers(actor: Actor, form: str, given: Mapping[str, Any]) -> None:
    st.markdown("**Who may read it**")
    st.selectbox(
        "Marking (TLP 2.0)",
        list(Tlp),
        index=list(Tlp).index(given.get("marking", DEFAULT_MARKING)),
        format_func=lambda value: f"{value.value}: {TLP_MEANS[value]}",
        key=f"{form}.marking",
    )
    label: Tlp = st.session_state[f"{form}.marking"]
    known = {person.id: person.name for person in portal().people.list(actor) if person.id != actor.person_id}
    named = list(given.get("recipients", ()))
    recipients = st.multiselect(
        "Named readers, whatever the marking",
        list(dict.fromkeys([*named, *known])),
        default=named,
        format_func=lambda person_id: known.get(person_id) or portal().people.name(person_id),
        key=f"{form}.recipients",
    )
    coordinators = st.checkbox(
        "Name the lab's coordinators as readers",
        value=bool(given.get("to_coordinators", True)),
        key=f"{form}.to_coordinators",
        help="Disclosure to the lab is your choice. Without it a RED or AMBER+STRICT finding stays unknown to the lab.",
    )
    st.selectbox(
        "Credit",
        list(Credit),
        index=list(Credit).index(given.get("credit", Credit.NAMED)),
        format_func=lambda value: sentence(CREDITS[value]),
        key=f"{form}.credit",
    )
    st.checkbox(
        "A language model helped to write this report", value=bool(given.get("ai_usage", False)), key=f"{form}.ai_usage"
    )
    extra = portal().people.coordinator_ids() if coordinators else ()
    audience = Audience(
        marking=label,
        institution_id=st.session_state[f"{form}.institution_id"],
        named=tuple(dict.fromkeys((actor.person_id, *recipients, *extra))),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        marking(label)
        st.markdown(f":material/visibility: Will be read by: **{audience.describe()}**")
