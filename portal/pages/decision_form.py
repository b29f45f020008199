"""The form of a release decision: one step of one checkpoint, with what it cites, confirmed before it is signed."""

from collections.abc import Sequence

import streamlit as st

from agreements.actors import LAB, Actor
from agreements.deciders import Value
from model_access.stages import Stage
from portal.findings.reads import Filters, FindingRow
from portal.inputs import parse
from portal.norms.reads import NormRow
from portal.pages.context import portal
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, confirmed
from portal.pages.words import literal, sentence
from portal.release.board import BoardCell
from portal.release.model import DissentEntry, FindingCitation, NormCitation, Proposal, Verdict

_FORM = "release.decide"


class _Step(Value):
    """Where a decision leads: a verdict, and the stage to move to if it moves."""

    verdict: Verdict
    to_stage: Stage | None


def decision_form(actor: Actor, cells: Sequence[BoardCell]) -> None:
    """Draw the form, for coordinators."""
    by_id = {cell.checkpoint.checkpoint_id: cell for cell in cells}
    if not by_id:
        return
    with st.expander("Record a decision", icon=":material/gavel:"):
        chosen = st.selectbox("Checkpoint", list(by_id), key=f"{_FORM}.checkpoint")
        stage = by_id[chosen].checkpoint.stage
        step: _Step = st.selectbox(
            f"Decision (it is {stage.label} now)", _steps(stage), format_func=_worded, key=f"{_FORM}.step:{chosen}"
        )
        findings = portal().findings.list(actor, Filters(checkpoint_id=chosen), limit=100).rows
        st.multiselect(
            "Findings it rests on",
            list(findings),
            format_func=lambda row: f"{row.finding_id}: {row.title}",
            key=f"{_FORM}.findings:{chosen}",
        )
        adopted = [norm for norm in portal().norms.list(actor) if norm.decision and norm.decision.adopts]
        st.multiselect(
            "Adopted norms it follows",
            adopted,
            format_func=lambda norm: f"{norm.norm_id}: {norm.title}",
            key=f"{_FORM}.norms",
        )
        st.text_area("Rationale", key=f"{_FORM}.rationale", max_chars=4000, height=110)
        if step.verdict is Verdict.GO_WITH_CONDITIONS:
            st.text_area("Conditions, one a line", key=f"{_FORM}.conditions", height=90)
        with st.expander("Dissent against it"):
            partners = [i.id for i in portal().institutions.list(actor) if i.id != LAB]
            st.selectbox(
                "Institution",
                [None, *partners],
                format_func=lambda i: institution_name(i) if i else "nobody dissents",
                key=f"{_FORM}.dissenter",
            )
            st.text_area("In its own words", key=f"{_FORM}.dissent", max_chars=4000, height=90)
        confirmed(
            "Decide",
            _FORM,
            Consequence(
                "Record this decision?", _consequence(chosen, stage, step), "Sign and record", asks_reason=False
            ),
            lambda _reason: (
                lambda who, key: portal().release.decide(who, _proposal(chosen, stage), idempotency_key=key)
            ),
            done=lambda view: f"{view.decision.decision_id} is recorded and signed by the lab.",
            icon="gavel",
        )


def _steps(stage: Stage) -> list[_Step]:
    steps = [_Step(verdict=Verdict.HOLD, to_stage=None)]
    if stage.next:
        steps = [
            _Step(verdict=Verdict.GO, to_stage=stage.next),
            _Step(verdict=Verdict.GO_WITH_CONDITIONS, to_stage=stage.next),
            *steps,
        ]
    if stage.previous:
        steps.append(_Step(verdict=Verdict.GO, to_stage=stage.previous))
    return steps


def _worded(step: _Step) -> str:
    moves = f": to {step.to_stage.label}" if step.to_stage else ": it stays where it is"
    return sentence(step.verdict.label) + moves


def _consequence(checkpoint_id: str, stage: Stage, step: _Step) -> str:
    if step.to_stage is None:
        return (
            f"**{literal(checkpoint_id)}** stays {stage.label}. The decision is signed by the lab and logged for good."
        )
    return (
        f"**{literal(checkpoint_id)}** moves from {stage.label} to **{step.to_stage.label}** at once, and who may "
        "query it changes with it. The decision is signed by the lab and logged for good."
    )


def _proposal(checkpoint_id: str, stage: Stage) -> Proposal:
    state = st.session_state
    step: _Step = state[f"{_FORM}.step:{checkpoint_id}"]
    findings: list[FindingRow] = state[f"{_FORM}.findings:{checkpoint_id}"]
    norms: list[NormRow] = state[f"{_FORM}.norms"]
    dissenter = state.get(f"{_FORM}.dissenter")
    conditions = state.get(f"{_FORM}.conditions", "") if step.verdict is Verdict.GO_WITH_CONDITIONS else ""
    return parse(
        Proposal,
        {
            "checkpoint_id": checkpoint_id,
            "from_stage": stage,
            "verdict": step.verdict,
            "to_stage": step.to_stage,
            "rationale": state[f"{_FORM}.rationale"],
            "conditions": tuple(line.strip() for line in conditions.split("\n") if line.strip()),
            "findings": tuple(
                FindingCitation(finding_id=row.finding_id, version=row.version, digest=row.digest) for row in findings
            ),
            "norms": tuple(
                NormCitation(norm_id=norm.norm_id, revision_digest=norm.revision_digest, outcome=norm.decision)
                for norm in norms
                if norm.decision
            ),
            "dissent": (parse(DissentEntry, {"institution_id": dissenter, "text": state[f"{_FORM}.dissent"]}),)
            if dissenter
            else (),
        },
    )
