"""The state of an access request: what is asked for, what the lab offers instead, who agreed, and what became of it.

draft ──submit──▶ submitted ──approve (twice where high risk)──▶ approved: a grant
                   │  ▲  │ └──refuse──▶ refused
                 offer │ withdraw
                   ▼  │ declined, or accepted and another word is wanted
                  amended ──accepted──▶ approved          no answer in time, or nothing left to grant: lapsed
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_serializer

from agreements.access_requests.risk import Mark
from agreements.deciders import Value, later
from agreements.errors import Invalid
from agreements.grants import Holder, HolderKind
from agreements.limits import AtOnce, Hours, Periods, PerMinute, RequestCount, Sampling, TokenCount
from agreements.precision import Precisions
from agreements.scopes import MAX_CHECKPOINTS, MAX_PURPOSES, Moment, Operation, Scope, Slug

MAX_OFFERS = 50
"""Alternatives that may be offered on one request."""

TITLE_LENGTH = 120
USE_LENGTH = 4000
LEAST_USE = 20
"""How many characters say at least what the access is for."""


class RequestStatus(StrEnum):
    """How a request stands at a moment."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    AMENDED = "amended"
    """An alternative is offered; the requester answers it."""
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"

    @property
    def label(self) -> str:
        """The status as people read it."""
        return "alternative offered" if self is RequestStatus.AMENDED else self.value

    @property
    def is_open(self) -> bool:
        """Whether somebody has yet to decide or to answer."""
        return self in {RequestStatus.SUBMITTED, RequestStatus.AMENDED}


class Terms(Value):
    """What a request asks for, whole."""

    title: str
    agreement_id: str
    holder: Holder
    scope: Scope
    intended_use: str


class Gap(Value):
    """A field that a request has to fill in before it can be submitted."""

    field: str
    says: str


class Draft(Value):
    """What is filled in so far; whatever is left open is empty or None. Finer limits may stay open."""

    title: Annotated[str, Field(max_length=TITLE_LENGTH)] = ""
    agreement_id: Annotated[str, Field(max_length=128)] = ""
    holder: Holder | None = None
    """Who is to use it; the institution, where nobody is named."""
    intended_use: Annotated[str, Field(max_length=USE_LENGTH)] = ""
    checkpoints: frozenset[Slug] = Field(default=frozenset(), max_length=MAX_CHECKPOINTS)
    operations: frozenset[Operation] = frozenset()
    purposes: frozenset[Slug] = Field(default=frozenset(), max_length=MAX_PURPOSES)
    token_budget: TokenCount | None = None
    requests_per_minute: PerMinute | None = None
    expires_at: Moment | None = None
    request_budget: RequestCount | None = None
    periods: Periods = ()
    concurrency: AtOnce | None = None
    sampling: Sampling | None = None
    hours: Hours | None = None
    holder_bound: bool = False
    output_budget: TokenCount | None = later()
    logit_bias: bool = Field(default=False, exclude_if=lambda value: not value)
    precisions: Precisions | None = later()

    @field_serializer("checkpoints", "operations", "purposes")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        return sorted(values)

    def gaps(self) -> tuple[Gap, ...]:
        """Every field that is still to be filled in, in the order of the form."""
        wanted = (
            ("agreement_id", bool(self.agreement_id), "under which agreement"),
            ("title", len(self.title.strip()) >= 3, "what it is called, in three characters or more"),
            ("checkpoints", bool(self.checkpoints), "which checkpoints"),
            ("operations", bool(self.operations), "which operations"),
            ("purposes", bool(self.purposes), "for which purposes"),
            (
                "intended_use",
                len(self.intended_use.strip()) >= LEAST_USE,
                f"what the access is to be used for, in {LEAST_USE} characters or more",
            ),
            ("token_budget", self.token_budget is not None, "how many tokens"),
            ("requests_per_minute", self.requests_per_minute is not None, "how many requests a minute"),
            ("expires_at", self.expires_at is not None, "until when"),
        )
        return tuple(Gap(field=field, says=says) for field, there, says in wanted if not there)

    def terms(self, institution_id: str) -> Terms:
        """The draft as terms. Raises Invalid ``incomplete_request`` naming the first field that is open."""
        gaps = self.gaps()
        if gaps or self.token_budget is None or self.requests_per_minute is None or self.expires_at is None:
            first = gaps[0]
            raise Invalid(
                "incomplete_request",
                f"The request does not say {first.says}.",
                hint="Fill it in, then submit.",
                param=first.field,
            )
        scope = Scope(
            checkpoints=self.checkpoints,
            operations=self.operations,
            purposes=self.purposes,
            token_budget=self.token_budget,
            requests_per_minute=self.requests_per_minute,
            expires_at=self.expires_at,
            request_budget=self.request_budget,
            periods=self.periods,
            concurrency=self.concurrency,
            sampling=self.sampling,
            hours=self.hours,
            holder_bound=self.holder_bound,
            output_budget=self.output_budget,
            logit_bias=self.logit_bias,
            precisions=self.precisions,
        )
        return Terms(
            title=self.title.strip(),
            agreement_id=self.agreement_id,
            holder=self.holder or Holder(kind=HolderKind.INSTITUTION, id=institution_id),
            scope=scope,
            intended_use=self.intended_use.strip(),
        )


