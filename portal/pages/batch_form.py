"""A new batch: a file chosen, checked whole, and submitted when its cost is known."""

import pandas as pd
import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError, Invalid
from model_access.batches import Batch, Problem
from model_access.stored_files import StoredFile
from portal.pages.context import current_actor, portal
from portal.pages.file_digest import uploaded
from portal.pages.parts import Consequence, budget, confirmed, copyable, empty, fields, row, submit
from portal.pages.reach import reach_of
from portal.pages.words import count, literal, plain
from portal.pages.writing import field, refused
from portal.services.batch_check import Checked
from portal.services.batch_prompts import COLUMNS, Settings, shape_of

FORM = "batch_new"
MOST_MEGABYTES = 1
"""A browser's upload of at most so much stays in memory; larger files come by the API, which reads them there too."""

EXAMPLE = (
    '{"custom_id": "1", "method": "POST", "url": "/v1/completions", '
    '"body": {"model": "CHECKPOINT", "prompt": "Raise a", "max_tokens": 24}}'
)


def draw() -> None:
    """The form, and below it what was found in the file that was handed in last."""
    file_id = st.query_params.get("input")
    if file_id:
        _found(file_id)
        return
    actor = current_actor()
    open_to = [reach.checkpoint.id for reach in reach_of(portal(), actor) if reach.open]
    if not open_to:
        empty("No checkpoint is open to you.", screen="explain", label="Why?", icon="lock")
        return
    with st.form(FORM):
        st.file_uploader(
            "Requests or prompts",
            type=["jsonl", "json", "txt", "csv", "tsv"],
            key=field(FORM, "file"),
            max_upload_size=MOST_MEGABYTES,
            help="JSON Lines as for the batch API of OpenAI, a text with one prompt a line, or a CSV table with a "
            "column prompt. Up to 1 MB here; larger files by the API or concordat batch submit.",
        )
        _settings(open_to)

        def hand_in(who: Actor, _key: str) -> StoredFile:
            files = uploaded(field(FORM, "file"))
            if not files:
                raise Invalid("no_file", "No file was chosen.", hint="Choose a file with one request or prompt a line.")
            name, content = files[0]
            return portal().batches.upload(
                who, filename=name, content=content, shape=shape_of(name, content), settings=_chosen()
            )

        submit(
            "Check it",
            FORM,
            hand_in,
            done="",
            then=lambda file: st.query_params.from_dict({"new": "1", "input": file.id}),
            icon="fact_check",
        )
    st.caption("Nothing is run before you have seen what it costs.")
    with st.expander("What a file looks like", icon=":material/data_object:"):
        copyable("JSON Lines: one line", EXAMPLE.replace("CHECKPOINT", open_to[0]))
        st.caption(
            "Requests to /v1/chat/completions or /v1/embeddings have the same form, with their own url and body."
        )
        copyable("Text: one prompt a line", "Raise a\nReturn the")
        copyable(f"CSV: any of the columns {', '.join(COLUMNS)}", 'prompt,custom_id,max_tokens\n"Raise a",first,24')


def _settings(open_to: list[str]) -> None:
    """What prompts are asked with, where the file has no requests."""
    st.caption("Prompts in a text or table are asked with this; a column of the table goes before it.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Checkpoint", open_to, key=field(FORM, "model"), width=220)
        st.number_input("Tokens at most", 1, 100_000, 24, key=field(FORM, "max_tokens"), width=160)
        st.number_input("Temperature", 0.0, 2.0, 1.0, 0.1, key=field(FORM, "temperature"), width=160)
        st.number_input(
            "Seed",
            0,
            value=None,
            key=field(FORM, "seed"),
            placeholder="drawn",
            width=160,
            help="The same for each prompt.",
        )


def _chosen() -> Settings:
    said = {name: st.session_state.get(field(FORM, name)) for name in ("model", "max_tokens", "temperature", "seed")}
    return Settings.model_validate({name: value for name, value in said.items() if value is not None})


