"""Why?: whether somebody may query a checkpoint, and the conditions, clauses, grants and limits behind the answer."""

from agreements.errors import ConcordatError
from portal.pages.context import current_actor, now, portal
from portal.pages.explain_asked import asked
from portal.pages.explain_view import answer
from portal.pages.parts import empty, heading
from portal.pages.writing import refused

actor, here, at = current_actor(), portal(), now()

heading(
    "Why?",
    "Whether somebody may query a checkpoint, and why: the rule that every run is held to, condition by condition. "
    "Asking records nothing and uses nothing.",
)
if here.checkpoints.registered():
    question = asked(actor, at)
    if question is not None:
        try:
            told = here.explaining.explain(actor, **question)
        except ConcordatError as refusal:
            refused(refusal)
        else:
            answer(told, actor, at)
else:
    empty(
        "No checkpoint is registered yet, so there is nothing to ask about.", screen="checkpoints", label="Checkpoints"
    )
