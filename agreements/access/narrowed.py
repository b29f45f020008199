"""What a narrowed token leaves of an access, asked at every use (RFC 8693, RFC 9396)."""

from collections.abc import Iterator
from datetime import datetime

from agreements.access.answers import Denied, Draw, Question, Subject
from agreements.access.draws import draws_of_periods
from agreements.access.finer import outside_hours, sampling_beyond_limits, together
from agreements.actors import Actor, TokenBounds
from agreements.errors import Fixer
from agreements.limits import Sampling
from agreements.scopes import family_selector, precisions_in_words


def outside_token(actor: Actor, subject: Subject, question: Question, purpose: str, now: datetime) -> Denied | None:
    """The first thing that the actor's token, or one that it was narrowed from, is not for."""
    for bounds in actor.bounds:
        for what in _outside(bounds, subject, question, purpose):
            return Denied(
                code="token_narrowed",
                message=f"The access token is narrowed and does not include {what}.",
                hint="Use a wider token, or ask whoever narrowed this one.",
                fixer=Fixer.CALLER,
            )
    for bounds in actor.bounds:
        narrowing, whose = bounds.narrowing, _called(bounds, actor)
        for denied in (
            sampling_beyond_limits(question.sampling, narrowing.sampling, whose),
            outside_hours(narrowing.hours, now, whose),
        ):
            if denied is not None:
                return denied
    return None


def _outside(bounds: TokenBounds, subject: Subject, question: Question, purpose: str) -> Iterator[str]:
    narrowing = bounds.narrowing
    # As for grants, a family selector opens nothing while a checkpoint is withheld.
    selectors = set() if subject.stage == "withheld" else {family_selector(subject.family)}
    if narrowing.checkpoints is not None and not ({subject.checkpoint_id} | selectors) & narrowing.checkpoints:
        yield f"the checkpoint {subject.checkpoint_id}"
    if narrowing.operations is not None and (extra := sorted(question.operations - narrowing.operations)):
        yield f"the operation {', '.join(extra)}"
    if narrowing.purposes is not None and purpose not in narrowing.purposes:
        yield f"the purpose {purpose!r}"
    if narrowing.logit_bias is False and question.sampling is not None and question.sampling.logit_bias:
        yield "biasing logits (logit_bias)"
    served = subject.precision
    if narrowing.precisions is not None and served is not None and served not in narrowing.precisions:
        yield f"answers computed in {served}, only in {precisions_in_words(narrowing.precisions)}"


def token_sampling(actor: Actor) -> Sampling | None:
    """The limits on sampling of the actor's token and of those it was narrowed from."""
    return together(bounds.narrowing.sampling for bounds in actor.bounds)


def token_draws(actor: Actor, now: datetime) -> tuple[Draw, ...]:
    """The limits of the actor's token and of those it was narrowed from, the narrowest first.

    A run is charged to each of them, so that the children of one token together stay within its limits.
    """
    return tuple(_draws(actor, now))


def _draws(actor: Actor, now: datetime) -> Iterator[Draw]:
    for bounds in reversed(actor.bounds):
        narrowing, whose = bounds.narrowing, _called(bounds, actor)
        if not narrowing.limits_use:
            continue
        account = bounds.account or bounds.token_id
        yield Draw(
            account=account,
            says=whose,
            budget=narrowing.token_budget,
            per_minute=narrowing.requests_per_minute,
            requests=narrowing.request_budget,
            outputs=narrowing.output_budget,
            at_once=narrowing.concurrency,
        )
        yield from draws_of_periods(account, whose, narrowing.periods, now)


def _called(bounds: TokenBounds, actor: Actor) -> str:
    return "the access token" if bounds.token_id == actor.token_id else "a token above this one"
