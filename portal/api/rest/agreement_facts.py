"""What follows from an agreement: what is missing, what changed, what it allows today, what an act would cause."""

from typing import Annotated

from fastapi import APIRouter, Query

from agreements.clauses import SuspensionReason
from agreements.errors import Invalid
from agreements.scopes import Operation
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, ObjectId
from portal.services.agreement_facts import Act, Allowances, Changes, Consequences
from portal.services.agreement_timeline import TimelineEntry
from portal.services.prerequisites import Requirement

router = APIRouter(prefix="/agreements", tags=["agreements"])

Compared = Annotated[int | None, Query(ge=1, description="A version's number.")]


@router.get("/{agreement_id}/timeline", summary="What happened to an agreement")
def list_happenings(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Listing[TimelineEntry]:
    """In words, oldest first, each with its place in the log; the lab's own drafts are the lab's alone."""
    return Listing.whole(portal.agreement_timeline.of(actor, agreement_id))


@router.get("/{agreement_id}/checklist", summary="What an agreement still needs")
def list_requirements(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Listing[Requirement]:
    """Everything the text on the table needs to come into force, met or not, and who clears it."""
    return Listing.whole(portal.agreement_facts.checklist(actor, agreement_id))


@router.get("/{agreement_id}/changes", summary="Compare two texts of an agreement")
def compare_texts(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    before: Compared = None,
    after: Compared = None,
    template: Annotated[bool, Query(description="Compare with the template it came from.")] = False,
) -> Changes:
    """Clause by clause and word by word. Without parameters: what there is to accept, and so to read."""
    facts = portal.agreement_facts
    if before is not None and template:
        raise Invalid(
            "two_bases",
            "A text is compared with a version or with its template, not with both.",
            hint="Leave out 'before' or 'template'.",
            param="template",
        )
    if before is None and after is None and not template:
        return facts.changes(actor, agreement_id)
    agreement = portal.agreements.get(actor, agreement_id)
    newer = after or (agreement.proposal or agreement.shown).number
    earlier = max((one.number for one in agreement.versions if one.number < newer), default=None)
    return facts.compared(actor, agreement_id, None if template else before or earlier, newer)


@router.get("/{agreement_id}/allows", summary="What an agreement allows today, and why")
def explain_allowances(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Allowances:
    """Per checkpoint and operation: for which purposes it is open now, or what keeps it closed."""
    return portal.agreement_facts.allows(actor, agreement_id)


@router.get("/{agreement_id}/consequences", summary="Preview what an act would bring about")
def preview_consequences(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    action: Act,
    reason: SuspensionReason | None = None,
    operation: Annotated[tuple[Operation, ...], Query(description="For `narrow`: what stays allowed.")] = (),
) -> Consequences:
    """The grants, tokens, runs, schedules and duties concerned; for a suspension's reason, its notice and clocks.

    Nothing is done.
    """
    return portal.agreement_facts.consequences(actor, agreement_id, action, reason=reason, operations=operation)
