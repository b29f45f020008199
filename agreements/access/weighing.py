"""How the rule comes to its answer, with what it looked at on the way: decisions and explanations share it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agreements.access.answers import Allowed, Basis, Denied, Held, Question, Subject
from agreements.access.case import Case
from agreements.access.conditions import CONDITIONS, FIRST_LIMIT
from agreements.access.draws import draws_of
from agreements.access.narrowed import outside_token, token_draws, token_sampling
from agreements.access.tree_conditions import sampling_limits
from agreements.actors import Actor
from agreements.errors import Fixer
from agreements.limits import sampling_meet


@dataclass(frozen=True)
class Considered:
    """One grant that was held against the question."""

    case: Case
    held_up: int
    """How many of the conditions held before one failed; all of them where it allows."""
    answer: Allowed | Denied


@dataclass(frozen=True)
class Weighed:
    """The answer, and the way to it."""

    answer: Allowed | Denied
    considered: tuple[Considered, ...] = ()
    """The grants that were looked at, in order. Those after one that settled it were not."""
    decisive: Considered | None = None
    """The grant whose answer it is; None where none of them decided."""
    beyond_grants: bool = False
    """Whether the grounds that need no grant were asked: the lab's own access, and the public's."""
    ground: Allowed | None = None
    """What would be allowed without what the token is narrowed to; None where nothing would."""


def weigh(actor: Actor, subject: Subject, question: Question, grants: Sequence[Held], now: datetime) -> Weighed:
    """The answer to whether ``actor`` may do it, with the way to it. See ``agreements.access.decide_access``."""
    found = _weigh(actor, subject, question, grants, now)
    if isinstance(found.answer, Denied):
        return found
    allowed = found.answer
    outside = outside_token(actor, subject, question, allowed.purpose, now)
    if outside is not None:
        return Weighed(outside, found.considered, found.decisive, found.beyond_grants, allowed)
    answer = allowed.model_copy(
        update={
            "draws": (*token_draws(actor, now), *allowed.draws),
            "sampling": sampling_meet(allowed.sampling, token_sampling(actor)),
        }
    )
    return Weighed(answer, found.considered, found.decisive, found.beyond_grants, allowed)


def _closed(subject: Subject) -> Denied | None:
    """Why nobody at all queries the checkpoint."""
    if subject.stage == "retired":
        return Denied(
            code="checkpoint_retired",
            message=f"{subject.checkpoint_id} is retired; nobody queries it any more.",
            hint="Choose another checkpoint.",
            fixer=Fixer.NOBODY,
        )
    if subject.halted:
        return Denied(
            code="checkpoint_halted",
            message=f"{subject.checkpoint_id} is halted by the lab: {subject.halted.rstrip('.')}.",
            hint="Nobody queries it until a coordinator lifts the halt.",
            fixer=Fixer.COORDINATOR,
        )
    return None


def _weigh(actor: Actor, subject: Subject, question: Question, grants: Sequence[Held], now: datetime) -> Weighed:
    closed = _closed(subject)
    if closed is not None:
        return Weighed(closed)
    held_to_grant = actor.grant_id is not None
    # Without a purpose it is no work under a grant that is asked about, but what anybody may do.
    open_to_all = subject.stage == "public" and question.purpose is None and not held_to_grant
    considered: list[Considered] = []
    for held in grants:
        one = _by_grant(Case(actor, subject, question, held, now))
        considered.append(one)
        # Whoever holds a grant by name for this is held to its limits; the institution's is no way around them.
        stopped = one.held_up >= FIRST_LIMIT and held.grant.parent_id
        if stopped and open_to_all and isinstance(one.answer, Denied):
            break
        if isinstance(one.answer, Allowed) or stopped:
            return Weighed(one.answer, tuple(considered), one)
    if not held_to_grant and actor.is_coordinator:
        allowed = Allowed(basis=Basis.LAB, purpose=question.purpose or "internal-evaluation")
        return Weighed(allowed, tuple(considered), beyond_grants=True)
    if not held_to_grant and subject.stage == "public":
        allowed = Allowed(
            basis=Basis.PUBLIC,
            purpose=question.purpose or "public-use",
            institution_id=next(iter(actor.institution_ids), None),
        )
        return Weighed(allowed, tuple(considered), beyond_grants=True)
    if considered:
        closest = max(considered, key=lambda one: one.held_up)
        return Weighed(closest.answer, tuple(considered), closest, beyond_grants=True)
    return Weighed(
        Denied(
            code="no_grant",
            message=f"{subject.checkpoint_id} is {subject.stage.replace('_', ' ')}, and you hold no grant for it.",
            hint="Access comes from a grant under a signed agreement.",
            fixer=Fixer.COORDINATOR,
        ),
        beyond_grants=True,
    )


def _by_grant(case: Case) -> Considered:
    for held_up, check in enumerate(CONDITIONS):
        denied = check(case)
        if denied is not None:
            return Considered(case, held_up, denied)
    grant, purpose = case.grant, case.purpose
    if purpose is None:
        raise TypeError("a purpose was declared, or is the only one")
    return Considered(
        case,
        len(CONDITIONS),
        Allowed(
            basis=Basis.GRANT,
            purpose=purpose,
            grant_id=grant.id,
            agreement_digest=grant.agreement_digest,
            institution_id=grant.institution_id,
            draws=draws_of(case.held, purpose, case.now),
            sampling=sampling_limits(case),
        ),
    )
