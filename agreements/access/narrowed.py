"""What a narrowed token leaves of an access, asked at every use (RFC 8693, RFC 9396)."""

from collections.abc import Iterator

from agreements.access.answers import Denied, Draw, Subject
from agreements.actors import Actor, TokenBounds
from agreements.errors import Fixer
from agreements.scopes import Operation, family_selector


def outside_token(actor: Actor, subject: Subject, operations: frozenset[Operation], purpose: str) -> Denied | None:
    """The first thing that the actor's token, or one that it was narrowed from, is not for."""
    for bounds in actor.bounds:
        for what in _outside(bounds, subject, operations, purpose):
            return Denied(
                code="token_narrowed",
                message=f"The access token is narrowed and does not include {what}.",
                hint="Use a wider token, or ask whoever narrowed this one.",
                fixer=Fixer.CALLER,
            )
    return None


def _outside(bounds: TokenBounds, subject: Subject, operations: frozenset[Operation], purpose: str) -> Iterator[str]:
    named = {subject.checkpoint_id, family_selector(subject.family)}
    if bounds.checkpoints is not None and not named & bounds.checkpoints:
        yield f"the checkpoint {subject.checkpoint_id}"
    if bounds.operations is not None and (extra := sorted(operations - bounds.operations)):
        yield f"the operation {', '.join(extra)}"
    if bounds.purposes is not None and purpose not in bounds.purposes:
        yield f"the purpose {purpose!r}"


def token_draws(actor: Actor) -> tuple[Draw, ...]:
    """The limits of the actor's token and of those it was narrowed from, the narrowest first.

    A run is charged to each of them, so that the children of one token together stay within its limits.
    """
    return tuple(
        Draw(
            account=bounds.token_id,
            says="the access token" if bounds.token_id == actor.token_id else "a token above this one",
            budget=bounds.token_budget,
            per_minute=bounds.requests_per_minute,
        )
        for bounds in reversed(actor.bounds)
        if bounds.token_budget is not None or bounds.requests_per_minute is not None
    )
