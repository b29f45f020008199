"""The rules of access requests: who asks, who decides, and that nobody decides on what they asked for.

A request is the requester's own until it is submitted. A coordinator approves it, offers an alternative, or refuses it;
where the policy marks it as high risk, two coordinators agree to the same terms. Only the requester, or a lead of the
institution, answers an alternative or takes the request back.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from agreements.access_requests.commands import (
    AcceptAlternative,
    ApproveRequest,
    Blocker,
    DeclineAlternative,
    GrantAgreed,
    LapseRequest,
    OfferAlternative,
    OpenRequest,
    RefuseRequest,
    RequestCommand,
    SaveDraft,
    SubmitRequest,
    WithdrawRequest,
)
from agreements.access_requests.events import (
    AlternativeAccepted,
    AlternativeDeclined,
    AlternativeOffered,
    RequestApproved,
    RequestDraftSaved,
    RequestGranted,
    RequestLapsed,
    RequestOpened,
    RequestRefused,
    RequestSubmitted,
    RequestWithdrawn,
)
from agreements.access_requests.fold import evolve
from agreements.access_requests.model import (
    MAX_OFFERS,
    AccessRequest,
    Approval,
    Granted,
    Offer,
    RequestStatus,
    Word,
)
from agreements.access_requests.risk import Mark
from agreements.access_requests.words import says
from agreements.actors import Actor, Role
from agreements.deciders import Decider, Event
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound
from agreements.grants import HolderKind
from agreements.grants.authority import signed_in
from agreements.scopes import Scope

ASKERS = (Role.PARTNER_LEAD, Role.PARTNER_MEMBER)
"""Who asks for their institution."""


class Act(StrEnum):
    """What can be done to a request."""

    SAVE = "save"
    SUBMIT = "submit"
    APPROVE = "approve"
    OFFER = "offer"
    REFUSE = "refuse"
    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


_LAB = frozenset({Act.APPROVE, Act.OFFER, Act.REFUSE})
_OWN = frozenset({Act.SAVE, Act.SUBMIT})

_WHILE = {
    Act.SAVE: frozenset({RequestStatus.DRAFT}),
    Act.SUBMIT: frozenset({RequestStatus.DRAFT}),
    Act.APPROVE: frozenset({RequestStatus.SUBMITTED}),
    Act.OFFER: frozenset({RequestStatus.SUBMITTED, RequestStatus.AMENDED}),
    Act.REFUSE: frozenset({RequestStatus.SUBMITTED, RequestStatus.AMENDED}),
    Act.ACCEPT: frozenset({RequestStatus.AMENDED}),
    Act.DECLINE: frozenset({RequestStatus.AMENDED}),
    Act.WITHDRAW: frozenset({RequestStatus.DRAFT, RequestStatus.SUBMITTED, RequestStatus.AMENDED}),
}


def sees(state: AccessRequest, actor: Actor) -> bool:
    """Whether the actor may know of the request: of a draft only whoever writes it, else both sides."""
    of_institution = actor.belongs_to(state.institution_id) and not actor.program
    if state.submitted_at is None:
        return of_institution and actor.person_id == state.requester_id
    return of_institution or actor.is_coordinator


def acts_on(
    state: AccessRequest, actor: Actor, now: datetime, marks: Sequence[Mark] = (), *, gone: Collection[str] = ()
) -> frozenset[Act]:
    """What the actor may do to the request at ``now``.

    ``marks`` are those that fire on the terms on the table; ``gone`` agreed to them and coordinate no more.
    """
    status = state.status_on(now)
    found = {act for act, allowed in _WHILE.items() if status in allowed and _may(state, act, actor)}
    if actor.person_id in state.approver_ids and not state.complete_with(tuple(marks), gone=gone):
        found.discard(Act.APPROVE)
    return frozenset(found)


def decide(state: AccessRequest, command: RequestCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound, Conflict or Invalid."""
    signed_in(actor)
    if isinstance(command, OpenRequest):
        return _open(state, command, actor, now)
    if not state.id:
        raise NotFound("access_request_not_found", "There is no such access request.")
    match command:
        case SaveDraft() | SubmitRequest() | AcceptAlternative() | DeclineAlternative() | WithdrawRequest():
            return _institution(state, command, actor, now)
        case OfferAlternative():
            return _offer(state, command, actor, now)
        case ApproveRequest():
            return _approve(state, command, actor, now)
        case RefuseRequest():
            _require(state, Act.REFUSE, actor, now)
            return [RequestRefused(word=_word(command.reason, actor, now))]
        case GrantAgreed():
            return _grant_agreed(state, command, actor, now)
        case LapseRequest():
            return _lapse(state, command, actor, now)


# ---- the institution's side ------------------------------------------------------------------------------------------


