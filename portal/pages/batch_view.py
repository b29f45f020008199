"""One batch: how far it is, what became of each line, its files, and what can be done about it."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError
from model_access.batches import Batch, BatchStatus
from model_access.stored_files import StoredFile
from portal.pages import batch_form, batch_picture, links
from portal.pages.context import current_actor, now, portal
from portal.pages.frame import institution_name
from portal.pages.menu import address_of
from portal.pages.parts import Consequence, confirmed, copyable, fields, go, heading, row, status
from portal.pages.words import count, literal, plain, when
from portal.pages.writing import refused
from portal.services.batches import BatchView, LineView

_EVERY_S = 2.0
_LINES_EVERY_S = 10.0
"""Every line of a long batch is read and drawn for each look at them."""

_LINES_SHOWN = 2000


def draw(batch_id: str) -> None:
    """The batch; until it is over, how far it is every two seconds, and its lines less often."""
    go("All batches", "batches", icon="arrow_back")
    heading("Batch")
    try:
        view = portal().batches.view(current_actor(), batch_id)
    except ConcordatError as refusal:
        refused(refusal)
        return
    if view.batch.status.is_over:
        _standing(view)
        _what_came(view)
    else:
        st.fragment(_live, run_every=_EVERY_S)(batch_id, _standing)
        st.fragment(_live, run_every=_LINES_EVERY_S)(batch_id, _what_came)


def _live(batch_id: str, part: Callable[[BatchView], None]) -> None:
    """A part of the page, drawn again by itself: no run of the whole script stands before it to refuse."""
    try:
        view = portal().batches.view(current_actor(), batch_id)
        if view.batch.status.is_over:
            st.rerun()
        part(view)
    except ConcordatError as refusal:
        refused(refusal)


def _standing(view: BatchView) -> None:
    batch = view.batch
    with row():
        st.markdown(f"`{batch.id}`")
        status(batch.status)
    _progress(view)
    if batch.problems:
        _problems(batch)
    _facts(view)
    _acts(view)


def _what_came(view: BatchView) -> None:
    if view.batch.total:
        lines = portal().batches.lines(current_actor(), view.batch.id)
        _files(view)
        _pictures(view.batch, lines)
        _table(view.batch, lines)


def _progress(view: BatchView) -> None:
    batch, done = view.batch, view.batch.completed + view.batch.failed
    if batch.status is BatchStatus.VALIDATING:
        st.progress(0.0, text="Every line is checked before the first one is run.")
    if not batch.total:
        return
    eta = f", done {when(view.eta, now())} at this pace" if view.eta is not None else ""
    failed = f", {batch.failed:,} failed" if batch.failed else ""
    st.progress(done / batch.total, text=f"**{done:,}** of {count(batch.total, 'line')}{failed}{eta}")


def _problems(batch: Batch) -> None:
    if batch.total:
        first = batch.problems[0]
        st.warning(
            f"It was stopped: {literal(first.message)} What was there already is kept.", icon=":material/front_hand:"
        )
        st.caption(f"Code `{first.code}`")
    else:
        batch_form.problems(batch.problems, batch.problem_count)


def _facts(view: BatchView) -> None:
    batch, ground = view.batch, view.batch.ground
    who = literal(portal().people.name(batch.by.person_id)) if batch.by is not None else ""
    where = f", {literal(institution_name(batch.institution_id))}" if batch.institution_id else ""
    pairs = [("By", who + where)]
    if ground is not None:
        on = f"grant `{ground.grant_id}`" if ground.grant_id else literal(f"{ground.basis.value} use")
        pairs += [("Checkpoint", literal(batch.model)), ("Purpose", literal(ground.purpose)), ("On the ground of", on)]
    if batch.total:
        used = f"{batch.prompt_tokens:,} read, {batch.completion_tokens:,} written"
        pairs.append(("Tokens", f"{used}; {batch.most_tokens:,} at most"))
    pairs.append(("Submitted", when(batch.created_at, now())))
    if batch.ended_at is not None:
        pairs.append(("Ended", when(batch.ended_at, now())))
    else:
        pairs.append(("Ends at the latest", when(batch.expires_at, now())))
    pairs += [(literal(name), literal(value)) for name, value in sorted(batch.metadata.items())]
    fields(pairs)
    if batch.retry_of is not None:
        go(f"Lines of {batch.retry_of}, again", "batches", icon="replay", batch=batch.retry_of)
    for again in view.retries:
        go(f"Taken up again by {again}", "batches", icon="redo", batch=again)


def _acts(view: BatchView) -> None:
    batch = view.batch
    if view.may_cancel:
        left = batch.total - batch.completed - batch.failed
        confirmed(
            "Cancel the batch",
            f"batch_cancel_{batch.id}",
            Consequence(
                title="Cancel this batch?",
                says=f"**{count(left, 'line')}** will not be run; those under way are stopped between two tokens, and "
                "what they used is charged. The answers that are there are kept.",
                verb="Cancel it",
                asks_reason=False,
            ),
            lambda _reason: lambda who, _key: portal().batches.cancel(who, batch.id),
            done="The batch is being cancelled.",
            icon="stop_circle",
        )
    left_over = batch.status.is_over and batch.total > batch.completed
    if view.own and left_over and view.input_kept:
        rest = count(batch.total - batch.completed, "line")
        confirmed(
            f"Run the other {rest} again",
            f"batch_retry_{batch.id}",
            Consequence(
                title=f"Run {rest} as a new batch?",
                says=lambda: _retry_costs(batch.id),
                verb="Run them",
                asks_reason=False,
            ),
            lambda _reason: lambda who, key: _retried(who, key, batch.id),
            done="The new batch is submitted.",
            icon="replay",
        )
    elif view.own and left_over:
        st.caption("The input is destroyed, so that the lines that failed cannot be run again from here.")


def _retry_costs(batch_id: str) -> str:
    try:
        checked = portal().batches.check_retry(current_actor(), batch_id)
    except ConcordatError as refusal:
        return f"It would be refused: {literal(str(refusal))}"
    if checked.problem_count:
        first = checked.problems[0]
        return f"It would be refused: {literal(first.message)} {literal(first.hint)}"
    left = f" of the **{checked.budget_left:,}** left" if checked.budget_left is not None else ""
    return (
        f"Those that failed or were not run, **{count(checked.lines, 'run')}** charged to {batch_form.whose(checked)}: "
        f"up to **{checked.most_tokens:,} tokens**{left}. The new batch names this one; the answers here stay."
    )


def _retried(who: Actor, key: str, batch_id: str) -> Batch:
    again = portal().batches.retry_failed(who, batch_id, idempotency_key=key)
    st.query_params.from_dict({"batch": again.id})
    return again


def _files(view: BatchView) -> None:
    if view.output is None and view.errors is None:
        return
    st.header("Files", anchor=False)
    if not view.own:
        st.caption("Prompts and answers are read by who submitted the batch, and by nobody else.")
        return
    for file, label, what in ((view.output, "Answers", "output"), (view.errors, "What failed", "errors")):
        if file is not None:
            _file(view.batch, file, label, what)


def _file(batch: Batch, file: StoredFile, label: str, what: str) -> None:
    with st.container(border=True, key=f"batch_file_{what}"):
        st.markdown(f"**{label}**, {file.size:,} bytes")
        if not file.kept:
            st.caption(f"Destroyed {when(file.destroyed_at, now())}: {literal(file.destroyed_because)}.")
        else:
            with row():
                for kind in ("jsonl", "csv"):
                    st.link_button(
                        f"Download as {'JSON Lines' if kind == 'jsonl' else 'CSV'}",
                        links.batch_results(batch.id, kind, what),
                        icon=":material/download:",
                        key=f"batch_get_{what}_{kind}",
                    )
            soon = "Destroyed an hour after the first download" if file.until_fetched else "Destroyed"
            latest = "at the latest " if file.until_fetched else ""
            st.caption(f"{soon}{', ' if latest else ' '}{latest}{when(file.keep_until, now())}.")
        copyable("Digest of the JSON Lines", file.digest)


def _pictures(batch: Batch, lines: tuple[LineView, ...]) -> None:
    answered = [line for line in lines if line.state == "completed"]
    ended = [line for line in lines if line.state in ("completed", "failed")]
    if not ended:
        return
    st.header("What came of it", anchor=False)
    if batch.in_progress_at is not None:
        picture, said = batch_picture.over_time(ended, batch.in_progress_at)
        st.caption("Lines done by when")
        st.altair_chart(picture, alt=said)
    left, right = st.columns(2)
    with left:
        picture, said = batch_picture.by_ending(ended)
        st.caption("How answers ended")
        st.altair_chart(picture, alt=said)
    if answered:
        with right:
            picture, said = batch_picture.by_tokens(answered)
            st.caption("Tokens written")
            st.altair_chart(picture, alt=said)
        picture, said = batch_picture.by_seconds(answered)
        st.caption("Seconds from the beginning of a run to its receipt")
        st.altair_chart(picture, alt=said)


def _table(batch: Batch, lines: tuple[LineView, ...]) -> None:
    st.header("Lines", anchor=False)
    states = {state: sum(line.state == state for line in lines) for state in sorted({line.state for line in lines})}
    wanted = st.segmented_control(
        "Show",
        list(states),
        selection_mode="multi",
        format_func=lambda state: f"{state} ({states[state]:,})",
        key=f"batch_lines_{batch.id}",
        label_visibility="collapsed",
    )
    found = [line for line in lines if not wanted or line.state in wanted]
    shown = found[:_LINES_SHOWN]
    st.dataframe(
        pd.DataFrame(
            {
                "Line": [line.line for line in shown],
                "State": [line.state for line in shown],
                "Run": [f"/{address_of('runs')}?run={line.run_id}" if line.run_id else None for line in shown],
                "Receipt": [_receipt(line) for line in shown],
                "Read": [line.prompt_tokens for line in shown],
                "Written": [line.completion_tokens for line in shown],
                "Ended by": [", ".join(line.finish_reasons) or (line.code or "") for line in shown],
                "Seconds": [line.took_s for line in shown],
                "What went wrong": [plain(line.message) for line in shown],
            }
        ),
        hide_index=True,
        column_config={
            "Run": st.column_config.LinkColumn(display_text=r"run=(.+)$", width="medium"),
            "Receipt": st.column_config.LinkColumn(display_text="Receipt"),
            "Seconds": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    if len(found) > _LINES_SHOWN:
        st.caption(f"The first {_LINES_SHOWN:,} of {len(found):,}; `GET /api/batches/…/lines` has all.")


def _receipt(line: LineView) -> str | None:
    return links.receipt(line.run_id) if line.run_id and line.state == "completed" else None
