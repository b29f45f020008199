"""Running an agreement, and ending it: suspensions with their appeals, narrowings, termination, closure."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from agreements.clauses import SuspensionReason
from agreements.deciders import Value
from agreements.scopes import Operation
from portal.api.auth import Signed, ThePortal
from portal.api.rest.agreement_shapes import AgreementBody, Note, body_of
from portal.api.rest.shapes import IdempotencyKey, ObjectId, Reason

router = APIRouter(prefix="/agreements", tags=["agreements"])

SuspensionNumber = Annotated[int, Path(ge=1, description="The suspension's number.")]
Statement = Annotated[str, Field(max_length=4000)]
"""Reasons given at length; ten characters at least."""


class NewSuspension(Value):
    """Why access is to stop: a code, and what happened in words."""

    reason: SuspensionReason
    statement: Statement


class NewAppeal(Value):
    """Why the suspension should not stand."""

    text: Statement


class AppealDecision(Value):
    """The answer to an appeal; upheld, it lifts the suspension."""

    upheld: bool
    reasons: Statement


class NewNarrowing(Value):
    """What access is cut down to, and why."""

    operations: Annotated[frozenset[Operation], Field(min_length=1)]
    """What is still allowed."""
    requests_per_minute: int
    statement: Statement


class Closure(Value):
    """How the books are closed."""

    fulfilled: bool
    """Whether everything owed was done; refused while a duty is open."""
    note: Note = ""


@router.post("/{agreement_id}/suspensions", status_code=201, summary="Suspend an agreement")
def suspend_agreement(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    body: NewSuspension,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """By a coordinator, after the notice the agreement sets; by the partner lead at its own request, at once."""
    return body_of(
        portal, portal.agreements.suspend(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)
    )


@router.post("/{agreement_id}/suspensions/{number}/lift", summary="Lift a suspension")
def lift_suspension(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    number: SuspensionNumber,
    body: Reason,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """By a coordinator, or by the partner lead who asked for it."""
    lifted = portal.agreements.lift(
        actor, agreement_id, number=number, reason=body.reason, idempotency_key=idempotency_key
    )
    return body_of(portal, lifted)


@router.post("/{agreement_id}/suspensions/{number}/appeal", status_code=201, summary="Appeal a suspension")
def appeal_suspension(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    number: SuspensionNumber,
    body: NewAppeal,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """By the partner lead, once; the agreement says until when, and how long the lab has to decide."""
    appealed = portal.agreements.appeal(
        actor, agreement_id, number=number, text=body.text, idempotency_key=idempotency_key
    )
    return body_of(portal, appealed)


@router.post("/{agreement_id}/suspensions/{number}/appeal/decision", summary="Decide an appeal")
def decide_appeal(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    number: SuspensionNumber,
    body: AppealDecision,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """By another coordinator than the one who suspended."""
    decided = portal.agreements.decide_appeal(
        actor, agreement_id, number=number, **dict(body), idempotency_key=idempotency_key
    )
    return body_of(portal, decided)


@router.post("/{agreement_id}/narrowings", status_code=201, summary="Narrow access")
def narrow_agreement(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    body: NewNarrowing,
    idempotency_key: IdempotencyKey = None,
) -> AgreementBody:
    """By a coordinator: fewer operations and a slower rate for every grant under it, from the next request."""
    fields = {**dict(body), "operations": sorted(body.operations)}
    return body_of(portal, portal.agreements.narrow(actor, agreement_id, **fields, idempotency_key=idempotency_key))


@router.post("/{agreement_id}/narrowings/widen", summary="Widen access again")
def widen_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """Ends the narrowing that stands, by a coordinator."""
    widened = portal.agreements.widen(actor, agreement_id, reason=body.reason, idempotency_key=idempotency_key)
    return body_of(portal, widened)


@router.post("/{agreement_id}/terminate", summary="Terminate an agreement in force")
def terminate_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Reason, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """By either side. Every grant under it ends with the next request."""
    ended = portal.agreements.terminate(actor, agreement_id, reason=body.reason, idempotency_key=idempotency_key)
    return body_of(portal, ended)


@router.post("/{agreement_id}/close", summary="Close the books of an agreement that ended")
def close_agreement(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Closure, idempotency_key: IdempotencyKey = None
) -> AgreementBody:
    """By a coordinator. As fulfilled only when no duty is left; what is open then stays on record as open."""
    closed = portal.agreements.close(
        actor,
        agreement_id,
        fulfilled=body.fulfilled,
        note=body.note,
        idempotency_key=idempotency_key,
    )
    return body_of(portal, closed)
