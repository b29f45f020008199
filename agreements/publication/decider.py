"""The rules of review before publication: who may do what to it, and while it stands how.

The lab asks within its window, on the agreement's closed list of grounds, and maintains what is contested within one
more. The institution answers each redaction. Neither can end the other's say, and only the institution publishes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from agreements.actors import Actor, PartyKind, Role
from agreements.clauses import ReviewGround
from agreements.deciders import Decider, Event
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound
from agreements.publication.commands import (
    AcceptRedaction,
    AskRedactions,
    ClearPublication,
    ContestRedaction,
    MaintainRedaction,
    OpenReview,
    PublicationCommand,
    RecordPublication,
    WithdrawPublication,
    WithdrawRedaction,
)
from agreements.publication.events import (
    PublicationCleared,
    PublicationOpened,
    PublicationRecorded,
    PublicationWithdrawn,
    RedactionAccepted,
    RedactionContested,
    RedactionMaintained,
    RedactionsAsked,
    RedactionWithdrawn,
)
from agreements.publication.fold import evolve
from agreements.publication.model import (
    Acceptance,
    Contest,
    Outcome,
    Publication,
    PublicationStatus,
    Redaction,
    RedactionStatus,
    Statement,
)
from agreements.publication.words import says

MAX_REDACTIONS = 200

AUTHORS = (Role.PARTNER_LEAD, Role.PARTNER_MEMBER)
"""Who speaks for the institution in a review."""


class Act(StrEnum):
    """What can be done to a review, or to one redaction in it."""

    ASK = "ask"
    CLEAR = "clear"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    ACCEPT = "accept"
    CONTEST = "contest"
    MAINTAIN = "maintain"
    DROP = "drop"


_SIDE = {
    Act.ASK: PartyKind.LAB,
    Act.CLEAR: PartyKind.LAB,
    Act.MAINTAIN: PartyKind.LAB,
    Act.DROP: PartyKind.LAB,
    Act.PUBLISH: PartyKind.INSTITUTION,
    Act.WITHDRAW: PartyKind.INSTITUTION,
    Act.ACCEPT: PartyKind.INSTITUTION,
    Act.CONTEST: PartyKind.INSTITUTION,
}

_UNDECIDED = frozenset(
    {
        PublicationStatus.UNDER_REVIEW,
        PublicationStatus.REDACTIONS_ASKED,
        PublicationStatus.CONTESTED,
        PublicationStatus.DISPUTED,
    }
)

_WHILE = {
    Act.ASK: _UNDECIDED - {PublicationStatus.DISPUTED},
    Act.CLEAR: _UNDECIDED,
    Act.PUBLISH: frozenset({PublicationStatus.CLEARED, PublicationStatus.DISPUTED}),
    Act.WITHDRAW: _UNDECIDED | {PublicationStatus.CLEARED},
}

_REDACTION_WHILE = {
    Act.ACCEPT: frozenset({RedactionStatus.ASKED, RedactionStatus.CONTESTED, RedactionStatus.MAINTAINED}),
    Act.CONTEST: frozenset({RedactionStatus.ASKED}),
    Act.MAINTAIN: frozenset({RedactionStatus.CONTESTED}),
    Act.DROP: frozenset({RedactionStatus.ASKED, RedactionStatus.CONTESTED, RedactionStatus.MAINTAINED}),
}

_HINTS = {
    Act.ASK: "Tell the institution in other ways; the portal no longer holds it up.",
    Act.CLEAR: "There is nothing left to clear.",
    Act.PUBLISH: "Record it once it is cleared, or disputed.",
    Act.WITHDRAW: "What was published or withdrawn stays on record.",
}


def sides_of(state: Publication, actor: Actor) -> frozenset[PartyKind]:
    """For which sides of this review the actor may speak."""
    lab = {PartyKind.LAB} if actor.is_coordinator else set()
    author = any(actor.has(role, state.institution_id) for role in AUTHORS)
    return frozenset(lab | ({PartyKind.INSTITUTION} if author else set()))


def acts_on(state: Publication, actor: Actor, now: datetime) -> frozenset[Act]:
    """What the actor may do to the review at ``now``."""
    sides, status = sides_of(state, actor), state.status_on(now)
    return frozenset(
        act
        for act, allowed in _WHILE.items()
        if _SIDE[act] in sides and status in allowed and (act is not Act.ASK or not _window_over(state, now))
    )


def acts_on_redaction(state: Publication, redaction: Redaction, actor: Actor, now: datetime) -> frozenset[Act]:
    """What the actor may do to one of its redactions at ``now``."""
    if state.status_on(now) not in _UNDECIDED:
        return frozenset()
    sides, status = sides_of(state, actor), redaction.status_on(now)
    return frozenset(act for act, allowed in _REDACTION_WHILE.items() if _SIDE[act] in sides and status in allowed)


def decide(state: Publication, command: PublicationCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, NotFound, Conflict or Invalid."""
    if isinstance(command, OpenReview):
        return _open(state, command, actor, now)
    if not state.id:
        raise NotFound("publication_not_found", "There is no such publication.")
    match command:
        case AskRedactions():
            return _ask(state, command, actor, now)
        case AcceptRedaction():
            return _accept(state, command, actor, now)
        case ContestRedaction():
            redaction = _redaction(state, Act.CONTEST, command.number, actor, now)
            answer_by = now + _window(state)
            contest = Contest(**_statement(command.reason, actor, now).model_dump(), answer_by=answer_by)
            return [RedactionContested(number=redaction.number, contest=contest)]
        case MaintainRedaction():
            redaction = _redaction(state, Act.MAINTAIN, command.number, actor, now)
            statement = _statement(command.reason, actor, now)
            return [RedactionMaintained(number=redaction.number, statement=statement)]
        case WithdrawRedaction():
            redaction = _redaction(state, Act.DROP, command.number, actor, now)
            return [RedactionWithdrawn(number=redaction.number, statement=_statement(command.note, actor, now))]
        case ClearPublication():
            return _clear(state, command, actor, now)
        case RecordPublication():
            return _publish(state, command, actor, now)
        case WithdrawPublication():
            _require(state, Act.WITHDRAW, actor, now)
            return [PublicationWithdrawn(statement=_statement(command.reason, actor, now))]


