"""Batches: many requests in one file, each a run with its own receipt."""

import streamlit as st

from model_access.batches import Batch
from portal.pages import batch_form, batch_view
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import empty, go, heading, row, status
from portal.pages.words import count, literal, when

PAGE = 50

actor, here, at = current_actor(), portal(), now()


def listing() -> None:
    """The batches the reader may see, newest first."""
    heading(
        "Batches",
        "Many requests in one file: checked whole, then run line by line, each with a receipt of its own. A batch "
        "gives way to whoever waits for an answer.",
    )
    with row():
        st.button(
            "New batch",
            key="batch_begin",
            icon=":material/upload_file:",
            type="primary",
            on_click=st.query_params.from_dict,
            args=({"new": "1"},),
        )
        mine = st.toggle("Only mine", key="batches_mine")
    found = here.batches.list(actor, limit=PAGE, mine=mine)
    if not found:
        empty("No batch yet. Choose New batch and hand in a file with one request a line.", icon="stacks")
    for batch in found:
        line(batch)
    if len(found) == PAGE:
        st.caption(f"The newest {PAGE}. `GET /api/batches` has all.")


def line(batch: Batch) -> None:
    """One batch in the list."""
    with st.container(border=True, key=f"batch_{batch.id}"):
        with row():
            go(batch.id, "batches", icon="stacks", batch=batch.id)
            status(batch.status)
            if batch.model:
                st.caption(literal(batch.model))
        who = literal(here.people.name(batch.by.person_id)) if batch.by is not None else ""
        done = f"{batch.completed:,} of {count(batch.total, 'line')} answered" if batch.total else "not run"
        failed = f", {batch.failed:,} failed" if batch.failed else ""
        st.caption(f"{who} · {done}{failed} · {when(batch.created_at, at)}")


selected = st.query_params.get("batch")
if selected:
    batch_view.draw(selected)
elif st.query_params.get("new"):
    go("All batches", "batches", icon="arrow_back")
    heading("New batch")
    batch_form.draw()
else:
    listing()
