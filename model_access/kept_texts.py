"""Prompt and answer of a run, kept for a while because an agreement says so.

The words lie sealed outside the log, under a key of their own. The log knows whose they are, by which clause they are
kept and until when, who read them, and when and why they were destroyed.

nothing ──keep──▶ kept ──destroy──▶ destroyed
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict

Days = Annotated[int, Field(ge=1, le=3660)]


class KeepingTerms(Value):
    """What a clause says about keeping what runs were asked and answered, and where it says it."""

    agreement_id: str
    """The agreement that the grant rests on; what is kept ends with it."""
    stands_in: str
    """The agreement in which the clause stands: the same, or the framework it belongs to."""
    version_digest: str
    """Of the version of that text."""
    clause: str
    """Its number and title, as people read them."""
    days: Days
    lab_reads: bool = False
    outlives: bool = False
    """Whether it is kept for its days also when the agreement ends before."""

    def until(self, now: datetime) -> datetime:
        """To when it keeps what is kept from now on."""
        return now + timedelta(days=self.days)


class Today(Value):
    """What the agreement says now of what was kept under it; after its end, what it said last."""

    runs: bool
    """Whether it is running, suspended or not."""
    ended_at: datetime | None = None
    """When it ended, where it does not run any more."""
    days: int | None = None
    """How many days it keeps the words of runs; None where it no longer says that it does."""
    lab_reads: bool = False
    outlives: bool = False


class How(StrEnum):
    """What a reading was for."""

    SHOWN = "shown"
    EXPORTED = "exported"
    REPLAYED = "replayed"


class KeptText(Value):
    """Current state; ``run_id`` is empty until it is kept."""

    run_id: str = ""
    owner_id: str = ""
    """Whoever made the run."""
    institution_id: str | None = None
    grant_id: str = ""
    terms: KeepingTerms | None = None
    size: int = 0
    """Bytes, sealed."""
    kept_at: datetime | None = None
    keep_until: datetime | None = None
    readings: int = 0
    destroyed_at: datetime | None = None
    destroyed_because: str = ""

    @property
    def kept(self) -> bool:
        """Whether the words are still there."""
        return bool(self.run_id) and self.destroyed_at is None


class Clock(Value):
    """Until when something is kept, and what ends it."""

    until: datetime
    because: str
    """Why it is destroyed then, in words."""


ENDED = "the agreement ended"
DROPPED = "the agreement no longer keeps prompts and answers"
SHORTENED = "the time that the agreement now keeps them was over"
OVER = "the time that the agreement keeps them was over"


def clock_of(state: KeptText, today: Today) -> Clock:
    """When what is kept has to go: never later than was agreed when it was kept, sooner where less is agreed now.

    Raises Conflict ``nothing_kept`` for what never was.
    """
    if state.terms is None or state.kept_at is None or state.keep_until is None:
        raise Conflict("nothing_kept", "Nothing is kept of that run.")
    clocks = [Clock(until=state.keep_until, because=OVER)]
    if today.days is None:
        clocks.append(Clock(until=state.kept_at, because=DROPPED))
    else:
        clocks.append(Clock(until=state.kept_at + timedelta(days=today.days), because=SHORTENED))
    stays = state.terms.outlives and today.outlives
    if not today.runs and not stays and today.ended_at is not None:
        clocks.append(Clock(until=max(today.ended_at, state.kept_at), because=ENDED))
    return min(clocks, key=lambda one: one.until)


def lab_may_read(state: KeptText, today: Today) -> bool:
    """Whether the lab may read it: only what was agreed when it was kept, and no longer than it is agreed."""
    return state.terms is not None and state.terms.lab_reads and today.lab_reads


class TextKept(Event, type="kept:stored"):
    """Sealed and kept."""

    run_id: str
    owner_id: str
    institution_id: str | None
    grant_id: str
    terms: KeepingTerms
    size: int
    keep_until: datetime
    at: datetime


class TextRead(Event, type="kept:read"):
    """Somebody was given the words. Who, is in the entry."""

    how: How
    at: datetime


class TextDestroyed(Event, type="kept:destroyed"):
    """The words are gone, and the key that opened them."""

    because: str
    at: datetime


class KeepText(Value):
    """Keep words that are sealed already."""

    run_id: str
    owner_id: str
    institution_id: str | None
    grant_id: str
    terms: KeepingTerms
    size: int = Field(ge=1)
    keep_until: datetime


class NoteReading(Value):
    """Somebody is given the words."""

    how: How


class DestroyText(Value):
    """The words are gone; say why."""

    because: str = Field(min_length=1, max_length=200)


KeptCommand = KeepText | NoteReading | DestroyText


def decide(state: KeptText, command: KeptCommand, _actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Conflict ``kept_already`` or ``text_destroyed``."""
    if isinstance(command, KeepText):
        if state.run_id:
            raise Conflict("kept_already", f"What run {state.run_id} was asked and answered is kept already.")
        return [TextKept(**{name: getattr(command, name) for name in KeepText.model_fields}, at=now)]
    if not state.kept:
        raise Conflict("text_destroyed", "Prompt and answer are gone, and the key that opened them.")
    match command:
        case NoteReading():
            return [TextRead(how=command.how, at=now)]
        case DestroyText():
            return [TextDestroyed(because=command.because, at=now)]


def evolve(state: KeptText, event: Event) -> KeptText:
    """Fold one event into the state."""
    match event:
        case TextKept():
            said = {name: getattr(event, name) for name in KeepText.model_fields}
            return KeptText(**said, kept_at=event.at)
        case TextRead():
            return state.model_copy(update={"readings": state.readings + 1})
        case TextDestroyed():
            return state.model_copy(update={"destroyed_at": event.at, "destroyed_because": event.because})
        case _:
            raise TypeError(f"a kept text has no event {event.type_name!r}")


KEPT_TEXT: Decider[KeptText, KeptCommand] = Decider(category="kept", initial=KeptText(), decide=decide, evolve=evolve)
