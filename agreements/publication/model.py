"""The state of a publication under review: its file by digest, what the lab asked for, and what became of it.

    under_review ──clears_at passes in silence──▶ cleared ──▶ published
      │   ▲
     ask  └ every redaction settled in time
      ▼   │
    redactions_asked ──accepted──▶ settled
      └──contested──▶ contested ──the lab is silent for another window──▶ settled
                          └──maintained──▶ disputed ──▶ published, over the objection

Nothing here waits for a job: how a review stands follows from its record and the time. The lab has no veto.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_serializer

from agreements.actors import PartyKind
from agreements.clauses import ReviewGround
from agreements.deciders import Value

FileDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""SHA-256 of the file to be published; the file itself stays with the institution."""


class PublicationKind(StrEnum):
    """What is to be published."""

    MANUSCRIPT = "manuscript"
    ABSTRACT = "abstract"
    TALK = "talk"
    DATASET = "dataset"
    CODE = "code"


class PublicationStatus(StrEnum):
    """How a review stands at a moment."""

    UNDER_REVIEW = "under_review"
    REDACTIONS_ASKED = "redactions_asked"
    CONTESTED = "contested"
    CLEARED = "cleared"
    DISPUTED = "disputed"
    """The lab maintains an objection. It may be published all the same; both statements are on record."""
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The status as people read it."""
        return self.value.replace("_", " ")

    @property
    def is_open(self) -> bool:
        """Whether the review still runs."""
        return self in {
            PublicationStatus.UNDER_REVIEW,
            PublicationStatus.REDACTIONS_ASKED,
            PublicationStatus.CONTESTED,
        }


class RedactionStatus(StrEnum):
    """How one redaction stands at a moment."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    CONTESTED = "contested"
    MAINTAINED = "maintained"
    LAPSED = "lapsed"
    """Contested, and the lab did not maintain it in time: deemed withdrawn."""
    WITHDRAWN = "withdrawn"


class Statement(Value):
    """What somebody said, and when."""

    text: str
    by_id: str
    by_name: str
    at: datetime


class Contest(Statement):
    """The institution says no, with its reason."""

    answer_by: datetime
    """Until when the lab may maintain it; from then on it is deemed withdrawn."""


class Acceptance(Statement):
    """The institution says yes, with the digest of the file in which it is done."""

    sha256: FileDigest


class Redaction(Value):
    """One passage that the lab asks to have left out or changed. No answer overwrites another."""

    number: int
    where: str
    """The passage, by page, section or words."""
    ground: ReviewGround
    asked: Statement
    contested: Contest | None = None
    maintained: Statement | None = None
    accepted: Acceptance | None = None
    withdrawn: Statement | None = None

    def status_on(self, now: datetime) -> RedactionStatus:
        """How it stands at ``now``."""
        if self.withdrawn is not None:
            return RedactionStatus.WITHDRAWN
        if self.accepted is not None:
            return RedactionStatus.ACCEPTED
        if self.contested is None:
            return RedactionStatus.ASKED
        if self.maintained is not None:
            return RedactionStatus.MAINTAINED
        return RedactionStatus.LAPSED if now >= self.contested.answer_by else RedactionStatus.CONTESTED

    def gone_at(self, now: datetime) -> datetime | None:
        """When it stopped standing in the way: accepted, withdrawn or lapsed; None while it does."""
        if done := self.withdrawn or self.accepted:
            return done.at
        if self.contested is not None and self.status_on(now) is RedactionStatus.LAPSED:
            return self.contested.answer_by
        return None


class ReviewTerms(Value):
    """What the clause in force at the beginning says; a later amendment changes nothing for this review."""

    agreement_id: str
    """The agreement that has the clause: the one submitted under, or its framework."""
    agreement_digest: str
    clause_id: str
    window_days: int
    grounds: frozenset[ReviewGround]

    @field_serializer("grounds")
    def _sorted(self, values: frozenset[ReviewGround]) -> list[str]:
        return sorted(value.value for value in values)


class Outcome(Value):
    """Where it appeared, and who is credited."""

    link: str
    doi: str
    credits: tuple[str, ...]
    published_on: date
    over_objection: bool
    recorded: Statement


class Publication(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    institution_id: str = ""
    institution_name: str = ""
    lab_name: str = ""
    agreement_id: str = ""
    terms: ReviewTerms | None = None
    title: str = ""
    kind: PublicationKind = PublicationKind.MANUSCRIPT
    sha256: str = ""
    """The file as it was submitted."""
    current_sha256: str = ""
    """The file as it stands now, with the redaction that was accepted last."""
    url: str = ""
    """Where the lab can read it, if the institution says so."""
    venue: str = ""
    planned_for: date | None = None
    submitted_by: str = ""
    submitted_by_name: str = ""
    opened_at: datetime | None = None
    clears_at: datetime | None = None
    redactions: tuple[Redaction, ...] = ()
    cleared: Statement | None = None
    """The lab's word that it has no objection, given before the window ended."""
    outcome: Outcome | None = None
    withdrawn: Statement | None = None

    def standing(self, status: RedactionStatus, now: datetime) -> tuple[Redaction, ...]:
        """The redactions that stand so at ``now``."""
        return tuple(redaction for redaction in self.redactions if redaction.status_on(now) is status)

    def status_on(self, now: datetime) -> PublicationStatus:
        """How it stands at ``now``; silence clears."""
        if self.withdrawn is not None:
            return PublicationStatus.WITHDRAWN
        if self.outcome is not None:
            return PublicationStatus.PUBLISHED
        if self.cleared is not None:
            return PublicationStatus.CLEARED
        if self.standing(RedactionStatus.ASKED, now):
            return PublicationStatus.REDACTIONS_ASKED
        if self.standing(RedactionStatus.CONTESTED, now):
            return PublicationStatus.CONTESTED
        if self.clears_at is None or now < self.clears_at:
            return PublicationStatus.UNDER_REVIEW
        if self.standing(RedactionStatus.MAINTAINED, now):
            return PublicationStatus.DISPUTED
        return PublicationStatus.CLEARED

    def cleared_at(self, now: datetime) -> datetime | None:
        """When it was cleared: by the lab's word, by silence, or with the last redaction settled; None if it is not.

        Once it is cleared that moment stays as it is, whatever time passes.
        """
        if self.withdrawn is not None or self.clears_at is None:
            return None
        if self.cleared is not None:
            return self.cleared.at
        gone = [redaction.gone_at(now) for redaction in self.redactions]
        if now < self.clears_at or None in gone:
            return None
        return max([self.clears_at, *_given(gone)])

    def turn_on(self, now: datetime) -> PartyKind | None:
        """Whose move it is: the lab's while its clock runs, the institution's while it owes an answer."""
        match self.status_on(now):
            case PublicationStatus.UNDER_REVIEW | PublicationStatus.CONTESTED:
                return PartyKind.LAB
            case PublicationStatus.REDACTIONS_ASKED:
                return PartyKind.INSTITUTION
            case _:
                return None

    def due_on(self, now: datetime) -> datetime | None:
        """When the clock that runs against the lab runs out; None while none does."""
        match self.status_on(now):
            case PublicationStatus.UNDER_REVIEW:
                return self.clears_at
            case PublicationStatus.CONTESTED:
                contests = (redaction.contested for redaction in self.standing(RedactionStatus.CONTESTED, now))
                return min(contest.answer_by for contest in contests if contest is not None)
            case _:
                return None


def _given(moments: Iterable[datetime | None]) -> list[datetime]:
    return [moment for moment in moments if moment is not None]
