"""Who the caller is, and whether and why they may do something."""

from typing import Annotated

from fastapi import APIRouter, Query

from agreements.access import Allowed, Denied
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.scopes import Operation
from portal.api.auth import Known, ThePortal

router = APIRouter(tags=["access"])


class Me(Value):
    """The caller as the portal knows them."""

    actor: Actor
    purpose: str | None
    """The purpose the presented token declares for its runs."""


class Explanation(Value):
    """The answer to "may I?", with the ground it stands on or the condition that failed."""

    allowed: bool
    answer: Allowed | Denied


@router.get("/me", summary="Who am I")
def get_me(known: Known) -> Me:
    """The person, roles and token behind the request's credential."""
    return Me(actor=known.actor, purpose=known.purpose)


@router.get("/access", summary="Why may I, or may I not, query this checkpoint")
def explain_access(
    portal: ThePortal,
    known: Known,
    checkpoint: Annotated[str, Query(max_length=128)],
    operation: Annotated[tuple[Operation, ...], Query()] = (Operation.GENERATE,),
    purpose: Annotated[str | None, Query(max_length=120)] = None,
) -> Explanation:
    """Decided from the live grant, agreement and stage, exactly as for a run; nothing is recorded or charged."""
    answer = portal.checkpoints.access(
        known.actor, portal.checkpoints.state(checkpoint), frozenset(operation), purpose or known.purpose
    )
    return Explanation(allowed=bool(answer), answer=answer)
