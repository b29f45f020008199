"""Which checkpoints are asked, for which purpose, on which ground, and by which preset."""

from collections.abc import Mapping, Sequence

import streamlit as st

from agreements.access import Allowed, Basis, Denied
from agreements.actors import Actor
from agreements.scopes import Operation
from model_access.presets import Preset
from portal.composition import Portal
from portal.pages.parts import go, row, status
from portal.pages.play_form import BESIDE, CHECKPOINT, PRESET, PURPOSE, choose
from portal.pages.reach import Reach, reach_of
from portal.pages.words import count, literal, plain

MOST_BESIDE = 3
"""Columns beside the first one."""

_SCORE = frozenset({Operation.SCORE})
_LOGPROBS = frozenset({Operation.GENERATE, Operation.LOGPROBS})


def reaches_of(portal: Portal, actor: Actor) -> tuple[Reach, ...]:
    """Every checkpoint, and how the actor reaches it: to continue a text, else to score one."""
    found = reach_of(portal, actor)
    if all(reach.open for reach in found):
        return found
    scored = reach_of(portal, actor, _SCORE)
    return tuple(other if not reach.open and other.open else reach for reach, other in zip(found, scored, strict=True))


def choosing(reaches: Sequence[Reach], presets: Mapping[str, Preset]) -> Reach:
    """The checkpoint and the purpose, what it is asked beside, and the preset.

    A checkpoint that is not open can be chosen too, to read why.
    """
    state = st.session_state
    by_id = {reach.checkpoint.id: reach for reach in reaches}
    if state.get(CHECKPOINT) not in by_id:
        state[CHECKPOINT] = next((r.checkpoint.id for r in reaches if r.open), reaches[0].checkpoint.id)
    left, right = st.columns(2)
    left.selectbox(
        "Checkpoint",
        list(by_id),
        format_func=lambda i: described(by_id[i]),
        key=CHECKPOINT,
        persist_state="session",
    )
    chosen = by_id[state[CHECKPOINT]]
    if chosen.open:
        if state.get(PURPOSE) not in chosen.purposes:
            state[PURPOSE] = chosen.purposes[0]
        right.selectbox(
            "Purpose",
            chosen.purposes,
            key=PURPOSE,
            help="What you declare goes into the receipt. A grant lists the purposes it is for.",
            persist_state="session",
        )
        _beside(left, by_id, chosen)
        right.selectbox(
            "Preset",
            list(presets),
            format_func=lambda i: plain(presets[i].name),
            key=PRESET,
            on_change=_chosen,
            args=(dict(presets),),
            help="How the prompt is run. Whatever it sets can be changed below.",
        )
    return chosen


def described(reach: Reach) -> str:
    """A checkpoint in one line."""
    stage, size = reach.checkpoint.stage.label, f"{reach.checkpoint.parameters:,} parameters"
    return f"{reach.checkpoint.id}, {stage}, {size}" + ("" if reach.open else ", not open to you")


def _beside(place: "st.delta_generator.DeltaGenerator", by_id: Mapping[str, Reach], chosen: Reach) -> None:
    others = [name for name, reach in by_id.items() if reach.open and reach is not chosen]
    state = st.session_state
    state[BESIDE] = [name for name in state.get(BESIDE, ()) if name in others][:MOST_BESIDE]
    place.multiselect(
        "Compare with",
        others,
        key=BESIDE,
        max_selections=MOST_BESIDE,
        placeholder="one checkpoint alone",
        help="The same prompt and the same seed, side by side; each is a run of its own with its own receipt.",
        persist_state="session",
    )


def _chosen(presets: Mapping[str, Preset]) -> None:
    choose(presets[st.session_state[PRESET]])


def standing(portal: Portal, actor: Actor, chosen: Reach, purpose: str) -> None:
    """The checkpoint's stage and size, and on which ground a run of it would stand."""
    answer = portal.checkpoints.access(actor, chosen.checkpoint, purpose=purpose)
    if isinstance(answer, Denied):
        answer = portal.checkpoints.access(actor, chosen.checkpoint, _SCORE, purpose)
    manifest = chosen.checkpoint.manifest
    with row():
        status(chosen.checkpoint.stage)
        if manifest is not None:
            st.markdown(
                f"{chosen.checkpoint.parameters:,} parameters · {count(manifest.context_length, 'token')} of context"
            )
        if isinstance(answer, Allowed):
            _ground(portal, actor, answer)


def _ground(portal: Portal, actor: Actor, answer: Allowed) -> None:
    if answer.grant_id is None:
        st.markdown("Lab use: no budget applies." if answer.basis is Basis.LAB else "Public: no grant is needed.")
        return
    label = portal.grants.labels(actor, [answer.grant_id]).get(answer.grant_id)
    go(f"Grant: {literal(label) if label else answer.grant_id}", "grants", icon="key", grant=answer.grant_id)


def probabilities(portal: Portal, actor: Actor, chosen: Reach, purpose: str) -> Denied | None:
    """Why token probabilities of a continued text cannot be shown; nothing if they can."""
    answer = portal.checkpoints.access(actor, chosen.checkpoint, _LOGPROBS, purpose)
    return answer if isinstance(answer, Denied) else None
