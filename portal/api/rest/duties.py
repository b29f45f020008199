"""Duties: what is owed under agreements, how it stands, and what is done about it. Keys stand in bodies: they have
slashes in them."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from agreements.deciders import Value
from agreements.duties import DutyState, Incident, IncidentKind
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId
from portal.services.duties import HORIZON_DAYS, DutyView

router = APIRouter(tags=["duties"])

Institution = Annotated[str | None, Query(max_length=128, description="Only this institution's.")]
OfAgreement = Annotated[str | None, Query(alias="agreement", max_length=128, description="Only this agreement's.")]


class Key(Value):
    """Which duty of the agreement."""

    key: Annotated[str, Field(max_length=128)]


class HandedIn(Key):
    """Evidence: a statement, and what it cites; a document goes by its SHA-256 or its address."""

    statement: str
    finding_ids: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    sha256: str | None = None
    url: str | None = None


class Waiving(Key):
    """Why the lab does without."""

    reason: str


class Postponing(Key):
    """How much more time, and why."""

    due_at: datetime
    reason: str


class SendingBack(Key):
    """Why the evidence does not do, and by when other evidence is wanted."""

    reason: str
    due_at: datetime | None = None


class NewIncident(Value):
    """What happened, and since when its reporter knows."""

    kind: IncidentKind
    aware_at: datetime
    statement: str


@router.get("/duties", summary="List duties")
def list_duties(
    portal: ThePortal,
    actor: Signed,
    state: DutyState | None = None,
    institution: Institution = None,
    agreement: OfAgreement = None,
    horizon_days: Annotated[int, Query(ge=0, le=3660, description="How far ahead to look.")] = HORIZON_DAYS,
) -> Listing[DutyView]:
    """By due date, with what the caller may do about each; all for coordinators, one's own for everyone else."""
    return Listing.whole(
        portal.duties.board(
            actor, state=state, institution_id=institution, agreement_id=agreement, horizon_days=horizon_days
        )
    )


@router.get(
    "/duties/calendar.ics",
    summary="Download duties and other dates as a calendar",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}, "description": "iCalendar (RFC 5545)."}},
)
def get_calendar(
    portal: ThePortal, actor: Signed, institution: Institution = None, agreement: OfAgreement = None
) -> Response:
    """Duties, ends of terms and graces, clocks of appeals, and vetting that lapses; entries keep their ids."""
    return Response(
        portal.duties.calendar(actor, institution_id=institution, agreement_id=agreement),
        media_type="text/calendar; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="concordat.ics"'},
    )


@router.get("/agreements/{agreement_id}/duties", summary="List an agreement's duties")
def list_agreement_duties(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Listing[DutyView]:
    """From its entry into force to what is owed after its end."""
    return Listing.whole(portal.duties.of_agreement(actor, agreement_id))


@router.post("/agreements/{agreement_id}/duties/fulfil", summary="Hand in evidence for a duty")
def fulfil_duty(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: HandedIn, idempotency_key: IdempotencyKey = None
) -> DutyView:
    """By a partner lead or member; the final report and the attestation of destruction by the lead."""
    return portal.duties.fulfil(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/agreements/{agreement_id}/duties/waive", summary="Waive a duty")
def waive_duty(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Waiving, idempotency_key: IdempotencyKey = None
) -> DutyView:
    """Coordinators only, with a reason that stays on record."""
    return portal.duties.waive(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/agreements/{agreement_id}/duties/postpone", summary="Give more time for a duty")
def postpone_duty(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: Postponing, idempotency_key: IdempotencyKey = None
) -> DutyView:
    """Coordinators only; the later date counts for reminders and for what follows from being late."""
    return portal.duties.postpone(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)


@router.post("/agreements/{agreement_id}/duties/send-back", summary="Send evidence back")
def send_back_evidence(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: SendingBack, idempotency_key: IdempotencyKey = None
) -> DutyView:
    """Coordinators only; the duty is open again, with time to answer, and the evidence stays on record."""
    return portal.duties.send_back(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)


@router.get("/agreements/{agreement_id}/incidents", summary="List incidents reported under an agreement")
def list_incidents(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Listing[Incident]:
    """Oldest first, each with whether its notice came in time."""
    return Listing.whole(portal.duties.incidents(actor, agreement_id))


@router.post("/agreements/{agreement_id}/incidents", status_code=201, summary="Report an incident")
def report_incident(
    portal: ThePortal, actor: Signed, agreement_id: ObjectId, body: NewIncident, idempotency_key: IdempotencyKey = None
) -> Incident:
    """A leak, breach or misuse, by either party; the clock of the agreement runs from ``aware_at``."""
    return portal.duties.report_incident(actor, agreement_id, **dict(body), idempotency_key=idempotency_key)
