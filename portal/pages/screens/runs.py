"""Runs: every governed request, with the signed receipt it left."""

import streamlit as st

from agreements.errors import ConcordatError
from model_access.runs import Run, RunStatus
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.frame import institution_name
from portal.pages.parts import copyable, empty, fields, go, heading, row, status, untrusted
from portal.pages.words import literal, when
from portal.pages.writing import refused

PAGE = 50

actor, here, at = current_actor(), portal(), now()


def facts(run: Run) -> None:
    """What the receipt says, in a table."""
    terms = run.terms
    if terms is None:
        return
    who = literal(here.people.name(terms.person_id))
    pairs = [
        ("Checkpoint", literal(terms.checkpoint_id)),
        ("Operation", literal(terms.operation.value)),
        ("Purpose", literal(terms.purpose)),
        ("By", f"{who}, {literal(institution_name(terms.institution_id))}" if terms.institution_id else who),
        ("On the ground of", f"grant `{terms.grant_id}`" if terms.grant_id else literal(f"{terms.basis.value} use")),
        ("Started", when(run.started_at, at)),
        ("Finished", when(run.finished_at, at) if run.finished_at else "not yet"),
        ("Tokens", f"{run.prompt_tokens:,} read, {run.completion_tokens:,} written, {run.charged_tokens:,} charged"),
        ("Seed", f"`{terms.seed}`"),
    ]
    pairs += [
        (name.replace("_", " ").capitalize(), literal(str(value)))
        for name, value in sorted(terms.parameters.items())
        if value not in (None, [], False)
    ]
    fields(pairs)


def detail(run_id: str) -> None:
    """One run."""
    go("All runs", "runs", icon="arrow_back")
    heading("Run")
    try:
        run = here.runs.get(actor, run_id)
    except ConcordatError as refusal:
        refused(refusal)
        return
    with row():
        st.markdown(f"`{run_id}`")
        status(run.status)
    if run.status is RunStatus.FAILED:
        untrusted(run.failure_message or "No reason was recorded.", label=f"Why it failed: {run.failure_code}")
    facts(run)
    if run.terms:
        copyable("Digest of the checkpoint that answered", run.terms.manifest_digest)
    if run.receipt_digest:
        copyable("Digest of the receipt", run.receipt_digest)
        with row():
            st.link_button("Download the receipt", links.receipt(run_id), icon=":material/receipt_long:")
            go("File a finding from this run", "file_finding", icon="edit_document", run=run_id)
        st.caption(
            "The receipt is signed by the lab and proves its place in the log. `concordat verify FILE` checks it "
            "without this portal. It holds salted digests of prompt and answer, not their words."
        )


def listing() -> None:
    """The runs the reader may see, newest first."""
    heading(
        "Runs", "Each request to a checkpoint leaves a receipt: which weights, which sampling, on what ground, when."
    )
    with row():
        mine = st.toggle("Only mine", key="runs_mine")
        wanted = st.selectbox(
            "Checkpoint",
            [None, *(view.checkpoint.id for view in here.checkpoints.list(actor))],
            format_func=lambda checkpoint_id: checkpoint_id or "any checkpoint",
            key="runs_checkpoint",
            label_visibility="collapsed",
            width=220,
        )
    runs = here.runs.list(actor, limit=PAGE, checkpoint_id=wanted, mine=mine)
    if not runs:
        empty("No run yet.", screen="playground", label="Try a checkpoint", icon="receipt_long")
    for run in runs:
        line(run)
    if len(runs) == PAGE:
        st.caption(f"The newest {PAGE}. Narrow the list above, or use `GET /api/runs` for all.")


def line(run: Run) -> None:
    """One run in the list."""
    if run.terms is None:
        return
    with st.container(border=True, key=f"run_{run.terms.run_id}"):
        with row():
            go(run.terms.run_id, "runs", icon="receipt_long", run=run.terms.run_id)
            status(run.status)
            st.caption(literal(run.terms.checkpoint_id))
        st.caption(
            f"{literal(here.people.name(run.terms.person_id))} · {literal(run.terms.purpose)} · "
            f"{run.charged_tokens:,} tokens · {when(run.started_at, at)}"
        )


selected = st.query_params.get("run")
if selected:
    detail(selected)
else:
    listing()
