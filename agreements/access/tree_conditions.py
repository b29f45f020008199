"""Conditions on who holds a grant, on the grants above it, and on the finer limits of each."""

from agreements.access.answers import Denied
from agreements.access.case import Case
from agreements.access.finer import outside_hours, sampling_beyond_limits, together
from agreements.errors import Fixer
from agreements.grants import Grant, GrantStatus, HolderKind
from agreements.limits import Sampling
from agreements.scopes import excesses, precisions_in_words


def holder(case: Case) -> Denied | None:
    """A grant held by a person or a program is theirs alone; an institution's is its people's, unless it says not."""
    grant, actor = case.grant, case.actor
    match grant.holder.kind:
        case HolderKind.PERSON | HolderKind.PROGRAM as kind:
            if grant.holder.id == actor.person_id and actor.program is (kind is HolderKind.PROGRAM):
                return None
            return Denied(
                code="not_the_holder",
                message=f"Grant {grant.id} is held by {case.held.called(grant)}, and by nobody else.",
                hint="Use a grant of your own, or ask for one to be delegated to you.",
                fixer=Fixer.LEAD,
            )
        case HolderKind.INSTITUTION if actor.program:
            return Denied(
                code="not_the_holder",
                message=f"Grant {grant.id} is the institution's; a program runs on what was delegated to it.",
                hint="Ask your partner lead to delegate a grant to the program.",
                fixer=Fixer.LEAD,
            )
        case HolderKind.INSTITUTION if grant.delegated_only:
            return Denied(
                code="delegated_only",
                message=f"Nobody runs on grant {grant.id} directly, only on what is delegated from it.",
                hint="Ask your partner lead to delegate a part of it to you.",
                fixer=Fixer.LEAD,
            )
        case _:
            return None


def suspended(case: Case) -> Denied | None:
    """Neither the grant nor any above it is suspended."""
    for grant in (case.grant, *case.held.path):
        if grant.status is GrantStatus.SUSPENDED and grant.suspension is not None:
            return Denied(
                code="grant_suspended",
                message=f"{_called(case, grant)} is suspended since {grant.suspension.at:%Y-%m-%d}: "
                f"{grant.suspension.reason.rstrip('.')}.",
                hint="It opens again when the suspension is lifted.",
                fixer=Fixer.COORDINATOR if grant.suspension.by_lab else Fixer.LEAD,
            )
    return None


def within(case: Case) -> Denied | None:
    """Every grant above is live, and each lies within the one above it: proved anew at every use."""
    below = case.grant
    for above in case.held.path:
        if not above.live_on(case.now):
            why = "revoked" if above.status is GrantStatus.REVOKED else "over"
            return Denied(
                code="grant_above_ended",
                message=f"{_called(case, above)} is {why}, and nothing delegated from it opens anything.",
                hint="Ask your partner lead for another grant.",
                fixer=Fixer.LEAD,
            )
        if below.parent_id != above.id or below.scope is None or above.scope is None:
            return _apart(case, below, above, "the tree", "it is not delegated from it")
        if beyond := excesses(below.scope, above.scope):
            return _apart(case, below, above, beyond[0].dimension, beyond[0].message)
        below = above
    if below.parent_id:
        return _apart(case, below, below, "the tree", "the grant above it is not known")
    return None


def sampling(case: Case) -> Denied | None:
    """How the request samples lies within the limits of the grant and of every one above it."""
    for grant in (case.grant, *case.held.path):
        limits = grant.scope.sampling if grant.scope else None
        denied = sampling_beyond_limits(case.question.sampling, limits, _named(case, grant))
        if denied is not None:
            return denied
    return None


def bias(case: Case) -> Denied | None:
    """Where the request biases logits, the grant and every one above it allow it by name."""
    if case.question.sampling is None or not case.question.sampling.logit_bias:
        return None
    for grant in (case.grant, *case.held.path):
        if grant.scope is None or not grant.scope.logit_bias:
            return Denied(
                code="logit_bias_not_granted",
                message=f"The request biases logits, which {_named(case, grant)} does not allow.",
                hint="Send it without logit_bias, or ask for a grant that allows biasing logits.",
                fixer=Fixer.COORDINATOR,
            )
    return None


def precision(case: Case) -> Denied | None:
    """The precision in which the checkpoint is served is one of those that the grant and every one above it allow."""
    served = case.subject.precision
    for grant in (case.grant, *case.held.path):
        allowed = grant.scope.precisions if grant.scope else None
        if served is not None and allowed is not None and served not in allowed:
            return Denied(
                code="precision_not_granted",
                message=f"{case.subject.checkpoint_id} is served in {served}, and {_named(case, grant)} allows "
                f"{precisions_in_words(allowed)}.",
                hint=f"The grant would have to allow {served}, or the operator to serve in "
                f"{precisions_in_words(allowed)}.",
                fixer=Fixer.COORDINATOR,
            )
    return None


def sampling_limits(case: Case) -> Sampling | None:
    """The limits on sampling of the grant and of every one above it."""
    return together(grant.scope.sampling for grant in (case.grant, *case.held.path) if grant.scope is not None)


def proof(case: Case) -> Denied | None:
    """Where tokens are bound to their holder's key, the request proved it (RFC 9449)."""
    if case.actor.key_thumbprint is not None:
        return None
    for grant in (case.grant, *case.held.path):
        if grant.scope is not None and grant.scope.holder_bound:
            return Denied(
                code="proof_required",
                message=f"{_called(case, grant)} is for tokens bound to a key, and this request proves none.",
                hint="Use a token bound to your key, and send a DPoP proof with each request.",
                fixer=Fixer.CALLER,
            )
    return None


def hours(case: Case) -> Denied | None:
    """It is an hour at which the grant and every one above it take requests."""
    for grant in (case.grant, *case.held.path):
        denied = outside_hours(grant.scope.hours if grant.scope else None, case.now, _called(case, grant))
        if denied is not None:
            return denied
    return None


LIMITS = (suspended, sampling, bias, precision, proof, hours)
"""What stops or limits a grant that is for what is asked."""


def _apart(case: Case, below: Grant, above: Grant, dimension: str, message: str) -> Denied:
    return Denied(
        code="beyond_parent",
        message=f"Grant {below.id} goes beyond {_named(case, above)} in {dimension}: {message}.",
        hint="Ask whoever delegated it to narrow it.",
        fixer=Fixer.LEAD,
    )


def _named(case: Case, grant: Grant) -> str:
    return f"grant {grant.id} of {case.held.called(grant)}"


def _called(case: Case, grant: Grant) -> str:
    return f"Grant {grant.id}" if grant is case.grant else f"G{_named(case, grant)[1:]}, above yours,"
