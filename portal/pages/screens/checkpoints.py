"""Checkpoints: what each is, at which stage, pinned to which digest, and whether I may query it."""

import streamlit as st

from portal.pages.context import current_actor, portal
from portal.pages.model_card import access, halted, model_card
from portal.pages.parts import empty, go, heading, row, status
from portal.pages.reach import Reach, reach_of
from portal.pages.words import literal

actor, here = current_actor(), portal()


def line(reach: Reach) -> None:
    """One checkpoint in the list."""
    checkpoint, manifest = reach.checkpoint, reach.checkpoint.manifest
    if manifest is None:
        return
    with st.container(border=True, key=f"checkpoint_{checkpoint.id}"):
        with row():
            go(checkpoint.id, "checkpoints", icon="deployed_code", checkpoint=checkpoint.id)
            status(checkpoint.stage)
        if checkpoint.card.summary:
            st.markdown(literal(checkpoint.card.summary))
        st.caption(
            f"{manifest.parameters:,} parameters · {manifest.context_length:,} tokens of context · "
            f"{manifest.weight_bytes / 2**20:,.1f} MiB of weights"
        )
        halted(actor, checkpoint)
        access(reach)


def listing() -> None:
    """Every checkpoint, by family and size."""
    heading(
        "Checkpoints",
        "A checkpoint is queried where it is; its weights never leave the sandbox. A recorded decision alone moves it "
        "from stage to stage.",
    )
    reaches = reach_of(here, actor)
    if not reaches:
        empty(
            "No checkpoint is registered. On the machine that holds one: "
            "`concordat checkpoint add PATH --id ID --family NAME`.",
            icon="deployed_code",
        )
    for shown in reaches:
        line(shown)


selected = st.query_params.get("checkpoint")
if selected:
    model_card(actor, selected)
else:
    listing()
