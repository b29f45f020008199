"""Files that the portal keeps for somebody for a while: the input of a batch and what came of it.

What they say lies encrypted outside the log. The log knows their size and digest, whose they are, how long they are
kept, and when and why they were destroyed.

nothing ──store──▶ kept ──destroy──▶ destroyed
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict

Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class FilePurpose(StrEnum):
    """What a file is for, as the OpenAI API names it."""

    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"


class StoredFile(Value):
    """Current state; ``id`` is empty until it is stored."""

    id: str = ""
    owner_id: str = ""
    institution_id: str | None = None
    grant_id: str | None = None
    """The grant on which its contents were obtained, or that the token which brought it names."""
    purpose: FilePurpose = FilePurpose.BATCH
    filename: str = ""
    size: int = 0
    """Bytes."""
    digest: str = ""
    stored_at: datetime | None = None
    keep_until: datetime | None = None
    until_fetched: bool = False
    """Whether it is destroyed soon after its owner has fetched it."""
    fetched_at: datetime | None = None
    destroyed_at: datetime | None = None
    destroyed_because: str = ""

    @property
    def kept(self) -> bool:
        """Whether its contents are still there."""
        return bool(self.id) and self.destroyed_at is None

    def due_on(self, now: datetime) -> bool:
        """Whether the time has come to destroy it."""
        return self.kept and self.keep_until is not None and self.keep_until <= now


class FileStored(Event, type="file:stored"):
    """Sealed and kept."""

    file_id: str
    owner_id: str
    institution_id: str | None
    grant_id: str | None
    purpose: FilePurpose
    filename: str
    size: int
    digest: str
    keep_until: datetime
    until_fetched: bool
    at: datetime


class FileClockSet(Event, type="file:clock_set"):
    """It is kept longer, or less long, than was said before."""

    keep_until: datetime
    until_fetched: bool
    at: datetime


class FileFetched(Event, type="file:fetched"):
    """Its owner fetched it for the first time."""

    at: datetime


class FileDestroyed(Event, type="file:destroyed"):
    """Its contents are gone."""

    because: str
    at: datetime


class StoreFile(Value):
    """Keep a file whose contents are sealed already."""

    file_id: str
    owner_id: str
    institution_id: str | None = None
    grant_id: str | None = None
    purpose: FilePurpose
    filename: str = Field(min_length=1, max_length=160)
    size: int = Field(ge=1)
    digest: Sha256
    keep_until: datetime
    until_fetched: bool


class SetClock(Value):
    """Say anew how long it is kept."""

    keep_until: datetime
    until_fetched: bool


class NoteFetched(Value):
    """Its owner has it. ``keep_until`` is to when a file that is kept until it was fetched is kept from now on."""

    keep_until: datetime


class DestroyFile(Value):
    """Its contents are gone; say why."""

    because: str = Field(min_length=1, max_length=200)


FileCommand = StoreFile | SetClock | NoteFetched | DestroyFile


def decide(state: StoredFile, command: FileCommand, _actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Conflict ``file_exists`` or ``file_destroyed``."""
    if isinstance(command, StoreFile):
        if state.id:
            raise Conflict("file_exists", f"File {state.id} exists.")
        return [FileStored(**{name: getattr(command, name) for name in StoreFile.model_fields}, at=now)]
    if not state.kept:
        raise Conflict("file_destroyed", "The contents of the file are gone.")
    match command:
        case SetClock():
            if (command.keep_until, command.until_fetched) == (state.keep_until, state.until_fetched):
                return []
            return [FileClockSet(keep_until=command.keep_until, until_fetched=command.until_fetched, at=now)]
        case NoteFetched():
            if state.fetched_at is not None:
                return []
            events: list[Event] = [FileFetched(at=now)]
            if state.until_fetched and (state.keep_until is None or command.keep_until < state.keep_until):
                events.append(FileClockSet(keep_until=command.keep_until, until_fetched=True, at=now))
            return events
        case DestroyFile():
            return [FileDestroyed(because=command.because, at=now)]


def evolve(state: StoredFile, event: Event) -> StoredFile:
    """Fold one event into the state."""
    match event:
        case FileStored():
            said = {name: getattr(event, name) for name in StoreFile.model_fields if name != "file_id"}
            return StoredFile(id=event.file_id, stored_at=event.at, **said)
        case FileClockSet():
            return state.model_copy(update={"keep_until": event.keep_until, "until_fetched": event.until_fetched})
        case FileFetched():
            return state.model_copy(update={"fetched_at": event.at})
        case FileDestroyed():
            return state.model_copy(update={"destroyed_at": event.at, "destroyed_because": event.because})
        case _:
            raise TypeError(f"a file has no event {event.type_name!r}")


STORED_FILE: Decider[StoredFile, FileCommand] = Decider(
    category="file", initial=StoredFile(), decide=decide, evolve=evolve
)
