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

from agreements.access.answers import Allowed, Basis, Denied, Draw, Held, Question, Subject, readings
from agreements.access.conditions import CONDITIONS, Case
from agreements.access.narrowed import outside_token, token_draws
from agreements.actors import Actor
from agreements.clauses import UsageLimits
from agreements.errors import Fixer

__all__ = [
    "Allowed",
    "Basis",
    "Denied",
    "Draw",
    "Held",
    "Question",
    "Subject",
    "account_of_agreement",
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
        draws=_draws(case.held, purpose),
    )


def account_of_agreement(agreement_id: str, purpose: str | None = None) -> str:
    """The account of all runs under an agreement, or of those for one listed use."""
    return agreement_id if purpose is None else f"{agreement_id}/{purpose}"


def _draws(held: Held, purpose: str) -> tuple[Draw, ...]:
    scope, limits, use = held.grant.scope, held.clause(UsageLimits), held.listed_use(purpose)
    rates = [agreement.narrowing.requests_per_minute for agreement in held.agreements if agreement.narrowing]
    found = []
    if scope is not None:
        rate = min([scope.requests_per_minute, *rates])
        found.append(Draw(account=held.grant.id, says="the grant", budget=scope.token_budget, per_minute=rate))
    if use is not None and (use.token_budget or use.requests_per_minute):
        found.append(
            Draw(
                account=account_of_agreement(held.agreement.id, purpose),
                says=f"the use {purpose}",
                budget=use.token_budget,
                per_minute=use.requests_per_minute,
            )
        )
    if limits is not None:
        found.append(
            Draw(
                account=account_of_agreement(held.agreement.id),
                says="the agreement",
                budget=limits.token_budget,
                # A narrowing slows the whole agreement down: two grants under it are not twice as fast.
                per_minute=min([limits.requests_per_minute, *rates]),
            )
        )
    return tuple(found)
