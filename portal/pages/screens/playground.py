"""Playground: query a checkpoint by hand, within the grant, and keep what came of it."""

import streamlit as st

from agreements.access import Denied
from agreements.actors import Actor
from agreements.errors import ConcordatError
from model_access.generation import GenerationRequest
from portal.pages import links
from portal.pages.context import current_actor, portal
from portal.pages.parts import empty, go, heading, row, untrusted
from portal.pages.playing import Playing
from portal.pages.reach import Reach, reach_of
from portal.pages.token_view import token_view
from portal.pages.words import count
from portal.pages.writing import instance, outcome, perform, refused
from portal.services.active import ActiveRun
from portal.services.runs import fresh_seed

_PLAYING = "playground.playing"
_FORM = "playground"
_REDRAW_S = 0.08

CONTINUE, SCORE = "Continue the text", "Score the text"

PRESETS = {
    "Story": "Once upon a time, in a town by the sea, ",
    "News": "The committee met on Tuesday to decide whether ",
    "Python": "def read_lines(path):\n    ",
    "Manual": "The following example shows how to ",
}

actor, here = current_actor(), portal()
state = st.session_state


def asked() -> GenerationRequest:
    """The request that the widgets describe. Raises Invalid."""
    scoring = state["play_mode"] == SCORE
    typed = str(state.get("play_seed") or "").strip()
    return GenerationRequest.parse(
        {
            "prompts": (state["play_prompt"],),
            "max_tokens": 0 if scoring else int(state["play_max_tokens"]),
            "temperature": float(state["play_temperature"]),
            "top_p": float(state["play_top_p"]),
            "n": 1 if scoring else int(state["play_n"]),
            "stop": tuple(state["play_stop"]),
            "seed": int(typed) if typed.isascii() and typed.isdigit() else (typed or fresh_seed()),
            "logprobs": 5 if scoring or state["play_logprobs"] else None,
            "echo": scoring,
        }
    )


def begin(who: Actor, _key: str) -> ActiveRun:
    """Start the run that the widgets describe."""
    return here.runs.begin(who, state["play_checkpoint"], asked(), purpose=state["play_purpose"], stream=True)


def start(key: str, budget_left: int | None) -> None:
    """Start, unless this tab follows a run that is still under way: a second click starts nothing."""
    playing = state.get(_PLAYING)
    if isinstance(playing, Playing) and not playing.over:
        return
    prompt, scored = state["play_prompt"], state["play_mode"] == SCORE
    perform(
        _FORM, key, begin, then=lambda run: state.update({_PLAYING: Playing(run, prompt, budget_left, scored=scored)})
    )


def choosing(reaches: tuple[Reach, ...]) -> Reach:
    """Which checkpoint, and for which purpose. One that is not open can be chosen too, to read why."""
    by_id = {reach.checkpoint.id: reach for reach in reaches}
    first = next((reach.checkpoint.id for reach in reaches if reach.open), reaches[0].checkpoint.id)
    wanted = st.query_params.get("checkpoint")
    left, right = st.columns(2)
    left.selectbox(
        "Checkpoint",
        list(by_id),
        index=list(by_id).index(wanted if wanted in by_id else first),
        format_func=lambda i: _described(by_id[i]),
        key="play_checkpoint",
    )
    chosen = by_id[state["play_checkpoint"]]
    if chosen.open:
        right.selectbox(
            "Purpose",
            chosen.purposes,
            key="play_purpose",
            help="What you declare goes into the receipt. A grant lists the purposes it is for.",
        )
    return chosen


def _described(reach: Reach) -> str:
    stage, size = reach.checkpoint.stage.label, f"{reach.checkpoint.parameters:,} parameters"
    return f"{reach.checkpoint.id}, {stage}, {size}" + ("" if reach.open else ", not open to you")


