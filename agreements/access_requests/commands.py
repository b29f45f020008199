"""What may be asked of an access request. Facts from outside (prerequisites, marks, bounds) come from the service."""

from typing import Annotated

from pydantic import Field, StringConstraints

from agreements.access_requests.deadlines import DecisionPeriod
from agreements.access_requests.model import Draft
from agreements.access_requests.risk import Mark
from agreements.bounds import Bounds
from agreements.deciders import Value
from agreements.errors import Fixer
from agreements.scopes import Scope

Reasoning = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=4000)]
"""A reason that says something; whoever refuses or offers less owes the other side one."""

Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class Blocker(Value):
    """A prerequisite that is missing, and without which nothing can be granted."""

    code: str
    message: str
    hint: str
    fixer: Fixer


class OpenRequest(Value):
    """Begin a draft. The ids of what may be granted one day are set aside."""

    request_id: str
    institution_id: str
    institution_name: str
    reserved_grant_id: str
    reserved_child_id: str
    content: Draft = Draft()
    copied_from: str = ""


class SaveDraft(Value):
    """Keep what is filled in so far."""

    content: Draft


class SubmitRequest(Value):
    """Put the draft before the lab. ``content`` is the draft that the service looked at."""

    content: Draft
    blockers: tuple[Blocker, ...]
    marks: tuple[Mark, ...]
    period: DecisionPeriod


class OfferAlternative(Value):
    """Offer another scope, within the agreement; a word of approval by whoever offers it."""

    scope: Scope
    reason: Reasoning
    bounds: Bounds
    marks: tuple[Mark, ...]
    answer_days: Annotated[int, Field(ge=1, le=366)]


class AcceptAlternative(Value):
    """Take the alternative, as the requester."""

    number: int
    period: DecisionPeriod
    """How long the lab has where another coordinator still has to agree."""
    note: Remark = ""


class DeclineAlternative(Value):
    """Stay with what was asked for, as the requester."""

    number: int
    reason: Reasoning
    period: DecisionPeriod


class ApproveRequest(Value):
    """Agree to the terms on the table; the last word that is needed opens access."""

    scope: Scope
    """What the service saw on the table, and issues a grant of."""
    blockers: tuple[Blocker, ...]
    marks: tuple[Mark, ...]
    opens: bool
    """Whether the grant is issued in the same transaction: where this is the last word that is needed."""
    note: Remark = ""
    gone: tuple[str, ...] = ()
    """Who agreed before and coordinates no more."""


class GrantAgreed(Value):
    """Open access on terms to which enough coordinators and the requester have agreed. Given by a rule."""

    scope: Scope
    blockers: tuple[Blocker, ...]
    marks: tuple[Mark, ...]
    gone: tuple[str, ...] = ()
    """As for an approval."""


class RefuseRequest(Value):
    """Say no."""

    reason: Reasoning


class WithdrawRequest(Value):
    """Take it back, or throw the draft away."""

    reason: Remark = ""


class LapseRequest(Value):
    """Record that nobody answered in time, or that nothing is left to grant. Given by a rule."""

    reason: Annotated[str, Field(min_length=3, max_length=1000)]
    agreement_over: bool = False
    """Whether the agreement has ended, whatever the clocks of the request say."""


RequestCommand = (
    OpenRequest
    | SaveDraft
    | SubmitRequest
    | OfferAlternative
    | AcceptAlternative
    | DeclineAlternative
    | ApproveRequest
    | GrantAgreed
    | RefuseRequest
    | WithdrawRequest
    | LapseRequest
)
