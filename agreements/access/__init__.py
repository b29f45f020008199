"""The one rule of who may do what with which checkpoint; denials are data and name what would clear them.

stage            who may query it
─────────────    ──────────────────────────────────────────────────────────────────
withheld         the lab; institutions whose grant names this very checkpoint
partner access   also every institution whose grant covers its family (``family/*``)
public           also everyone signed in, within the portal's public limits
retired          nobody
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
from agreements.access.case import Case
from agreements.access.conditions import CONDITIONS, FIRST_LIMIT
from agreements.access.draws import account_of_agreement, account_of_period, draws_of
from agreements.access.narrowed import outside_token, token_draws
from agreements.actors import Actor
from agreements.errors import Fixer

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
    answer = _decide(actor, subject, question, grants, now)
    if isinstance(answer, Denied):
        return answer
    outside = outside_token(actor, subject, question.operations, answer.purpose)
    if outside is not None:
        return outside
    return answer.model_copy(update={"draws": (*token_draws(actor), *answer.draws)})


def _decide(
    actor: Actor, subject: Subject, question: Question, grants: Sequence[Held], now: datetime
) -> Allowed | Denied:
    if subject.stage == "retired":
        return Denied(
            code="checkpoint_retired",
            message=f"{subject.checkpoint_id} is retired; nobody queries it any more.",
            hint="Choose another checkpoint.",
            fixer=Fixer.NOBODY,
        )
    denials: list[tuple[int, Denied]] = []
    for held in grants:
        depth, answer = _by_grant(Case(actor, subject, question, held, now))
        if isinstance(answer, Allowed):
            return answer
        if depth >= FIRST_LIMIT and held.grant.parent_id:
            # Whoever holds a grant by name for this is held to its limits; the institution's is no way around them.
            return answer
        denials.append((depth, answer))
    held_to_grant = actor.grant_id is not None
    if not held_to_grant and actor.is_coordinator:
        return Allowed(basis=Basis.LAB, purpose=question.purpose or "internal-evaluation")
    if not held_to_grant and subject.stage == "public":
        return Allowed(
            basis=Basis.PUBLIC,
            purpose=question.purpose or "public-use",
            institution_id=next(iter(actor.institution_ids), None),
        )
    if denials:
        return max(denials, key=lambda item: item[0])[1]
    return Denied(
        code="no_grant",
        message=f"{subject.checkpoint_id} is {subject.stage.replace('_', ' ')}, and you hold no grant for it.",
        hint="Access comes from a grant under a signed agreement.",
        fixer=Fixer.COORDINATOR,
    )


def _by_grant(case: Case) -> tuple[int, Allowed | Denied]:
    """How many conditions held before the first failed, and the answer."""
    for depth, check in enumerate(CONDITIONS):
        denied = check(case)
        if denied is not None:
            return depth, denied
    grant, purpose = case.grant, case.purpose
    if purpose is None:
        raise TypeError("a purpose was declared, or is the only one")
    return len(CONDITIONS), Allowed(
        basis=Basis.GRANT,
        purpose=purpose,
        grant_id=grant.id,
        agreement_digest=grant.agreement_digest,
        institution_id=grant.institution_id,
        draws=draws_of(case.held, purpose, case.now),
    )
