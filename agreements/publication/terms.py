"""Under which terms a review is opened: the clause of the version in force, of the agreement or of its framework."""

from datetime import datetime

from agreements.agreement import Agreement
from agreements.clauses import PublicationReview, only
from agreements.errors import Conflict, Fixer
from agreements.publication.model import ReviewTerms


def review_terms(agreement: Agreement, framework: Agreement | None, now: datetime) -> ReviewTerms:
    """The terms of a review that begins at ``now``. A schedule without the clause is under its framework's.

    An agreement that is suspended will do: suspension stops access, and were it to stop reviews too, it would be the
    veto that the clause does not give. Raises Conflict ``agreement_not_in_force`` or ``no_review_clause``.
    """
    if not agreement.runs_on(now):
        raise Conflict(
            "agreement_not_in_force",
            f"Agreement {agreement.id} is {agreement.status_on(now).label}; a review needs it in force.",
            hint="Choose an agreement in force.",
        )
    for terms in (agreement, framework):
        version = terms.governing if terms is not None and terms.runs_on(now) else None
        clause = only(version.clauses, PublicationReview) if version is not None else None
        if terms is not None and version is not None and clause is not None:
            return ReviewTerms(
                agreement_id=terms.id,
                agreement_digest=version.digest or "",
                clause_id=clause.clause_id,
                window_days=clause.window_days,
                grounds=clause.permitted_grounds,
            )
    raise Conflict(
        "no_review_clause",
        f"Agreement {agreement.id} has no clause on review before publication, so nothing has to be reviewed.",
        hint="Publish as the agreement allows, or propose an amendment with such a clause.",
        fixer=Fixer.NOBODY,
    )
