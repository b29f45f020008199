"""What an institution's passport holds: per item of vetting a history, and how the item stands at a moment.

Nothing in a history is overwritten: a revocation leaves the acceptance and its date in place, and what lapsed stays.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from agreements.deciders import Value
from agreements.errors import Fixer
from agreements.scopes import Moment

MAX_STATEMENT = 4000
MAX_EVIDENCE = 20
MAX_PEOPLE = 200

_ONE_LINE = r"^[^\p{Cc}\u202A-\u202E\u2066-\u2069]+$"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
OneLine = Annotated[str, Field(min_length=1, max_length=160, pattern=_ONE_LINE)]
"""Text without control characters or marks that reorder what is read."""


class VettingItem(StrEnum):
    """One thing that is looked at once, and then holds for every agreement."""

    IDENTITY = "identity"
    SIGNATORY_AUTHORITY = "signatory_authority"
    TRAINING = "training"
    SECURITY_QUESTIONNAIRE = "security_questionnaire"
    CONFLICTS_OF_INTEREST = "conflicts_of_interest"

    @property
    def label(self) -> str:
        """The item as people read it."""
        return self.value.replace("_", " ")


class Evidence(Value):
    """What a statement rests on: a file by its digest, a page by its address, or a paper by its name alone."""

    label: OneLine
    sha256: Sha256 | None = None
    url: Annotated[str, Field(max_length=500, pattern=r"^https?://[!-~]+$")] | None = None


class Submission(Value):
    """What the institution says, or a coordinator on its behalf."""

    kind: Literal["submission"] = "submission"
    number: int
    """Counts from 1 for each item, so that a review names what was read."""
    statement: str
    evidence: tuple[Evidence, ...] = ()
    people: tuple[str, ...] = ()
    """Who was trained; for training only."""
    submitted_by: str
    submitter_name: str
    at: Moment


class Review(Value):
    """A coordinator's word on a submission. ``valid_until`` is set exactly when it was accepted."""

    kind: Literal["review"] = "review"
    submission: int
    accepted: bool
    reason: str = ""
    reviewer_id: str
    reviewer_name: str
    valid_until: Moment | None = None
    at: Moment


class Takeover(Value):
    """An acceptance by another portal, taken over on that issuer's word."""

    kind: Literal["takeover"] = "takeover"
    issuer_name: str
    issuer_key: str
    """The raw public key in hex under which the credential was checked."""
    credential_digest: str
    """``sha256:<hex>`` of the file as it came."""
    reviewer: str
    """Who accepted it there."""
    accepted_at: Moment
    """When it was accepted there."""
    evidence_digests: tuple[str, ...] = ()
    valid_until: Moment
    imported_by: str
    importer_name: str
    at: Moment


class Revocation(Value):
    """An acceptance counts no more from here on."""

    kind: Literal["revocation"] = "revocation"
    reason: str
    revoked_by: str
    revoker_name: str
    at: Moment


Entry = Annotated[Submission | Review | Takeover | Revocation, Field(discriminator="kind")]


class ItemStatus(StrEnum):
    """How an item stands at a moment; lapsing is computed, never stored."""

    MISSING = "missing"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    VALID = "valid"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class ItemStanding(Value):
    """One line of the checklist: what is there, and who clears what is not."""

    item: VettingItem
    status: ItemStatus
    since: datetime | None = None
    """When it came to stand so; None if nothing ever happened."""
    valid_until: datetime | None = None
    """The end of the last acceptance that was not revoked, whether past or to come."""
    awaiting_review: bool = False
    """Whether a submission waits for a coordinator, also while an earlier one is still valid."""
    message: str
    fixer: Fixer

    @property
    def valid(self) -> bool:
        """Whether it counts."""
        return self.status is ItemStatus.VALID

    def within_grace(self, now: datetime, grace_days: int) -> bool:
        """Whether its validity ended less than ``grace_days`` ago. What was revoked has no grace."""
        return self.valid_until is not None and now - self.valid_until < timedelta(days=grace_days)


