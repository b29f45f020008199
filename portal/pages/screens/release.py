"""Release board: every family by size and stage, what is known of each, and the decisions that moved it."""

import streamlit as st

from agreements.errors import ConcordatError
from model_access.stages import Stage
from portal.pages import links
from portal.pages.board_picture import ladder_picture
from portal.pages.context import current_actor, now, portal
from portal.pages.decision_form import decision_form
from portal.pages.frame import institution_name
from portal.pages.parts import copyable, empty, fields, go, heading, row, status
from portal.pages.words import count, literal, prose, when
from portal.pages.writing import refused
from portal.release.board import BoardCell, DecisionRow

actor, here, at = current_actor(), portal(), now()


def cell_card(cell: BoardCell) -> None:
    """One checkpoint on the board."""
    checkpoint, evidence = cell.checkpoint, cell.evidence
    with st.container(border=True, key=f"cell_{checkpoint.checkpoint_id}"):
        st.markdown(f"**{literal(checkpoint.checkpoint_id)}**")
        status(checkpoint.stage)
        st.caption(f"{checkpoint.parameters:,} parameters")
        if evidence:
            st.markdown("  \n".join(f"{n} × {kind.label}" for kind, n in evidence.items()))
        else:
            st.markdown("No finding that you may read.")
        for objection in cell.open_objections:
            st.caption(f":material/gavel: {literal(objection)}")
        if cell.next_stage and cell.next_stage is not Stage.RETIRED:
            needs = ", ".join(str(need) for need in cell.missing)
            st.caption(f"Still needed for {cell.next_stage.label}: {needs or 'nothing but a decision'}.")
        if cell.last_decision:
            go(cell.last_decision.decision_id, "release", icon="gavel", decision=cell.last_decision.decision_id)


def decision_line(decision: DecisionRow) -> None:
    """One decision in the list."""
    with st.container(border=True, key=f"decision_{decision.decision_id}"), row():
        go(f"{decision.decision_id}: {literal(decision.checkpoint_id)}", "release", decision=decision.decision_id)
        status(decision.verdict)
        moved = f"{decision.from_stage.label} to {decision.to_stage.label}" if decision.to_stage else "stays"
        st.caption(f"{moved} · {decision.decided_at[:10]}")


def detail(decision_id: str) -> None:
    """One decision."""
    go("The board", "release", icon="arrow_back")
    try:
        view = here.release.get(actor, decision_id)
    except ConcordatError as refusal:
        heading("Release decision")
        refused(refusal)
        return
    decision, proposal = view.decision, view.decision.proposal
    heading(f"{decision.decision_id}: {literal(proposal.checkpoint_id)}")
    with row():
        status(proposal.verdict)
        status(proposal.from_stage)
        if proposal.to_stage:
            st.markdown(":material/arrow_forward:")
            status(proposal.to_stage)
    with st.container(border=True):
        st.markdown(prose(proposal.rationale))
        for condition in proposal.conditions:
            st.markdown(f":material/rule: {literal(condition)}")
    fields([("Decided by", literal(here.people.name(decision.decided_by))), ("When", when(decision.decided_at, at))])
    st.header("It cites", anchor=False)
    for finding in proposal.findings:
        go(
            f"{finding.finding_id}, version {finding.version}",
            "findings",
            icon="lab_profile",
            finding=finding.finding_id,
            version=str(finding.version),
        )
    if view.hidden_findings:
        st.caption(f"{count(len(view.hidden_findings), 'finding')} more that you may not read, cited by digest.")
    for norm in proposal.norms:
        with row():
            go(norm.norm_id, "norms", icon="balance", norm=norm.norm_id)
            status(norm.outcome)
    for dissent in proposal.dissent:
        with st.container(border=True):
            st.markdown(f"**Dissent of {literal(institution_name(dissent.institution_id))}**")
            st.markdown(prose(dissent.text))
    copyable("Digest of the decision", view.digest)
    st.link_button("Download, signed by the lab", links.decision(decision_id), icon=":material/download:")


def board() -> None:
    """Every family."""
    heading(
        "Release board",
        "A checkpoint moves one stage at a time, by a recorded decision that cites what was found and the norm it "
        "follows. Who may query it moves with it.",
    )
    shown = here.release.board(actor)
    if not shown.families:
        empty("No checkpoint is registered.", screen="checkpoints", label="Checkpoints", icon="stairs")
    for family in shown.families:
        st.header(f"Family {literal(family.family)}", anchor=False)
        picture, said = ladder_picture(family)
        st.altair_chart(picture, alt=said)
        for column, cell in zip(st.columns(len(family.cells)), family.cells, strict=True):
            with column:
                cell_card(cell)
    if actor.is_coordinator:
        decision_form(actor, [cell for family in shown.families for cell in family.cells])
    decisions = here.release.list(actor)
    st.header("Decisions", anchor=False)
    if not decisions:
        st.markdown("None has been recorded yet.")
    for decision in decisions:
        decision_line(decision)


selected = st.query_params.get("decision")
if selected:
    detail(selected)
else:
    board()