class Word(Value):
    """What somebody said, and when."""

    text: str
    by_id: str
    by_name: str
    at: datetime


class Approval(Word):
    """A coordinator agrees to the terms on the table."""

    marks: tuple[Mark, ...] = ()
    """What was high risk about them then."""


class Offer(Word):
    """An alternative that the lab offers, with its reason."""

    number: int
    scope: Scope
    marks: tuple[Mark, ...]
    answer_by: datetime
    accepted: Word | None = None
    declined: Word | None = None


class Granted(Value):
    """What was issued."""

    grant_id: str
    """The institution's grant."""
    delegated_id: str
    """What was delegated from it to the person or program who asked for it; empty where the institution holds it."""
    scope: Scope
    by_id: str
    by_name: str
    at: datetime


class AccessRequest(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    institution_id: str = ""
    institution_name: str = ""
    requester_id: str = ""
    requester_name: str = ""
    copied_from: str = ""
    """The request that its draft began as a copy of."""
    reserved_grant_id: str = ""
    """Under which id a grant would be issued; set aside, so that an approval that is sent again names the same."""
    reserved_child_id: str = ""
    draft: Draft = Draft()
    asked: Terms | None = None
    """What was submitted."""
    status: RequestStatus = RequestStatus.DRAFT
    """As recorded; ``status_on`` says how it stands at a moment."""
    opened_at: datetime | None = None
    saved_at: datetime | None = None
    submitted_at: datetime | None = None
    decide_by: datetime | None = None
    """Until when the lab decides, while it is the lab's turn."""
    marks: tuple[Mark, ...] = ()
    """What was high risk about it when it was submitted."""
    offers: tuple[Offer, ...] = ()
    approvals: tuple[Approval, ...] = ()
    """Who agreed to the terms on the table; another offer, or a declined one, begins anew."""
    granted: Granted | None = None
    refused: Word | None = None
    withdrawn: Word | None = None
    lapsed: Word | None = None

    @property
    def offer(self) -> Offer | None:
        """The alternative that awaits its answer."""
        last = self.offers[-1] if self.offers else None
        return last if last is not None and last.accepted is None and last.declined is None else None

    @property
    def agreed(self) -> Offer | None:
        """The alternative that the requester accepted last, unless another was declined since."""
        last = self.offers[-1] if self.offers else None
        return last if last is not None and last.accepted is not None else None

    @property
    def terms(self) -> Terms | None:
        """What is on the table: as asked, with the scope of the alternative that is offered or was accepted."""
        last = self.offer or self.agreed
        if self.asked is None or last is None:
            return self.asked
        return self.asked.model_copy(update={"scope": last.scope})

    @property
    def holder(self) -> Holder:
        """Who is to use it."""
        return self.draft.holder or Holder(kind=HolderKind.INSTITUTION, id=self.institution_id)

    @property
    def approver_ids(self) -> frozenset[str]:
        """Who agreed to the terms on the table."""
        return frozenset(approval.by_id for approval in self.approvals)

    @property
    def interested_ids(self) -> frozenset[str]:
        """Who never decides on it: those who asked, who accepted an alternative, and who would hold the grant."""
        accepted = {offer.accepted.by_id for offer in self.offers if offer.accepted is not None}
        return frozenset({self.requester_id, self.holder.id, *accepted})

    def status_on(self, now: datetime) -> RequestStatus:
        """How it stands at ``now``: what nobody answered in time has lapsed, and so has what would be over already."""
        if not self.status.is_open:
            return self.status
        if self.offer is not None and now >= self.offer.answer_by:
            return RequestStatus.LAPSED
        if self.terms is not None and now >= self.terms.scope.expires_at:
            return RequestStatus.LAPSED
        return self.status

    def due_on(self, now: datetime) -> datetime | None:
        """Until when whoever's turn it is decides or answers; None while nobody has to."""
        match self.status_on(now):
            case RequestStatus.SUBMITTED:
                return self.decide_by
            case RequestStatus.AMENDED:
                return self.offer.answer_by if self.offer is not None else None
            case _:
                return None

    def overdue_on(self, now: datetime) -> bool:
        """Whether the lab has let its time pass."""
        return self.status_on(now) is RequestStatus.SUBMITTED and self.decide_by is not None and now > self.decide_by

    def complete_with(self, marks: tuple[Mark, ...], *more: str, gone: Collection[str] = ()) -> bool:
        """Whether those who agreed, with whom is named besides, are enough: two where a mark fires, else one.

        ``gone`` are those who agreed and coordinate no more: their word stays on record, and does not count.
        """
        return len((self.approver_ids - set(gone)) | set(more)) >= approvals_needed(marks)


def approvals_needed(marks: tuple[Mark, ...]) -> int:
    """How many coordinators have to agree."""
    return 2 if marks else 1