def _institution(
    state: AccessRequest,
    command: SaveDraft | SubmitRequest | AcceptAlternative | DeclineAlternative | WithdrawRequest,
    actor: Actor,
    now: datetime,
) -> Sequence[Event]:
    match command:
        case SaveDraft():
            _require(state, Act.SAVE, actor, now)
            unchanged = command.content == state.draft
            return [] if unchanged else [RequestDraftSaved(content=command.content, at=now)]
        case SubmitRequest():
            return _submit(state, command, actor, now)
        case AcceptAlternative():
            _answered(state, Act.ACCEPT, command.number, actor, now)
            word = _word(command.note, actor, now)
            return [AlternativeAccepted(number=command.number, word=word, decide_by=command.period.end(now))]
        case DeclineAlternative():
            _answered(state, Act.DECLINE, command.number, actor, now)
            word = _word(command.reason, actor, now)
            return [AlternativeDeclined(number=command.number, word=word, decide_by=command.period.end(now))]
        case WithdrawRequest():
            _require(state, Act.WITHDRAW, actor, now)
            return [RequestWithdrawn(word=_word(command.reason, actor, now))]


def _open(state: AccessRequest, command: OpenRequest, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("access_request_exists", f"Access request {state.id} exists.")
    if not _asks_for(actor, command.institution_id):
        raise _not_asker(command.institution_name)
    fields = {name: getattr(command, name) for name in OpenRequest.model_fields}
    return [RequestOpened(**fields, requester_id=actor.person_id, requester_name=actor.name, at=now)]


def _submit(state: AccessRequest, command: SubmitRequest, actor: Actor, now: datetime) -> Sequence[Event]:
    _require(state, Act.SUBMIT, actor, now)
    if command.content != state.draft:
        raise Conflict(
            "draft_changed",
            f"The draft of access request {state.id} was changed meanwhile.",
            hint="Look at it again, then submit.",
        )
    terms = state.draft.terms(state.institution_id)
    if terms.scope.expires_at <= now:
        raise Invalid(
            "already_expired",
            "The access asked for would be over before it begins.",
            hint="Choose a later end.",
            param="expires_at",
        )
    _unblocked(command.blockers)
    return [RequestSubmitted(terms=terms, marks=command.marks, decide_by=command.period.end(now), at=now)]


def _answered(state: AccessRequest, act: Act, number: int, actor: Actor, now: datetime) -> None:
    _require(state, act, actor, now)
    if state.offer is None or state.offer.number != number:
        raise Conflict(
            "another_alternative",
            f"Alternative {number} of access request {state.id} is not the one that is on the table.",
            hint="Look at the request again: the lab may have offered another one.",
        )


# ---- the lab's side --------------------------------------------------------------------------------------------------


def _offer(state: AccessRequest, command: OfferAlternative, actor: Actor, now: datetime) -> Sequence[Event]:
    _require(state, Act.OFFER, actor, now)
    if beyond := command.bounds.beyond(command.scope):
        first = beyond[0]
        raise Invalid(
            "beyond_agreement",
            f"The alternative goes beyond the agreement in {first.dimension}: {first.message}.",
            hint="Offer less, or amend the agreement first.",
            param=first.dimension,
        )
    if command.scope.expires_at <= now:
        raise Invalid(
            "already_expired",
            "The alternative would be over before it begins.",
            hint="Choose a later end.",
            param="expires_at",
        )
    if state.terms is not None and command.scope == state.terms.scope:
        raise Invalid(
            "nothing_changes",
            "The alternative is just what is on the table already.",
            hint="Approve it, or change what you offer.",
        )
    if len(state.offers) >= MAX_OFFERS:
        raise Conflict(
            "too_many_alternatives", f"{MAX_OFFERS} alternatives were offered.", hint="Refuse it, and talk instead."
        )
    offer = Offer(
        **_word(command.reason, actor, now).model_dump(),
        number=len(state.offers) + 1,
        scope=command.scope,
        marks=command.marks,
        answer_by=now + timedelta(days=command.answer_days),
    )
    return [AlternativeOffered(offer=offer)]


def _approve(state: AccessRequest, command: ApproveRequest, actor: Actor, now: datetime) -> Sequence[Event]:
    _require(state, Act.APPROVE, actor, now)
    again = actor.person_id in state.approver_ids
    if again and not state.complete_with(command.marks, gone=command.gone):
        raise Conflict(
            "second_person_needed",
            f"You agreed to access request {state.id} already; it is high risk ({command.marks[0].says}), and another "
            "coordinator has to agree too.",
            hint="Ask another coordinator to look at it.",
            fixer=Fixer.COORDINATOR,
        )
    _unchanged(state, command.scope)
    if command.opens is not state.complete_with(command.marks, actor.person_id, gone=command.gone):
        # Somebody agreed meanwhile, so that whether this is the last word is to be asked anew.
        raise _changed(state)
    _unblocked(command.blockers)
    approval = Approval(**_word(command.note, actor, now).model_dump(), marks=command.marks)
    agreed: list[Event] = [] if again else [RequestApproved(approval=approval)]
    return [*agreed, _granted(state, actor, now)] if command.opens else agreed


def _grant_agreed(state: AccessRequest, command: GrantAgreed, actor: Actor, now: datetime) -> Sequence[Event]:
    _rule_only(actor)
    enough = state.complete_with(command.marks, gone=command.gone)
    if state.status_on(now) is not RequestStatus.SUBMITTED or not enough:
        raise Conflict("not_agreed", f"Not everybody who has to agree to access request {state.id} did.")
    _unchanged(state, command.scope)
    _unblocked(command.blockers)
    return [_granted(state, actor, now)]


def _lapse(state: AccessRequest, command: LapseRequest, actor: Actor, now: datetime) -> Sequence[Event]:
    _rule_only(actor)
    if not state.status.is_open:
        raise Conflict("wrong_request_status", f"Access request {state.id} is {state.status.label}.")
    if not command.agreement_over and state.status_on(now) is not RequestStatus.LAPSED:
        raise Conflict("not_lapsed", f"Access request {state.id} has not lapsed: {says(state, now)}.")
    return [RequestLapsed(word=_word(command.reason, actor, now))]


# ---- what several of them ask ----------------------------------------------------------------------------------------


def _granted(state: AccessRequest, actor: Actor, now: datetime) -> RequestGranted:
    if state.terms is None:
        raise TypeError("what was submitted has terms")
    delegated = state.holder.kind is not HolderKind.INSTITUTION
    return RequestGranted(
        granted=Granted(
            grant_id=state.reserved_grant_id,
            delegated_id=state.reserved_child_id if delegated else "",
            scope=state.terms.scope,
            by_id=actor.person_id,
            by_name=actor.name,
            at=now,
        )
    )


def _asks_for(actor: Actor, institution_id: str) -> bool:
    return any(actor.has(role, institution_id) for role in ASKERS)


def _may(state: AccessRequest, act: Act, actor: Actor) -> bool:
    if actor.grant_id is not None or actor.program:
        return False
    if act in _LAB:
        return actor.is_coordinator and actor.person_id not in state.interested_ids
    asks = _asks_for(actor, state.institution_id)
    if act in _OWN or state.submitted_at is None:
        return asks and actor.person_id == state.requester_id
    return (asks and actor.person_id == state.requester_id) or actor.has(Role.PARTNER_LEAD, state.institution_id)


def check_may(state: AccessRequest, act: Act, actor: Actor) -> None:
    """Raises Forbidden for whoever may not do this to the request, however it stands."""
    signed_in(actor)
    if not _may(state, act, actor):
        raise _forbidden(state, act, actor)


def _require(state: AccessRequest, act: Act, actor: Actor, now: datetime) -> None:
    """Raises Forbidden for whoever may not, and Conflict where the request does not stand so."""
    check_may(state, act, actor)
    if state.status_on(now) not in _WHILE[act]:
        awaited = act is Act.APPROVE and state.status_on(now) is RequestStatus.AMENDED
        raise Conflict(
            "alternative_unanswered" if awaited else "wrong_request_status",
            f"Access request {state.id} stands so: {says(state, now)}.",
            hint="The institution answers the alternative first."
            if awaited
            else "Look at it again: somebody may have moved before you, or the time is over.",
            fixer=Fixer.LEAD if awaited else None,
        )


def _forbidden(state: AccessRequest, act: Act, actor: Actor) -> Forbidden:
    if act not in _LAB:
        if not _asks_for(actor, state.institution_id):
            return _not_asker(state.institution_name)
        return Forbidden(
            "not_the_requester",
            f"Access request {state.id} is {state.requester_name}'s.",
            hint="Ask them, or begin a request of your own.",
            fixer=Fixer.LEAD,
        )
    if not actor.is_coordinator:
        return Forbidden("not_coordinator", "Only a coordinator of the lab decides on access requests.")
    return Forbidden(
        "own_request",
        "Nobody decides on what they asked for, agreed to for the institution, or would hold themselves.",
        hint="Another coordinator decides.",
    )


def _not_asker(institution_name: str) -> Forbidden:
    return Forbidden(
        "not_asker",
        f"Only a partner lead or member of {institution_name} asks for access there.",
        hint="Ask one of them.",
        fixer=Fixer.LEAD,
    )


def _unblocked(blockers: Sequence[Blocker]) -> None:
    """Raises Conflict with the code of the first prerequisite that is missing."""
    if blockers:
        first = blockers[0]
        raise Conflict(first.code, f"{first.message.rstrip('.')}.", hint=first.hint, fixer=first.fixer)


def _unchanged(state: AccessRequest, scope: Scope) -> None:
    if state.terms is None or state.terms.scope != scope:
        raise _changed(state)


def _changed(state: AccessRequest) -> Conflict:
    return Conflict(
        "request_changed",
        f"Access request {state.id} changed meanwhile.",
        hint="Look at it again and repeat what you did.",
    )


def _rule_only(actor: Actor) -> None:
    if not actor.is_automatic:
        raise Forbidden("rules_only", "This is done by a rule of the portal, not by hand.", fixer=Fixer.NOBODY)


def _word(text: str, actor: Actor, now: datetime) -> Word:
    return Word(text=text, by_id=actor.person_id, by_name=actor.name, at=now)


ACCESS_REQUEST: Decider[AccessRequest, RequestCommand] = Decider(
    category="access_request", initial=AccessRequest(), decide=decide, evolve=evolve
)
"""The decider of access requests; streams are ``access_request/req_…``."""