def _open(state: Publication, command: OpenReview, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.id:
        raise Conflict("publication_exists", f"Publication {state.id} exists.")
    _speaks(Publication(**{name: getattr(command, name) for name in _PARTIES}), Act.WITHDRAW, actor)
    if command.planned_for is not None and command.planned_for < now.date():
        raise Invalid(
            "planned_in_the_past",
            "The date it is planned for has passed.",
            hint="Name the date on which it is to appear, or none.",
            param="planned_for",
        )
    return [
        PublicationOpened(
            **{name: getattr(command, name) for name in OpenReview.model_fields},
            submitted_by=actor.person_id,
            submitted_by_name=actor.name,
            clears_at=now + timedelta(days=command.terms.window_days),
            at=now,
        )
    ]


_PARTIES = ("institution_id", "institution_name", "lab_name")


def _ask(state: Publication, command: AskRedactions, actor: Actor, now: datetime) -> Sequence[Event]:
    _require(state, Act.ASK, actor, now)
    if _window_over(state, now):
        raise Conflict(
            "window_over",
            f"The lab could ask until {state.clears_at:%Y-%m-%d %H:%M} UTC.",
            hint=_HINTS[Act.ASK],
            fixer=Fixer.NOBODY,
        )
    if len(state.redactions) + len(command.redactions) > MAX_REDACTIONS:
        raise Conflict(
            "too_many_redactions",
            f"At most {MAX_REDACTIONS} redactions can be asked for.",
            hint="Name passages that belong together as one.",
        )
    permitted = state.terms.grounds if state.terms is not None else frozenset(ReviewGround)
    redactions = []
    for number, asked in enumerate(command.redactions, start=len(state.redactions) + 1):
        if asked.ground not in {ground.value for ground in permitted}:
            raise Invalid(
                "ground_not_permitted",
                "The agreement does not permit this ground; it permits "
                f"{', '.join(sorted(ground.value for ground in permitted))}.",
                hint="Choose one of these, or leave the passage.",
                param="ground",
            )
        redactions.append(
            Redaction(
                number=number,
                where=asked.where,
                ground=ReviewGround(asked.ground),
                asked=_statement(asked.reason, actor, now),
            )
        )
    return [RedactionsAsked(redactions=tuple(redactions))]


def _accept(state: Publication, command: AcceptRedaction, actor: Actor, now: datetime) -> Sequence[Event]:
    redaction = _redaction(state, Act.ACCEPT, command.number, actor, now)
    if command.sha256 == state.sha256:
        raise Invalid(
            "file_unchanged",
            "This is the digest of the file as it was submitted, so the redaction is not in it.",
            hint="Give the digest of the file with the redaction made.",
            param="sha256",
        )
    acceptance = Acceptance(**_statement(command.note, actor, now).model_dump(), sha256=command.sha256)
    return [RedactionAccepted(number=redaction.number, acceptance=acceptance)]


def _clear(state: Publication, command: ClearPublication, actor: Actor, now: datetime) -> Sequence[Event]:
    _require(state, Act.CLEAR, actor, now)
    word = _statement(command.note, actor, now)
    dropped = [
        RedactionWithdrawn(number=redaction.number, statement=word)
        for redaction in state.redactions
        if redaction.status_on(now) in _REDACTION_WHILE[Act.DROP]
    ]
    return [*dropped, PublicationCleared(statement=word)]


def _publish(state: Publication, command: RecordPublication, actor: Actor, now: datetime) -> Sequence[Event]:
    _require(state, Act.PUBLISH, actor, now)
    if not (command.link or command.doi):
        raise Invalid(
            "nowhere_named", "Neither an address nor a DOI says where it appeared.", hint="Give one.", param="link"
        )
    # Tomorrow in UTC is today in the east.
    if command.published_on > (now + timedelta(days=1)).date():
        raise Invalid(
            "published_in_the_future",
            "The date of publication has not come yet.",
            hint="Record it when it has appeared.",
            param="published_on",
        )
    outcome = Outcome(
        link=command.link,
        doi=command.doi,
        credits=command.credits,
        published_on=command.published_on,
        over_objection=state.status_on(now) is PublicationStatus.DISPUTED,
        recorded=_statement(command.note, actor, now),
    )
    return [PublicationRecorded(outcome=outcome)]


def _speaks(state: Publication, act: Act, actor: Actor) -> None:
    """Raises Forbidden for whoever does not speak for the side whose act it is."""
    side = _SIDE[act]
    if side in sides_of(state, actor):
        return
    if side is PartyKind.LAB:
        raise Forbidden("not_coordinator", "Only a coordinator of the lab may do this.")
    raise Forbidden(
        "not_author",
        f"Only a partner lead or member of {state.institution_name} may do this.",
        hint="Ask one of them.",
        fixer=Fixer.LEAD,
    )


def _require(state: Publication, act: Act, actor: Actor, now: datetime) -> None:
    _speaks(state, act, actor)
    if state.status_on(now) not in _WHILE[act]:
        raise Conflict(
            "wrong_publication_status", f"Publication {state.id} stands so: {says(state, now)}.", hint=_HINTS[act]
        )


def _redaction(state: Publication, act: Act, number: int, actor: Actor, now: datetime) -> Redaction:
    """The redaction of that number, if this may be done to it. Raises Forbidden, NotFound or Conflict."""
    _speaks(state, act, actor)
    found = next((redaction for redaction in state.redactions if redaction.number == number), None)
    if found is None:
        raise NotFound(
            "redaction_not_found", f"Publication {state.id} has no redaction {number}.", hint="Look at its list."
        )
    status = found.status_on(now)
    if state.status_on(now) not in _UNDECIDED or status not in _REDACTION_WHILE[act]:
        raise Conflict(
            "wrong_redaction_status",
            f"Redaction {number} is {status.value}; this needs it to be "
            f"{' or '.join(sorted(one.value for one in _REDACTION_WHILE[act]))}, and the review undecided. "
            f"The publication stands so: {says(state, now)}.",
            hint="Look at it again: somebody may have moved before you, or the time is over.",
        )
    return found


def _window(state: Publication) -> timedelta:
    return timedelta(days=state.terms.window_days if state.terms is not None else 0)


def _window_over(state: Publication, now: datetime) -> bool:
    return state.clears_at is not None and now >= state.clears_at


def _statement(text: str, actor: Actor, now: datetime) -> Statement:
    return Statement(text=text, by_id=actor.person_id, by_name=actor.name, at=now)


PUBLICATION: Decider[Publication, PublicationCommand] = Decider(
    category="publication", initial=Publication(), decide=decide, evolve=evolve
)
"""The decider of reviews before publication; streams are ``publication/pub_…``."""
