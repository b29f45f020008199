"""What happened to a publication under review. Bodies are kept for ever: what comes later has a default."""

from datetime import date, datetime

from agreements.deciders import Event
from agreements.publication.model import (
    Acceptance,
    Contest,
    Outcome,
    PublicationKind,
    Redaction,
    ReviewTerms,
    Statement,
)


class PublicationOpened(Event, type="publication:opened"):
    """The institution put a file forward for review, by its digest; the lab's clock began."""

    publication_id: str
    institution_id: str
    institution_name: str
    lab_name: str
    agreement_id: str
    terms: ReviewTerms
    title: str
    kind: PublicationKind
    sha256: str
    url: str
    venue: str
    planned_for: date | None
    submitted_by: str
    submitted_by_name: str
    clears_at: datetime
    at: datetime


class RedactionsAsked(Event, type="publication:redactions_asked"):
    """The lab asked for redactions, in time and on grounds that the agreement permits."""

    redactions: tuple[Redaction, ...]


class RedactionAccepted(Event, type="publication:redaction_accepted"):
    """The institution made the redaction."""

    number: int
    acceptance: Acceptance


class RedactionContested(Event, type="publication:redaction_contested"):
    """The institution does not make it, and says why."""

    number: int
    contest: Contest


class RedactionMaintained(Event, type="publication:redaction_maintained"):
    """The lab stands by a redaction that was contested; that ends the argument, not the publication."""

    number: int
    statement: Statement


class RedactionWithdrawn(Event, type="publication:redaction_withdrawn"):
    """The lab no longer asks for it."""

    number: int
    statement: Statement


class PublicationCleared(Event, type="publication:cleared"):
    """The lab said before the window ended that it has no objection."""

    statement: Statement


class PublicationRecorded(Event, type="publication:published"):
    """The institution recorded where it appeared."""

    outcome: Outcome


class PublicationWithdrawn(Event, type="publication:withdrawn"):
    """The institution no longer wants it reviewed."""

    statement: Statement
