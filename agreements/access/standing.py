"""Whether grants open anything at all to somebody, before anything is asked of them."""

from collections.abc import Sequence
from datetime import datetime

from agreements.access.answers import Denied, Held, Question, Subject
from agreements.access.case import Case
from agreements.access.conditions import STANDING
from agreements.actors import Actor
from agreements.scopes import Operation

_NOTHING = Subject(checkpoint_id="", family="", stage="public")
_ANYTHING = Question(operations=frozenset({Operation.GENERATE}))
"""What the conditions that are asked here do not look at."""


def opens_nothing(actor: Actor, grants: Sequence[Held], now: datetime) -> Denied | None:
    """Why the grants open nothing to the actor at ``now``, whatever is asked; None where one of them may.

    Of several reasons that of the grant which came closest. Hours and budgets are not among them: they come and go, and
    the grant stands meanwhile.
    """
    answers = [_first(Case(actor, _NOTHING, _ANYTHING, held, now)) for held in grants]
    if not answers or None in answers:
        return None
    return max((one for one in answers if one is not None), key=lambda one: one[0])[1]


def _first(case: Case) -> tuple[int, Denied] | None:
    for held_up, check in enumerate(STANDING):
        denied = check(case)
        if denied is not None:
            return held_up, denied
    return None