def controls(reach: Reach) -> None:
    """The prompt, and how to continue it."""
    manifest = reach.checkpoint.manifest
    context = manifest.context_length if manifest else 1
    st.radio("What to do", [CONTINUE, SCORE], horizontal=True, key="play_mode")
    with row():
        st.caption("Begin with")
        for name in PRESETS:
            st.button(name, key=f"play_preset_{name.lower()}", on_click=use_preset, args=(name,))
    st.text_area("Prompt", key="play_prompt", height=140, max_chars=20_000)
    with st.expander("Sampling", icon=":material/tune:"):
        left, right = st.columns(2)
        left.number_input("Tokens to write, at most", 1, context, min(64, context), key="play_max_tokens")
        left.number_input("Answers", 1, 4, 1, key="play_n")
        right.number_input(
            "Temperature", 0.0, 2.0, 0.8, 0.05, key="play_temperature", help="0 always takes the likeliest."
        )
        right.number_input("Top-p", 0.05, 1.0, 0.95, 0.05, key="play_top_p")
        left.multiselect(
            "Stop at",
            ["\n", "\n\n", "."],
            key="play_stop",
            accept_new_options=True,
            format_func=repr,
            max_selections=16,
        )
        right.text_input("Seed (drawn at random if empty)", key="play_seed", max_chars=19)
        st.checkbox("Show token probabilities", key="play_logprobs", help="Needs the operation logprobs.")


def use_preset(name: str) -> None:
    """Put the preset's words where the prompt is."""
    state["play_prompt"] = PRESETS[name]


def costing() -> None:
    """What it would use at most, and the button that starts it, or why it cannot be started."""
    left: int | None = None
    if state["play_prompt"].strip():
        try:
            estimate = here.runs.estimate(actor, state["play_checkpoint"], asked(), purpose=state["play_purpose"])
        except ConcordatError as refusal:
            refused(refusal)
        else:
            left = estimate.budget_left
            most = count(estimate.most_tokens, "token")
            rest = (
                ""
                if left is None
                else f"; {left:,} are left in the budget, {max(left - estimate.most_tokens, 0):,} after"
            )
            st.caption(f"Reads {count(estimate.prompt_tokens, 'token')}, uses at most {most}{rest}.")
    st.button(
        "Run",
        key="play_run",
        type="primary",
        icon=":material/play_arrow:",
        on_click=start,
        args=(instance(_FORM), left),
    )
    outcome(_FORM)


def follow(playing: Playing) -> None:
    """Show the answer as it comes."""
    with row():
        st.button("Stop", key="play_stop_run", icon=":material/stop:", on_click=playing.run.cancel)
        st.caption(f"`{playing.run.run_id}` A worker that has been idle takes some seconds to start.")
    box = st.empty()
    while not playing.wait(_REDRAW_S):
        with box.container():
            for answer in playing.answers():
                untrusted(answer.text)
    st.rerun()


def show(playing: Playing) -> None:
    """The whole answer, what it cost, and where its receipt is."""
    with st.container(border=True, key="play_answer"):
        try:
            result = playing.run.result()
        except ConcordatError as refusal:
            for answer in playing.answers():
                untrusted(answer.text, label="What had come until then")
            refused(refusal)
            go("The run", "runs", icon="receipt_long", run=playing.run.run_id)
            return
        for choice in result.choices:
            ended = {"stop": "it ended by itself or at a stop", "length": "the limit was reached"}
            label = (
                "The text"
                if playing.scored
                else f"Answer {choice.index + 1}: {ended.get(choice.finish_reason or '', '')}"
            )
            untrusted(choice.text, label=label)
            if choice.logprobs is not None:
                token_view(choice.logprobs)
        cost(playing, result.run.charged_tokens)
        with row():
            go(playing.run.run_id, "runs", icon="receipt_long", run=playing.run.run_id)
            st.link_button("Receipt", links.receipt(playing.run.run_id), icon=":material/download:")
            go("File a finding from this run", "file_finding", icon="edit_document", run=playing.run.run_id)


def cost(playing: Playing, charged: int) -> None:
    """What it used, and the budget before and after."""
    if playing.budget_before is None:
        st.caption(f"Used {count(charged, 'token')}. No budget applies.")
        return
    after = max(playing.budget_before - charged, 0)
    st.caption(f"Used {count(charged, 'token')}: {playing.budget_before:,} were left before, {after:,} after.")


def playing() -> None:
    """The whole screen, where there is a checkpoint at all."""
    chosen = choosing(reaches)
    if not chosen.open and isinstance(chosen.answer, Denied):
        refused(chosen.answer.error())
        go("Who may query what", "checkpoints", icon="deployed_code")
    else:
        controls(chosen)
        costing()
    current = state.get(_PLAYING)
    if isinstance(current, Playing):
        if current.over:
            show(current)
        else:
            follow(current)


heading("Playground", "Query a checkpoint in its sandbox. Every run leaves a signed receipt, which a finding can cite.")
reaches = reach_of(here, actor)
if reaches:
    playing()
else:
    empty("No checkpoint is registered yet.", screen="checkpoints", label="Checkpoints", icon="deployed_code")
