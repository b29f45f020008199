"""Runs: one governed request each, reserved before it starts and settled when it ends, with a signed receipt.

started ──complete──▶ completed      settled at what was used; the receipt is in the log
   └──────fail──────▶ failed         settled at what was used until then
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, JsonValue

from agreements.access import Basis
from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value, later
from agreements.errors import Conflict
from agreements.scopes import Operation

INTERRUPTED = "interrupted"
"""The code of a run that an earlier process left open: nobody saw its end."""


class RunStatus(StrEnum):
    """Where a run stands."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"


class ReplayOf(Value):
    """Which run a run is made to replay, by its id and the digest of its receipt."""

    run_id: str
    receipt_digest: str


class RunTerms(Value):
    """What was agreed before the run began: who, on what ground, what is asked of which checkpoint."""

    run_id: str
    checkpoint_id: str
    manifest_digest: str
    person_id: str
    institution_id: str | None
    basis: Basis
    grant_id: str | None
    agreement_digest: str | None
    token_id: str | None
    purpose: str
    operation: Operation
    parameters: dict[str, JsonValue]
    """The request as the engine applies it, without its prompts."""
    seed: int
    reserved_tokens: int = Field(ge=0)
    accounts: tuple[str, ...] = ()
    """Every account it draws on; empty in what was recorded when there was only one."""
    replays: ReplayOf | None = later()
    batch_id: str | None = later()
    """The batch that it is a line of."""
    logprob_decimals: int | None = later()
    """To how many decimals the log-probabilities that it reports are rounded."""
    reserved_outputs: int | None = later()
    """Of the tokens reserved, those that it may generate."""


class Run(Value):
    """Current state. ``terms`` is None until it is started."""

    terms: RunTerms | None = None
    status: RunStatus = RunStatus.STARTED
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charged_tokens: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    receipt: dict[str, Any] | None = None
    receipt_digest: str | None = None
    failure_code: str | None = None
    failure_message: str = ""
    failure_reason: str | None = None
    """For a run that was stopped because access was withdrawn: the condition that failed."""
    replay_identical: bool | None = None
    """For a replay that completed: whether it came out as the run that it replays."""

    @property
    def charged_outputs(self) -> int:
        """Of the tokens charged, those generated. Where nobody knows what was, a reservation counts whole."""
        return max(self.charged_tokens - self.prompt_tokens, 0)

    @property
    def stopped(self) -> bool:
        """Whether it was stopped because access was withdrawn while it ran."""
        return self.failure_reason is not None


class RunStarted(Event, type="run:started"):
    """Authorised and reserved."""

    terms: RunTerms
    at: datetime


class RunReceiptSigned(Event, type="run:receipt_signed"):
    """The DSSE envelope of the receipt; its digest is in the ``run:completed`` that follows."""

    receipt: dict[str, Any]


class RunCompleted(Event, type="run:completed"):
    """Ran to its end. The receipt's inclusion proof is about this event."""

    receipt_digest: str
    lab_key: str
    prompt_tokens: int
    completion_tokens: int
    at: datetime
    replay_identical: bool | None = later()


class RunFailed(Event, type="run:failed"):
    """Did not run to its end. ``charged_tokens`` is what it used, or the reservation where nobody can know."""

    code: str
    message: str
    prompt_tokens: int
    completion_tokens: int
    charged_tokens: int
    at: datetime
    reason: str | None = later()
    """The code of the condition that failed, where access was withdrawn while it ran."""


class StartRun(Value):
    """Begin. The access service has allowed it and the meter has reserved for it."""

    terms: RunTerms


class CompleteRun(Value):
    """Settle a run that ended well."""

    receipt: dict[str, Any]
    receipt_digest: str
    lab_key: str
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    replay_identical: bool | None = None


class FailRun(Value):
    """Settle a run that did not."""

    code: str
    message: str
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    charged_tokens: int = Field(ge=0)
    reason: str | None = None


RunCommand = StartRun | CompleteRun | FailRun


def decide(state: Run, command: RunCommand, _actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Conflict: a run is started once and settled once."""
    match command:
        case StartRun():
            if state.terms is not None:
                raise Conflict("run_exists", f"Run {state.terms.run_id} exists.")
            return [RunStarted(terms=command.terms, at=now)]
        case CompleteRun():
            _open(state)
            return [
                RunReceiptSigned(receipt=command.receipt),
                RunCompleted(
                    receipt_digest=command.receipt_digest,
                    lab_key=command.lab_key,
                    prompt_tokens=command.prompt_tokens,
                    completion_tokens=command.completion_tokens,
                    at=now,
                    replay_identical=command.replay_identical,
                ),
            ]
        case FailRun():
            _open(state)
            return [RunFailed(**{name: getattr(command, name) for name in FailRun.model_fields}, at=now)]


def _open(state: Run) -> None:
    if state.terms is None or state.status is not RunStatus.STARTED:
        raise Conflict("run_not_open", "The run is not open; it is settled once.")


def evolve(state: Run, event: Event) -> Run:
    """Fold one event into the state."""
    match event:
        case RunStarted():
            return Run(terms=event.terms, started_at=event.at)
        case RunReceiptSigned():
            return state.model_copy(update={"receipt": event.receipt})
        case RunCompleted():
            return state.model_copy(
                update={
                    "status": RunStatus.COMPLETED,
                    "receipt_digest": event.receipt_digest,
                    "prompt_tokens": event.prompt_tokens,
                    "completion_tokens": event.completion_tokens,
                    "charged_tokens": event.prompt_tokens + event.completion_tokens,
                    "finished_at": event.at,
                    "replay_identical": event.replay_identical,
                }
            )
        case RunFailed():
            return state.model_copy(
                update={
                    "status": RunStatus.FAILED,
                    "failure_code": event.code,
                    "failure_message": event.message,
                    "failure_reason": event.reason,
                    "prompt_tokens": event.prompt_tokens,
                    "completion_tokens": event.completion_tokens,
                    "charged_tokens": event.charged_tokens,
                    "finished_at": event.at,
                }
            )
        case _:
            raise TypeError(f"a run has no event {event.type_name!r}")


RUN: Decider[Run, RunCommand] = Decider(category="run", initial=Run(), decide=decide, evolve=evolve)
