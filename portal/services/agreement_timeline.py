"""An agreement's history in words, from its events, as far as the reader may know them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agreements.actors import Actor, PartyKind
from agreements.agreement import Agreement
from agreements.agreement.events import (
    AgreementClosed,
    AgreementCommented,
    AgreementCountered,
    AgreementDrafted,
    AgreementEdited,
    AgreementEnded,
    AgreementEnteredIntoForce,
    AgreementNarrowed,
    AgreementOffered,
    AgreementProposed,
    AgreementSigned,
    AgreementSuspended,
    AgreementWidened,
    AppealDecided,
    ProposalDropped,
    SuspensionAppealed,
    SuspensionLifted,
)
from agreements.deciders import Event, Value
from portal.services.agreements import AgreementService
from portal.services.kernel import Kernel

_MOST_EVENTS = 2000


class TimelineEntry(Value):
    """One thing that happened."""

    position: int
    """The leaf of the log that proves it."""
    type: str
    at: datetime
    by: str
    """Who did it; for a rule that acts by itself, the rule's name."""
    automatic: bool
    text: str
    detail: str = ""
    """What they said about it, in their own words."""


class AgreementTimeline:
    """Tells histories."""

    def __init__(self, kernel: Kernel, agreements: AgreementService) -> None:
        self._kernel = kernel
        self._agreements = agreements

    def of(self, actor: Actor, agreement_id: str) -> tuple[TimelineEntry, ...]:
        """Everything the actor may know of, oldest first. Raises NotFound."""
        agreement = self._agreements.get(actor, agreement_id)
        entries = []
        for recorded in self._kernel.store.events(f"agreement/{agreement_id}", limit=_MOST_EVENTS):
            if not (actor.is_coordinator or actor.is_automatic) and _only_the_labs(recorded.event, agreement):
                continue
            text, detail = told(recorded.event, agreement)
            entries.append(
                TimelineEntry(
                    position=recorded.position,
                    type=recorded.event.type_name,
                    at=recorded.at,
                    by=recorded.actor_name or recorded.actor_id.removeprefix("auto:"),
                    automatic=recorded.actor_id.startswith("auto:"),
                    text=text,
                    detail=detail,
                )
            )
        return tuple(entries)


def _only_the_labs(event: Event, agreement: Agreement) -> bool:
    """Whether the event is about a text that the lab has not put on the table, or not yet."""
    if isinstance(event, AgreementDrafted | AgreementEdited):
        return True
    if isinstance(event, AgreementProposed):
        return event.proposed_by is PartyKind.LAB
    if isinstance(event, AgreementCommented):
        return all(comment.number != event.comment.number for comment in agreement.comments)
    if isinstance(event, ProposalDropped):
        return all(version.number != event.version for version in agreement.versions)
    return False


def told(event: Event, agreement: Agreement) -> tuple[str, str]:
    """What happened, in words, and what was said about it by whoever did it."""
    tell = _STORIES.get(type(event))
    return tell(event, agreement) if tell is not None else (event.type_name, "")


def _party(party: PartyKind, agreement: Agreement) -> str:
    return agreement.lab_name if party is PartyKind.LAB else agreement.institution_name


def _entered(event: AgreementEnteredIntoForce, _agreement: Agreement) -> tuple[str, str]:
    if event.grace_ends_at is None:
        return "Entered into force.", ""
    return f"The new version entered into force; the one before works on until {event.grace_ends_at:%Y-%m-%d}.", ""


_STORIES: dict[type[Event], Callable[[Any, Agreement], tuple[str, str]]] = {
    AgreementDrafted: lambda event, _: (f"Drafted from the template {event.template_id}.", ""),
    AgreementEdited: lambda event, _: ("The draft was edited.", event.note),
    AgreementProposed: lambda event, _: (f"Version {event.version} was begun: {event.change.article}.", event.note),
    AgreementOffered: lambda event, _: ("Offered for signature.", ""),
    AgreementCountered: lambda event, agreement: (
        f"{_party(event.by, agreement)} put version {event.version} on the table.",
        event.note,
    ),
    AgreementCommented: lambda event, agreement: (
        f"{_party(event.comment.party, agreement)} commented on "
        + (f"clause {event.comment.clause_id} of " if event.comment.clause_id else "")
        + f"version {event.comment.version}.",
        event.comment.text,
    ),
    AgreementSigned: lambda event, agreement: (f"Signed for {_party(event.signature.party, agreement)}.", ""),
    AgreementEnteredIntoForce: _entered,
    ProposalDropped: lambda event, _: (f"Version {event.version} was {event.status.label}.", event.reason),
    AgreementSuspended: lambda event, _: (
        f"Suspended for {event.suspension.reason}, from {event.suspension.takes_effect_at:%Y-%m-%d %H:%M} UTC on.",
        event.suspension.statement,
    ),
    SuspensionLifted: lambda event, _: (f"Suspension {event.number} was lifted.", event.reason),
    SuspensionAppealed: lambda event, _: (f"Suspension {event.number} was appealed.", event.appeal.text),
    AppealDecided: lambda event, _: (
        f"The appeal against suspension {event.number} was {event.outcome.value}"
        + (": not decided in time." if event.outcome.value == "lapsed" else "."),
        event.reasons,
    ),
    AgreementNarrowed: lambda event, _: (
        f"Access was narrowed to {', '.join(sorted(event.narrowing.operations))}.",
        event.narrowing.statement,
    ),
    AgreementWidened: lambda event, _: ("The narrowing ended.", event.reason),
    AgreementEnded: lambda event, _: (f"{event.status.label.capitalize()}.", event.reason),
    AgreementClosed: lambda event, _: (
        f"Closed as {'fulfilled' if event.fulfilled else 'not fulfilled'}.",
        event.note,
    ),
}
