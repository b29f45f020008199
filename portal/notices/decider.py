"""The rules of notices: raised and delivered by named rules alone, read by whom they are for."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Forbidden, NotFound
from portal.notices.model import (
    Delivery,
    DeliveryChannel,
    DeliveryStatus,
    Notice,
    NoticeState,
    ReadMark,
    reader_keys,
)


class NoticeRaised(Event, type="notice:raised"):
    """There is something to know."""

    notice: Notice
    at: AwareDatetime


class NoticeDelivered(Event, type="notice:delivered"):
    """It reached a target outside the portal."""

    channel: DeliveryChannel
    target_id: str
    attempt: int
    status_code: int | None
    at: AwareDatetime


class NoticeFailed(Event, type="notice:failed"):
    """It did not reach a target; ``next_at`` is when it is tried again, none once it is given up."""

    channel: DeliveryChannel
    target_id: str
    attempt: int
    status_code: int | None
    reason: str
    next_at: AwareDatetime | None
    at: AwareDatetime


class NoticeRead(Event, type="notice:read"):
    """Somebody it is for has seen it."""

    person_id: str
    at: AwareDatetime


class RaiseNotice(Value):
    """Tell of something; telling of it again changes nothing."""

    notice: Notice


class RecordDelivery(Value):
    """A target took it."""

    channel: DeliveryChannel
    target_id: str
    status_code: int | None = None


class RecordFailure(Value):
    """A target did not take it."""

    channel: DeliveryChannel
    target_id: str
    status_code: int | None = None
    reason: str
    next_at: AwareDatetime | None


class MarkRead(Value):
    """The actor has seen it."""

    notice_id: str


NoticeCommand = RaiseNotice | RecordDelivery | RecordFailure | MarkRead


def decide(state: NoticeState, command: NoticeCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden ``rules_only`` or NotFound ``notice_not_found``."""
    if isinstance(command, MarkRead):
        return _read(state, command, actor, now)
    if not actor.is_automatic:
        raise Forbidden("rules_only", "Notices are raised and delivered by the portal's own rules.")
    if isinstance(command, RaiseNotice):
        return [] if state.notice is not None else [NoticeRaised(notice=command.notice, at=now)]
    if state.notice is None:
        raise NotFound("notice_not_found", "What was not raised cannot be delivered.")
    before = state.delivery(command.channel, command.target_id)
    if before is not None and before.status is DeliveryStatus.DELIVERED:
        return []
    attempt = state.next_attempt(command.channel, command.target_id)
    if isinstance(command, RecordDelivery):
        return [
            NoticeDelivered(
                channel=command.channel,
                target_id=command.target_id,
                attempt=attempt,
                status_code=command.status_code,
                at=now,
            )
        ]
    return [
        NoticeFailed(
            channel=command.channel,
            target_id=command.target_id,
            attempt=attempt,
            status_code=command.status_code,
            reason=command.reason,
            next_at=command.next_at,
            at=now,
        )
    ]


def no_such_notice(notice_id: str) -> NotFound:
    """The refusal for a notice that is not there, or not for the caller."""
    return NotFound("notice_not_found", f"There is no notice {notice_id!r}.")


def _read(state: NoticeState, command: MarkRead, actor: Actor, now: datetime) -> Sequence[Event]:
    if state.notice is None or not state.notice.is_for(reader_keys(actor.person_id, actor.memberships)):
        raise no_such_notice(command.notice_id)
    return [] if state.read_at(actor.person_id) else [NoticeRead(person_id=actor.person_id, at=now)]


def evolve(state: NoticeState, event: Event) -> NoticeState:
    """Fold one event into the state."""
    match event:
        case NoticeRaised():
            return NoticeState(notice=event.notice, raised_at=event.at)
        case NoticeDelivered():
            delivery = Delivery(
                channel=event.channel,
                target_id=event.target_id,
                attempt=event.attempt,
                status=DeliveryStatus.DELIVERED,
                status_code=event.status_code,
                reason="",
                at=event.at,
                next_at=None,
            )
            return _with_delivery(state, delivery)
        case NoticeFailed():
            delivery = Delivery(
                channel=event.channel,
                target_id=event.target_id,
                attempt=event.attempt,
                status=DeliveryStatus.WAITING if event.next_at else DeliveryStatus.GIVEN_UP,
                status_code=event.status_code,
                reason=event.reason,
                at=event.at,
                next_at=event.next_at,
            )
            return _with_delivery(state, delivery)
        case NoticeRead():
            mark = ReadMark(person_id=event.person_id, at=event.at)
            return state.model_copy(update={"read_by": (*state.read_by, mark)})
        case _:
            raise TypeError(f"a notice has no event {event.type_name!r}")


def _with_delivery(state: NoticeState, delivery: Delivery) -> NoticeState:
    others = tuple(d for d in state.deliveries if (d.channel, d.target_id) != (delivery.channel, delivery.target_id))
    return state.model_copy(update={"deliveries": (*others, delivery)})


NOTICE: Decider[NoticeState, NoticeCommand] = Decider(
    category="notice", initial=NoticeState(), decide=decide, evolve=evolve
)
"""The decider of notices; streams are ``notice/<key>``."""