class ItemRecord(Value):
    """The history of one item, oldest first."""

    item: VettingItem
    entries: tuple[Entry, ...] = ()

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """Everything handed in."""
        return tuple(entry for entry in self.entries if isinstance(entry, Submission))

    @property
    def pending(self) -> Submission | None:
        """The latest submission, if nobody has reviewed it yet. A later one takes the place of an earlier."""
        found: Submission | None = None
        for entry in self.entries:
            if isinstance(entry, Submission):
                found = entry
            elif isinstance(entry, Review):
                found = None
        return found

    @property
    def acceptances(self) -> tuple[Review | Takeover, ...]:
        """What the item's validity rests on.

        A review here replaces whatever counted before it; what is taken over from another portal only adds to it.
        """
        found: list[Review | Takeover] = []
        for entry in self.entries:
            if isinstance(entry, Revocation) or (isinstance(entry, Review) and entry.accepted):
                found.clear()
            if isinstance(entry, Takeover) or (isinstance(entry, Review) and entry.accepted):
                found.append(entry)
        return tuple(found)

    @property
    def valid_until(self) -> datetime | None:
        """The end of the longest acceptance that counts, past or to come."""
        return max((one.valid_until for one in self.acceptances if one.valid_until is not None), default=None)

    @property
    def revoked_at(self) -> datetime | None:
        """When it was last revoked."""
        return max((entry.at for entry in self.entries if isinstance(entry, Revocation)), default=None)

    def own_acceptance(self, now: datetime) -> Review | None:
        """The acceptance by a reviewer of this portal that is valid at ``now``."""
        for one in self.acceptances:
            if isinstance(one, Review) and one.valid_until is not None and now < one.valid_until:
                return one
        return None

    def submission(self, number: int) -> Submission:
        """A submission by its number, which must exist."""
        return self.submissions[number - 1]

    def standing(self, now: datetime) -> ItemStanding:
        """How the item stands at ``now``. What is handed in anew interrupts nothing that is still valid."""
        pending, until = self.pending, self.valid_until
        status, since, message = self._found(now, pending, until)
        return ItemStanding(
            item=self.item,
            status=status,
            since=since,
            valid_until=until,
            awaiting_review=pending is not None,
            message=message,
            fixer=Fixer.COORDINATOR if pending is not None else Fixer.LEAD,
        )

    def _found(
        self, now: datetime, pending: Submission | None, until: datetime | None
    ) -> tuple[ItemStatus, datetime | None, str]:
        label = self.item.label.capitalize()
        if until is not None and now < until:
            best = max(self.acceptances, key=lambda one: one.valid_until or one.at)
            return ItemStatus.VALID, best.at, f"{label}: {_by(best)}, valid until {_day(until)}."
        if pending is not None:
            return ItemStatus.SUBMITTED, pending.at, f"{label}: handed in on {_day(pending.at)}, waits for review."
        for entry in reversed(self.entries):
            if isinstance(entry, Review) and not entry.accepted:
                return ItemStatus.RETURNED, entry.at, f"{label}: returned on {_day(entry.at)}. {entry.reason}"
            if isinstance(entry, Revocation):
                return ItemStatus.REVOKED, entry.at, f"{label}: revoked on {_day(entry.at)}. {entry.reason}"
            if isinstance(entry, Takeover | Review):
                break
        if until is not None:
            return ItemStatus.LAPSED, until, f"{label}: lapsed on {_day(until)}."
        return ItemStatus.MISSING, None, f"{label}: nothing handed in yet."


class Passport(Value):
    """An institution's vetting. One to which nothing has happened has every item missing."""

    institution_id: str = ""
    items: tuple[ItemRecord, ...] = ()
    """Items with a history, in the order of the enumeration."""

    def record(self, item: VettingItem) -> ItemRecord:
        """The item's history; an empty one if nothing ever happened."""
        return next((record for record in self.items if record.item is item), ItemRecord(item=item))

    def standing(self, item: VettingItem, now: datetime) -> ItemStanding:
        """How one item stands at ``now``."""
        return self.record(item).standing(now)

    def valid_items(self, now: datetime) -> frozenset[VettingItem]:
        """The items that count at ``now``."""
        return frozenset(item for item in VettingItem if self.standing(item, now).valid)

    def checklist(self, required: frozenset[VettingItem], now: datetime) -> tuple[ItemStanding, ...]:
        """How each of ``required`` stands, in the order of the enumeration."""
        return tuple(self.standing(item, now) for item in VettingItem if item in required)

    def missing(
        self, required: frozenset[VettingItem], now: datetime, *, grace_days: int = 0
    ) -> tuple[ItemStanding, ...]:
        """Those of ``required`` that do not count at ``now`` and did not lapse within the last ``grace_days``.

        The grace belongs to what lapsed: it is not lost by handing in anew, nor by having that returned.
        """
        return tuple(
            standing
            for standing in self.checklist(required, now)
            if not standing.valid and not standing.within_grace(now, grace_days)
        )

    def added(self, item: VettingItem, entry: Submission | Review | Takeover | Revocation) -> "Passport":
        """The passport with one more entry in one item's history."""
        record = self.record(item)
        grown = record.model_copy(update={"entries": (*record.entries, entry)})
        records = {**{one.item: one for one in self.items}, item: grown}
        return self.model_copy(update={"items": tuple(records[one] for one in VettingItem if one in records)})


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _by(acceptance: Review | Takeover) -> str:
    if isinstance(acceptance, Takeover):
        return f"accepted on the word of {acceptance.issuer_name}"
    return f"accepted by {acceptance.reviewer_name}"