def _found(file_id: str) -> None:
    actor, here = current_actor(), portal()
    purposes = sorted({purpose for reach in reach_of(here, actor) for purpose in reach.purposes})
    purpose = None
    if purposes:
        purpose = st.selectbox(
            "Purpose", purposes, key="batch_purpose", help="Goes into every receipt. A grant lists what it is for."
        )
    try:
        file = here.files.get(actor, file_id)
        with st.spinner("Every line is checked…"):
            checked = here.batches.check(actor, file_id, purpose=purpose)
    except ConcordatError as refusal:
        refused(refusal)
        _another()
        return
    st.markdown(f"**{literal(file.filename)}**, {file.size:,} bytes")
    if checked.problem_count:
        problems(checked.problems, checked.problem_count)
        st.caption("Correct the file and check it again: a batch runs whole or not at all.")
        _another()
        return
    _cost(checked)
    with row():
        confirmed(
            "Start the batch",
            "batch_start",
            Consequence(
                title="Start this batch?",
                says=f"**{count(checked.lines, 'run')}** begin one after another on `{checked.model}`, each charged to "
                f"{whose(checked)} and each with a receipt of its own in the log: up to "
                f"**{checked.most_tokens:,} tokens**. {_kept(checked)}",
                verb="Start it",
                asks_reason=False,
            ),
            lambda _reason: lambda who, key: _started(who, key, file_id, purpose),
            done="The batch is submitted.",
            icon="play_arrow",
            primary=True,
        )
        _another()


def _started(who: Actor, key: str, file_id: str, purpose: str | None) -> Batch:
    batch = portal().batches.create(who, input_file_id=file_id, purpose=purpose, idempotency_key=key)
    st.query_params.from_dict({"batch": batch.id})
    return batch


def _cost(checked: Checked) -> None:
    fields(
        [
            ("Lines", f"{checked.lines:,}, all good"),
            ("Checkpoint", literal(checked.model)),
            ("Requests to", f"`{checked.endpoint}`"),
            ("Charged to", whose(checked)),
            ("At most", f"{checked.most_tokens:,} tokens, {checked.prompt_tokens:,} of them read"),
            ("Files", _kept(checked)),
        ]
    )
    if checked.budget_left is not None:
        st.caption("What it may take of the budget that is left")
        budget(0, min(checked.most_tokens, checked.budget_left), checked.budget_left)
    if checked.requests_left is not None:
        st.caption(f"{count(checked.requests_left, 'request')} left; it takes {checked.lines:,}.")


def problems(found: tuple[Problem, ...], total: int) -> None:
    """What is wrong, by line."""
    st.error(f"{count(total, 'problem')} found. Nothing was run.", icon=":material/block:")
    st.dataframe(
        pd.DataFrame(
            {
                "Line": [problem.line for problem in found],
                "Field": [plain(problem.param or "") for problem in found],
                "What is wrong": [plain(problem.message) for problem in found],
                "What to do": [plain(problem.hint) for problem in found],
                "Code": [problem.code for problem in found],
            }
        ),
        hide_index=True,
    )
    if total > len(found):
        st.caption(f"The first {len(found)} of {total:,}.")


def whose(checked: Checked) -> str:
    """What a batch is charged to."""
    ground = checked.ground
    if ground is not None and ground.grant_id is not None:
        return f"grant `{ground.grant_id}`"
    return "the lab" if ground is not None and ground.basis.value == "lab" else "your public allowance"


def _kept(checked: Checked) -> str:
    days = checked.retention.days if checked.retention is not None else None
    if days is not None:
        return f"Prompts and answers are kept sealed for {count(days, 'day')}."
    hours = portal().settings.batch_unfetched_hours
    return (
        "Prompts and answers are sealed, and destroyed an hour after you fetched the answers, or "
        f"{count(hours, 'hour')} after the end."
    )


def _another() -> None:
    st.button(
        "Another file",
        key="batch_another",
        icon=":material/upload_file:",
        on_click=st.query_params.from_dict,
        args=({"new": "1"},),
    )
