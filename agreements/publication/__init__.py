"""Review before publication: symmetric, itemised and with a clock on both sides.

The institution names a file by its digest; the lab has the window of the agreement to ask for redactions on a closed
list of grounds. Silence clears. What is contested falls away unless the lab maintains it within one more window, and
what it maintains does not stop publication: both statements stay on record.
"""

from agreements.publication.commands import (
    AcceptRedaction,
    AskRedactions,
    ClearPublication,
    ContestRedaction,
    MaintainRedaction,
    OpenReview,
    PublicationCommand,
    RecordPublication,
    RequestedRedaction,
    WithdrawPublication,
    WithdrawRedaction,
)
from agreements.publication.decider import AUTHORS, PUBLICATION, Act, acts_on, acts_on_redaction, decide
from agreements.publication.fold import evolve
from agreements.publication.letter import CLEARANCE_TYPE, clearance, clearance_bytes
from agreements.publication.model import (
    Acceptance,
    Contest,
    Outcome,
    Publication,
    PublicationKind,
    PublicationStatus,
    Redaction,
    RedactionStatus,
    ReviewTerms,
    Statement,
)
from agreements.publication.terms import review_terms
from agreements.publication.words import says

__all__ = [
    "AUTHORS",
    "CLEARANCE_TYPE",
    "PUBLICATION",
    "AcceptRedaction",
    "Acceptance",
    "Act",
    "AskRedactions",
    "ClearPublication",
    "Contest",
    "ContestRedaction",
    "MaintainRedaction",
    "OpenReview",
    "Outcome",
    "Publication",
    "PublicationCommand",
    "PublicationKind",
    "PublicationStatus",
    "RecordPublication",
    "Redaction",
    "RedactionStatus",
    "RequestedRedaction",
    "ReviewTerms",
    "Statement",
    "WithdrawPublication",
    "WithdrawRedaction",
    "acts_on",
    "acts_on_redaction",
    "clearance",
    "clearance_bytes",
    "decide",
    "evolve",
    "review_terms",
    "says",
]
