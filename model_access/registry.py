"""The checkpoint registry: models pinned by digest, each at a stage that only a recorded decision changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value, later
from agreements.errors import Conflict, Forbidden
from agreements.texts import one_line
from model_access.manifest import Manifest
from model_access.model_facts import MOST_TEXT_BYTES
from model_access.stages import Stage, move_between


class Card(Value):
    """What people want to know of a checkpoint besides its manifest."""

    summary: Annotated[str, Field(max_length=2000)] = ""
    licence: Annotated[str, Field(max_length=200)] = ""
    source: Annotated[str, Field(max_length=400)] = ""
    held_out_loss: float | None = None
    """Nats per token on text the model never saw, where it was measured."""
    bits_per_byte: float | None = None
    readme: Annotated[str, Field(max_length=MOST_TEXT_BYTES)] | None = later()
    """What its makers wrote of it, as it lay beside the files. Not the portal's words."""
    licence_text: Annotated[str, Field(max_length=MOST_TEXT_BYTES)] | None = later()


Reason = Annotated[str, Field(min_length=3, max_length=500), AfterValidator(one_line)]


class Halt(Value):
    """A checkpoint that nobody queries for now, at a coordinator's word."""

    reason: str
    by: str
    """Who halted it, by id."""
    at: datetime


class Checkpoint(Value):
    """Current state. An empty ``id`` means it is not registered."""

    id: str = ""
    family: str = ""
    manifest: Manifest | None = None
    card: Card = Card()
    stage: Stage = Stage.WITHHELD
    registered_at: datetime | None = None
    decision_ids: tuple[str, ...] = ()
    """The decisions that moved it, oldest first."""
    halt: Halt | None = None
    """Set while it is halted."""

    @property
    def digest(self) -> str:
        """The manifest digest it is pinned to."""
        return self.manifest.digest if self.manifest else ""

    @property
    def parameters(self) -> int:
        """How many numbers its weights are."""
        return self.manifest.parameters if self.manifest else 0


class CheckpointRegistered(Event, type="checkpoint:registered"):
    """A checkpoint entered the registry, withheld."""

    checkpoint_id: str
    family: str
    manifest: Manifest
    card: Card
    at: datetime


class CheckpointStageChanged(Event, type="checkpoint:stage_changed"):
    """A recorded decision moved the checkpoint."""

    decision_id: str
    from_stage: Stage
    to_stage: Stage
    at: datetime


class CheckpointHalted(Event, type="checkpoint:halted"):
    """Nobody queries it from now on, and what ran on it was stopped."""

    reason: str
    by: str
    at: datetime


class CheckpointHaltLifted(Event, type="checkpoint:halt_lifted"):
    """It is queried again by whoever may."""

    reason: str
    by: str
    at: datetime


class RegisterCheckpoint(Value):
    """Enter a checkpoint whose files are in the store."""

    checkpoint_id: Annotated[str, Field(min_length=2, max_length=80, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    family: Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    manifest: Manifest
    card: Card = Card()


class ChangeStage(Value):
    """Move it; only the release service issues this, in the transaction that records the decision."""

    decision_id: str
    from_stage: Stage
    to_stage: Stage


class HaltCheckpoint(Value):
    """Stop everything that runs on it, and let nothing begin."""

    reason: Reason


class LiftHalt(Value):
    """Let it be queried again."""

    reason: Reason


CheckpointCommand = RegisterCheckpoint | ChangeStage | HaltCheckpoint | LiftHalt


def decide(state: Checkpoint, command: CheckpointCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden or Conflict."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator registers, moves and halts checkpoints.")
    match command:
        case RegisterCheckpoint():
            if state.id:
                raise Conflict(
                    "checkpoint_exists",
                    f"A checkpoint {state.id} is registered, pinned to {state.digest}.",
                    hint="Choose another id: a registered checkpoint is never replaced.",
                )
            return [
                CheckpointRegistered(
                    checkpoint_id=command.checkpoint_id,
                    family=command.family,
                    manifest=command.manifest,
                    card=command.card,
                    at=now,
                )
            ]
        case ChangeStage():
            if state.stage is not command.from_stage:
                raise Conflict(
                    "stage_moved_meanwhile",
                    f"{state.id} is {state.stage.label}, not {command.from_stage.label}.",
                    hint="Look at the release board again and decide anew.",
                )
            move_between(command.from_stage, command.to_stage)
            return [
                CheckpointStageChanged(
                    decision_id=command.decision_id, from_stage=state.stage, to_stage=command.to_stage, at=now
                )
            ]
        case HaltCheckpoint():
            if state.halt is not None:
                raise Conflict("already_halted", f"{state.id} is halted already: {state.halt.reason.rstrip('.')}.")
            return [CheckpointHalted(reason=command.reason, by=actor.person_id, at=now)]
        case LiftHalt():
            if state.halt is None:
                raise Conflict("not_halted", f"{state.id} is not halted.")
            return [CheckpointHaltLifted(reason=command.reason, by=actor.person_id, at=now)]


def evolve(state: Checkpoint, event: Event) -> Checkpoint:
    """Fold one event into the state."""
    match event:
        case CheckpointRegistered():
            return Checkpoint(
                id=event.checkpoint_id,
                family=event.family,
                manifest=event.manifest,
                card=event.card,
                registered_at=event.at,
            )
        case CheckpointStageChanged():
            return state.model_copy(
                update={"stage": event.to_stage, "decision_ids": (*state.decision_ids, event.decision_id)}
            )
        case CheckpointHalted():
            return state.model_copy(update={"halt": Halt(reason=event.reason, by=event.by, at=event.at)})
        case CheckpointHaltLifted():
            return state.model_copy(update={"halt": None})
        case _:
            raise TypeError(f"a checkpoint has no event {event.type_name!r}")


CHECKPOINT: Decider[Checkpoint, CheckpointCommand] = Decider(
    category="checkpoint", initial=Checkpoint(), decide=decide, evolve=evolve
)
