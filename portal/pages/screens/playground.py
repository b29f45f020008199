"""Playground: query checkpoints by hand, within the grant, alone or side by side, and keep what came of it."""

from collections.abc import Sequence

import streamlit as st

from agreements.access import Denied
from agreements.actors import Actor
from agreements.errors import ConcordatError
from portal.pages import play_form
from portal.pages.context import current_actor, now, portal
from portal.pages.explain_asked import in_address
from portal.pages.parts import empty, go, heading, row
from portal.pages.play_answer import follow, show
from portal.pages.play_choice import choosing, probabilities, reaches_of, standing
from portal.pages.play_compare import compare
from portal.pages.play_cost import costing
from portal.pages.play_form import BESIDE, CHECKPOINT, PROMPT, PURPOSE
from portal.pages.play_history import history, remember, shown
from portal.pages.play_presets import keeping, known_presets
from portal.pages.playing import Asked, Played, Playing, begin_each
from portal.pages.reach import Reach
from portal.pages.words import literal
from portal.pages.writing import instance, outcome, perform, refused
from portal.services.runs import sampling_of

_FORM = "playground"

STARTS = {
    "Story": "Once upon a time, in a town by the sea, ",
    "News": "The committee met on Tuesday to decide whether ",
    "Python": "def read_lines(path):\n    ",
    "Manual": "The following example shows how to ",
}

actor, here = current_actor(), portal()
state = st.session_state


def asked() -> Asked:
    """What the widgets describe. Raises Invalid."""
    recipe, seed = play_form.recipe(), play_form.seed()
    recipe.request(state[PROMPT], seed)
    return Asked(prompt=state[PROMPT], recipe=recipe, seed=seed, purpose=state[PURPOSE])


def chosen_ids() -> tuple[str, ...]:
    """The checkpoints, as they will stand beside each other."""
    return (state[CHECKPOINT], *state.get(BESIDE, ()))


def begin(who: Actor, what: Asked, checkpoint_ids: Sequence[str]) -> Played:
    """Start a run of each checkpoint. Raises the first refusal if none can be started."""
    request = what.recipe.request(what.prompt, what.seed)

    def begun(checkpoint_id: str) -> Playing:
        left = here.runs.estimate(who, checkpoint_id, request, purpose=what.purpose).budget_left
        run = here.runs.begin(who, checkpoint_id, request, purpose=what.purpose, stream=True)
        return Playing(run, left)

    return Played(what, now(), begin_each(checkpoint_ids, begun))


def start(key: str) -> None:
    """Start what the widgets describe."""
    run_each(key, None, ())


def again(what: Asked, checkpoint_ids: tuple[str, ...]) -> None:
    """Start what was asked before, with the same seed."""
    run_each(instance(_FORM), what, checkpoint_ids)


def run_each(key: str, what: Asked | None, checkpoint_ids: tuple[str, ...]) -> None:
    """Start, unless this tab follows runs that are still under way: a second click starts nothing."""
    current = shown()
    if current is not None and not current.over:
        return
    perform(
        _FORM,
        key,
        lambda who, _key: begin(who, what or asked(), checkpoint_ids or chosen_ids()),
        then=remember,
    )


def controls(reach: Reach) -> None:
    """The prompt, and how to continue it."""
    play_form.mode_field()
    with row():
        st.caption("Begin with", width="content")
        for name in STARTS:
            st.button(name, key=f"play_preset_{name.lower()}", on_click=use_start, args=(name,))
    st.text_area("Prompt", key=PROMPT, height=140, max_chars=20_000, persist_state="session")
    with st.expander("Sampling", icon=":material/tune:"):
        play_form.sampling_fields(reach.checkpoint.manifest)
        keeping(actor)
    why_not = probabilities(here, actor, reach, state[PURPOSE])
    if why_not is not None:
        state["play_logprobs"] = False
    st.checkbox(
        "Show token probabilities",
        key="play_logprobs",
        help="Needs the operation logprobs.",
        disabled=why_not is not None,
        persist_state="session",
    )
    if why_not is not None:
        st.caption(f"Token probabilities are not open to you: {literal(why_not.message)}")
        with row():
            go("Ask for the operation logprobs", "requests", icon="approval")
            go("Why not?", "explain", icon="help", checkpoint=reach.checkpoint.id, operation="generate,logprobs")


def use_start(name: str) -> None:
    """Put these words where the prompt is."""
    state[PROMPT] = STARTS[name]


def running() -> None:
    """What it would use at most, and the button that starts it, or why it cannot be started."""
    if state[PROMPT].strip():
        try:
            what = asked()
        except ConcordatError as refusal:
            refused(refusal)
        else:
            if not costing(here, actor, what, chosen_ids()):
                why()
    st.button(
        "Run",
        key="play_run",
        type="primary",
        icon=":material/play_arrow:",
        on_click=start,
        args=(instance(_FORM),),
    )
    if outcome(_FORM):
        why()


def why() -> None:
    """Where a refusal of the request as it stands is explained."""
    try:
        what = asked()
        request = what.recipe.request(what.prompt, what.seed)
    except ConcordatError:
        return
    go(
        "Why?",
        "explain",
        icon="help",
        checkpoint=state[CHECKPOINT],
        operation=",".join(sorted(here.runs.operations_for(request))),
        purpose=state[PURPOSE],
        **in_address(sampling_of(request)),
    )


def closed(reach: Reach) -> None:
    """Why the checkpoint is not open, and where to go on."""
    if isinstance(reach.answer, Denied):
        refused(reach.answer.error())
    with row():
        go("Why?", "explain", icon="help", checkpoint=reach.checkpoint.id)
        go("Who may query what", "checkpoints", icon="deployed_code")
        go("Ask for access", "requests", icon="approval")


def playing(reaches: Sequence[Reach]) -> None:
    """The whole screen, where there is a checkpoint at all."""
    presets, asked_for = known_presets(here, actor)
    play_form.remembered(presets, asked_for)
    chosen = choosing(reaches, presets)
    if chosen.open:
        standing(here, actor, chosen, state[PURPOSE])
        controls(chosen)
        play_form.keep_address()
        running()
    else:
        closed(chosen)
    current = shown()
    if current is not None and current.over:
        show(here, actor, current)
        compare(current)
    elif current is not None:
        follow(here, actor, current)
    history(again)


heading("Playground", "Query a checkpoint in its sandbox. Every run leaves a signed receipt, which a finding can cite.")
reachable = reaches_of(here, actor)
if reachable:
    if not any(reach.open for reach in reachable):
        empty(
            "No checkpoint is open to you yet. Access comes from a grant under your institution's agreement: ask for "
            "one, or ask a coordinator what is missing.",
            screen="requests",
            label="Ask for access",
            icon="lock",
        )
    playing(reachable)
else:
    empty("No checkpoint is registered yet.", screen="checkpoints", label="Checkpoints", icon="deployed_code")
