"""What may be asked of a publication under review."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from agreements.deciders import Value
from agreements.publication.model import FileDigest, PublicationKind, ReviewTerms

Reasoning = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=4000)]
"""A reason that says something; whoever asks, contests or maintains owes the other side one."""

Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)]
Venue = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Where = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Address = Annotated[str, Field(max_length=500, pattern=r"^(https?://[!#-;=?-~]+)?$")]
"""An http(s) address in plain ASCII, or nothing."""
Doi = Annotated[str, Field(max_length=200, pattern=r"^(10\.[0-9]{4,9}/[!-~]+)?$")]
"""A digital object identifier without a resolver's address in front, or nothing."""
Credit = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

MAX_CREDITS = 200
MAX_ASKED_AT_ONCE = 50


class OpenReview(Value):
    """Put a file forward. ``terms`` and the names are given by the service, from the agreement."""

    publication_id: str
    institution_id: str
    institution_name: str
    lab_name: str
    agreement_id: str
    terms: ReviewTerms
    title: Title
    kind: PublicationKind
    sha256: FileDigest
    url: Address = ""
    venue: Venue = ""
    planned_for: date | None = None


class RequestedRedaction(Value):
    """One passage, on one ground. The ground is checked against the agreement's closed list."""

    where: Where
    ground: Annotated[str, Field(max_length=80)]
    reason: Reasoning


class AskRedactions(Value):
    """Ask for redactions, as the lab."""

    redactions: tuple[RequestedRedaction, ...] = Field(min_length=1, max_length=MAX_ASKED_AT_ONCE)


class AcceptRedaction(Value):
    """Make one, as the institution; the file it is made in is named by its digest."""

    number: int
    sha256: FileDigest
    note: Remark = ""


class ContestRedaction(Value):
    """Refuse one, as the institution."""

    number: int
    reason: Reasoning


class MaintainRedaction(Value):
    """Stand by one that was contested, as the lab."""

    number: int
    reason: Reasoning


class WithdrawRedaction(Value):
    """Ask for one no longer, as the lab."""

    number: int
    note: Remark = ""


class ClearPublication(Value):
    """Clear it before the window ends, as the lab; redactions still open fall away."""

    note: Remark = ""


class RecordPublication(Value):
    """Record where it appeared, as the institution."""

    link: Address = ""
    doi: Doi = ""
    credits: tuple[Credit, ...] = Field(min_length=1, max_length=MAX_CREDITS)
    """Who is credited, as it stands in the publication."""
    published_on: date
    note: Remark = ""


class WithdrawPublication(Value):
    """Take it out of review, as the institution."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=1000)]


PublicationCommand = (
    OpenReview
    | AskRedactions
    | AcceptRedaction
    | ContestRedaction
    | MaintainRedaction
    | WithdrawRedaction
    | ClearPublication
    | RecordPublication
    | WithdrawPublication
)
