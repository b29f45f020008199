"""The one rule of who may do what with which checkpoint; denials are data and name what would clear them.

stage            who may query it
─────────────    ──────────────────────────────────────────────────────────────────
withheld         the lab; institutions whose grant names this very checkpoint
partner access   also every institution whose grant covers its family (``family/*``)
public           also everyone signed in, within the portal's public limits
retired          nobody

A checkpoint that a coordinator halted is queried by nobody until the halt is lifted, whatever its stage.
"""

from collections.abc import Sequence
from datetime import datetime

from agreements.access.answers import (
    Allowed,
    AskedSampling,
    Basis,
    Denied,
    Draw,
    Held,
    Question,
    Subject,
    readings,
)
from agreements.access.draws import account_of_agreement, account_of_period
from agreements.access.standing import opens_nothing
from agreements.access.weighing import weigh
from agreements.actors import Actor

__all__ = [
    "Allowed",
    "AskedSampling",
    "Basis",
    "Denied",
    "Draw",
    "Held",
    "Question",
    "Subject",
    "account_of_agreement",
    "account_of_period",
    "decide_access",
    "opens_nothing",
    "readings",
]


def decide_access(
    actor: Actor,
    subject: Subject,
    question: Question,
    grants: Sequence[Held],
    now: datetime,
) -> Allowed | Denied:
    """Whether ``actor`` may do it. ``grants`` are those the actor may draw on.

    A token that names a grant is held to that grant: the caller passes only that one. Where several grants are given,
    the first that allows it is used, and of several denials the one that came closest is returned. What a token is
    narrowed to holds besides, whatever the ground.
    """
    return weigh(actor, subject, question, grants, now).answer
