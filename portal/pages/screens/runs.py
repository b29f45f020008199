"""Runs: every governed request, with the signed receipt it left."""

import streamlit as st

from agreements.errors import ConcordatError
from model_access.runs import Run, RunStatus
from portal.pages import links
from portal.pages.context import current_actor, now, portal
from portal.pages.frame import institution_name
from portal.pages.kept_view import kept
from portal.pages.parts import copyable, empty, fields, go, heading, row, status, untrusted
from portal.pages.play_address import of_run
from portal.pages.replay_view import replay_of, replaying, verdict_of
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
        if value not in (None, [], {}, False)
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
        if run.stopped:
            st.badge("stopped: access withdrawn", icon=":material/front_hand:", color="orange")
    replay_of(run)
    if run.stopped:
        st.warning(
            f"Stopped between two tokens, because access was withdrawn while it ran (`{run.failure_reason}`). What had "
            "been made by then is charged, the rest of what was held is free again, and there is no receipt.",
            icon=":material/front_hand:",
        )
        untrusted(run.failure_message, label=f"Why it was stopped: {run.failure_reason}")
    elif run.status is RunStatus.FAILED:
        untrusted(run.failure_message or "No reason was recorded.", label=f"Why it failed: {run.failure_code}")
    facts(run)
    asked_as = of_run(run.terms) if run.terms else None
    if asked_as is not None and run.terms and run.terms.person_id == actor.person_id:
        go("The same settings in the playground", "playground", icon="experiment", **asked_as)
    if run.terms and run.terms.batch_id:
        go("The batch that it is a line of", "batches", icon="stacks", batch=run.terms.batch_id)
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
    kept(actor, run)
    if run.receipt_digest:
        replaying(actor, run)


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
            if run.stopped:
                st.badge("stopped: access withdrawn", icon=":material/front_hand:", color="orange")
            if run.terms.replays is not None:
                st.badge("replay", icon=":material/replay:", color="violet")
            if run.replay_identical is not None:
                status(verdict_of(run))
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
