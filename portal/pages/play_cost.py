"""What a run would use at most, and what is left of the budget it would draw on."""

from collections.abc import Sequence

import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError
from portal.composition import Portal
from portal.pages.playing import Asked
from portal.pages.words import count, literal
from portal.pages.writing import refused
from portal.services.runs import Estimate


def costing(portal: Portal, actor: Actor, asked: Asked, checkpoint_ids: Sequence[str]) -> bool:
    """Say it; whether every checkpoint would take the request."""
    request = asked.recipe.request(asked.prompt, asked.seed)
    estimates: dict[str, Estimate | ConcordatError] = {}
    for checkpoint_id in checkpoint_ids:
        try:
            estimates[checkpoint_id] = portal.runs.estimate(actor, checkpoint_id, request, purpose=asked.purpose)
        except ConcordatError as error:
            estimates[checkpoint_id] = error
    fine = [estimate for estimate in estimates.values() if isinstance(estimate, Estimate)]
    if len(estimates) == 1:
        for estimate in fine:
            st.caption(in_words(estimate))
    elif fine:
        st.table([_line(checkpoint_id, one) for checkpoint_id, one in estimates.items()], border="horizontal")
    if fine:
        # A text area tells of its text only then; a count that trails what is on screen has to say so.
        st.caption("Counted when you leave the prompt, or press Ctrl+Enter in it.")
    for checkpoint_id, refusal in estimates.items():
        if isinstance(refusal, ConcordatError):
            if len(estimates) > 1:
                st.markdown(f"**{literal(checkpoint_id)}** would refuse it:")
            refused(refusal)
    return len(fine) == len(estimates)


def in_words(estimate: Estimate) -> str:
    """An estimate as a sentence."""
    most, left = count(estimate.most_tokens, "token"), estimate.budget_left
    rest = "" if left is None else f"; {left:,} are left in the budget, {max(left - estimate.most_tokens, 0):,} after"
    return f"Reads {count(estimate.prompt_tokens, 'token')}, uses at most {most}{rest}."


def _line(checkpoint_id: str, estimate: Estimate | ConcordatError) -> dict[str, str]:
    if isinstance(estimate, ConcordatError):
        return {
            "Checkpoint": literal(checkpoint_id),
            "Reads": "",
            "Uses at most": "refused",
            "Left in the budget": "",
        }
    return {
        "Checkpoint": literal(checkpoint_id),
        "Reads": count(estimate.prompt_tokens, "token"),
        "Uses at most": count(estimate.most_tokens, "token"),
        "Left in the budget": "no budget applies" if estimate.budget_left is None else f"{estimate.budget_left:,}",
    }
