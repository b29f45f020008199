"""Checkpoints: what each is, at which stage, pinned to which digest, and whether I may query it."""

import streamlit as st

from agreements.access import Allowed, Basis, Denied
from agreements.errors import Fixer
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import copyable, empty, fields, go, heading, row, status
from portal.pages.reach import Reach, reach_of
from portal.pages.words import literal, when

WHO = {
    "withheld": "The lab, and institutions whose grant names this very checkpoint.",
    "partner_access": "Also every institution whose grant covers its family.",
    "public": "Everyone who is signed in, within the portal's public limits.",
    "retired": "Nobody any more.",
}

BASES = {
    Basis.GRANT: "under your institution's grant",
    Basis.PUBLIC: "because it is public",
    Basis.LAB: "as a coordinator of the lab",
}

actor, here, at = current_actor(), portal(), now()


def access(reach: Reach) -> None:
    """Whether the reader may query it, and if not, why and who can change that."""
    answer = reach.answer
    if reach.open and isinstance(answer, Allowed):
        st.markdown(f":material/check_circle: You may query it {BASES[answer.basis]}.")
        go("Open in the playground", "playground", icon="experiment", checkpoint=reach.checkpoint.id)
        return
    if isinstance(answer, Denied):
        fixer = (
            "" if answer.fixer is Fixer.NOBODY else f" **{literal(answer.fixer.value.capitalize())}** can clear this."
        )
        st.markdown(f":material/lock: {literal(answer.message)} {literal(answer.hint)}{fixer}")


def card(reach: Reach) -> None:
    """One checkpoint."""
    checkpoint, manifest = reach.checkpoint, reach.checkpoint.manifest
    if manifest is None:
        return
    with st.container(border=True, key=f"checkpoint_{checkpoint.id}"):
        with row():
            st.markdown(f"**{literal(checkpoint.id)}**")
            status(checkpoint.stage)
        if checkpoint.card.summary:
            st.markdown(literal(checkpoint.card.summary))
        access(reach)
        facts = [
            ("Parameters", f"{manifest.parameters:,}"),
            ("Context", f"{manifest.context_length:,} tokens"),
            ("Vocabulary", f"{manifest.vocabulary_size:,} tokens"),
            ("Architecture", literal(manifest.architecture)),
            ("Weights", f"{manifest.weight_bytes / 2**20:,.1f} MiB"),
        ]
        if checkpoint.card.held_out_loss is not None:
            facts.append(("Held-out loss", f"{checkpoint.card.held_out_loss:.3f} nats a token"))
        if checkpoint.card.bits_per_byte is not None:
            facts.append(("Bits per byte", f"{checkpoint.card.bits_per_byte:.3f}"))
        if checkpoint.card.licence:
            facts.append(("Licence", literal(checkpoint.card.licence)))
        facts.append(("Who may query it", WHO[checkpoint.stage.value]))
        facts.append(("Registered", when(checkpoint.registered_at, at)))
        with st.expander("Details"):
            fields(facts)
            copyable("Manifest digest: the worker refuses files that differ from it", checkpoint.digest)
            if actor.is_coordinator:
                holders(checkpoint.id, checkpoint.family)
            if checkpoint.decision_ids:
                go("Decisions that moved it", "release", icon="stairs")


def holders(checkpoint_id: str, family: str) -> None:
    """Institutions whose active grants cover it, for coordinators."""
    named = [
        view
        for view in here.grants.list(actor)
        if view.active
        and view.grant.scope
        and (view.grant.scope.names(checkpoint_id) or view.grant.scope.covers_family(family))
    ]
    st.caption("Active grants that name it or its family")
    if not named:
        st.markdown("None.")
    for view in named:
        go(f"{literal(view.institution_name)}: {literal(view.grant.label)}", "grants", icon="key", grant=view.grant.id)


heading(
    "Checkpoints",
    "A checkpoint is queried where it is; its weights never leave the sandbox. A recorded decision alone moves it from "
    "stage to stage.",
)
reaches = reach_of(here, actor)
if not reaches:
    empty(
        "No checkpoint is registered. On the machine that holds one: "
        "`concordat checkpoint add PATH --id ID --family NAME`.",
        icon="deployed_code",
    )
for shown in reaches:
    card(shown)
