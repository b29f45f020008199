"""Re-sign campaigns: one newer version of a template, put to every partner whose agreement came from an earlier one.

Each partner gets an amendment of its own agreement and answers it as any other. A campaign records whom it was put to
and what stood in the way elsewhere; how each answer stands is read from the agreements.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Invalid

Note = Annotated[str, Field(max_length=2000)]


class CampaignEntry(Value):
    """One agreement in a campaign."""

    agreement_id: str
    proposed: bool
    version: int | None = None
    """The number of the amendment that was proposed."""
    conflicts: tuple[str, ...] = ()
    """Clauses that stay as negotiated although the template changed them."""
    code: str = ""
    """Of the refusal, where nothing was proposed."""
    reason: str = ""
    """Why nothing was proposed, in words."""

    @model_validator(mode="after")
    def _proposed_or_why_not(self) -> Self:
        if self.proposed != (self.version is not None) or self.proposed == bool(self.reason):
            raise ValueError("an entry has the version that was proposed, or the reason why none was")
        return self


class Campaign(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    template_id: str = ""
    to_version: int = 0
    note: str = ""
    entries: tuple[CampaignEntry, ...] = ()
    started_by: str = ""
    started_at: datetime | None = None
    closed_at: datetime | None = None
    close_note: str = ""


class CampaignStarted(Event, type="campaign:started"):
    """The amendments were put to the partners."""

    campaign_id: str
    template_id: str
    to_version: int
    note: str
    entries: tuple[CampaignEntry, ...]
    by_id: str
    at: datetime


class CampaignClosed(Event, type="campaign:closed"):
    """The lab waits for no further answers; those still open stay open in their agreements."""

    note: str
    by_id: str
    at: datetime


class StartCampaign(Value):
    """Record what was put to whom."""

    campaign_id: str
    template_id: str
    to_version: Annotated[int, Field(ge=2)]
    note: Note = ""
    entries: tuple[CampaignEntry, ...] = Field(min_length=1, max_length=10_000)


class CloseCampaign(Value):
    """Wait for no further answers."""

    note: Note = ""


CampaignCommand = StartCampaign | CloseCampaign


def coordinator(actor: Actor) -> None:
    """Raises Forbidden for everybody but a coordinator: who has signed what is between the lab and each partner."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator of the lab may do this.")


def decide(
    state: Campaign, command: CampaignCommand, actor: Actor, now: datetime
) -> Sequence[CampaignStarted | CampaignClosed]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    coordinator(actor)
    match command:
        case StartCampaign():
            return [_start(state, command, actor, now)]
        case CloseCampaign():
            return [_close(state, command, actor, now)]


def _start(state: Campaign, command: StartCampaign, actor: Actor, now: datetime) -> CampaignStarted:
    if state.id:
        raise Conflict("campaign_exists", f"Campaign {state.id} exists.")
    named = [entry.agreement_id for entry in command.entries]
    if len(set(named)) < len(named):
        raise Invalid("agreement_twice", "A campaign names each agreement once.", param="entries")
    return CampaignStarted(
        campaign_id=command.campaign_id,
        template_id=command.template_id,
        to_version=command.to_version,
        note=command.note,
        entries=command.entries,
        by_id=actor.person_id,
        at=now,
    )


def _close(state: Campaign, command: CloseCampaign, actor: Actor, now: datetime) -> CampaignClosed:
    if not state.id:
        raise Conflict("campaign_not_started", "The campaign was not started.")
    if state.closed_at is not None:
        raise Conflict("campaign_closed", f"Campaign {state.id} was closed on {state.closed_at:%Y-%m-%d}.")
    return CampaignClosed(note=command.note, by_id=actor.person_id, at=now)


def evolve(state: Campaign, event: Event) -> Campaign:
    """Fold one event into the state."""
    match event:
        case CampaignStarted():
            return Campaign(
                id=event.campaign_id,
                template_id=event.template_id,
                to_version=event.to_version,
                note=event.note,
                entries=event.entries,
                started_by=event.by_id,
                started_at=event.at,
            )
        case CampaignClosed():
            return state.model_copy(update={"closed_at": event.at, "close_note": event.note})
        case _:
            raise TypeError(f"a campaign has no event {event.type_name!r}")


CAMPAIGN: Decider[Campaign, CampaignCommand] = Decider(
    category="campaign", initial=Campaign(), decide=decide, evolve=evolve
)
"""What may be asked of a campaign."""
