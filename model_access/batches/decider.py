"""What may happen to a batch, and what it is afterwards."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from agreements.actors import Actor
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict
from model_access.batches.model import (
    Batch,
    BatchCancelAsked,
    BatchCommand,
    BatchCreated,
    BatchEnded,
    BatchLinesDone,
    BatchRefused,
    BatchStarted,
    BatchStatus,
    BatchStopped,
    CancelBatch,
    CompleteLine,
    CreateBatch,
    EndBatch,
    FailLine,
    FinishLines,
    LineCompleted,
    LineFailed,
    Problem,
    RefuseBatch,
    StartBatch,
    StopBatch,
)

_RUNNING = frozenset({BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.CANCELLING})


def decide(state: Batch, command: BatchCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Conflict: ``batch_exists``, ``batch_over``, ``line_settled`` and others."""
    if isinstance(command, CreateBatch):
        if state.id:
            raise Conflict("batch_exists", f"Batch {state.id} exists.")
        return [BatchCreated(**{name: getattr(command, name) for name in CreateBatch.model_fields}, at=now)]
    if not state.id or state.status.is_over:
        raise Conflict("batch_over", f"The batch is over ({state.status.label}).", hint="Submit a new one.")
    match command:
        case CompleteLine() | FailLine():
            _require_open(state, command.line)
        case EndBatch():
            return [_end(state, command, now)]
        case CancelBatch():
            if state.status is BatchStatus.CANCELLING:
                return []
            _require(state, BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS)
            return [BatchCancelAsked(by=actor.person_id, at=now)]
        case RefuseBatch() | StartBatch():
            _require(state, BatchStatus.VALIDATING)
        case StopBatch() | FinishLines():
            _require(state, BatchStatus.IN_PROGRESS)
            if isinstance(command, FinishLines) and state.open_lines:
                raise Conflict("lines_open", f"{len(state.open_lines):,} lines have no outcome yet.")
    return [_CAUSES[type(command)](**{name: getattr(command, name) for name in type(command).model_fields}, at=now)]


_CAUSES: Mapping[type[Value], Callable[..., Event]] = {
    RefuseBatch: BatchRefused,
    StartBatch: BatchStarted,
    CompleteLine: LineCompleted,
    FailLine: LineFailed,
    StopBatch: BatchStopped,
    FinishLines: BatchLinesDone,
}
"""What is recorded as it was asked for, with the moment."""


def _end(state: Batch, command: EndBatch, now: datetime) -> BatchEnded:
    _require(state, BatchStatus.FINALIZING, BatchStatus.CANCELLING)
    status = BatchStatus(state.outcome) if state.outcome else BatchStatus.COMPLETED
    if state.status is BatchStatus.CANCELLING:
        status = BatchStatus.CANCELLED
    return BatchEnded(status=status, output_file_id=command.output_file_id, error_file_id=command.error_file_id, at=now)


def _require(state: Batch, *statuses: BatchStatus) -> None:
    if state.status not in statuses:
        raise Conflict("batch_not_ready", f"The batch is {state.status.label}; that cannot be done to it now.")


def _require_open(state: Batch, line: int) -> None:
    """A line gets one outcome. One that was under way when its batch was stopped may still get it."""
    if state.status not in _RUNNING or line > state.total:
        raise Conflict("no_such_line", f"The batch has no line {line} under way.")
    if state.is_settled(line):
        raise Conflict("line_settled", f"Line {line} has an outcome already.")


def evolve(state: Batch, event: Event) -> Batch:
    """Fold one event into the state."""
    match event:
        case BatchCreated():
            said = {name: getattr(event, name) for name in CreateBatch.model_fields if name != "batch_id"}
            return Batch(id=event.batch_id, created_at=event.at, **said)
        case BatchRefused():
            return _with(
                state,
                status=BatchStatus.FAILED,
                problems=event.problems,
                problem_count=event.problem_count,
                ended_at=event.at,
            )
        case BatchStarted():
            said = {name: getattr(event, name) for name in StartBatch.model_fields}
            return _with(state, status=BatchStatus.IN_PROGRESS, in_progress_at=event.at, **said)
        case LineCompleted():
            return _with(
                state,
                settled=_marked(state, event.line),
                completed=state.completed + 1,
                prompt_tokens=state.prompt_tokens + event.prompt_tokens,
                completion_tokens=state.completion_tokens + event.completion_tokens,
            )
        case LineFailed():
            return _with(state, settled=_marked(state, event.line), failed=state.failed + 1)
        case BatchCancelAsked():
            return _with(state, status=BatchStatus.CANCELLING, cancelling_at=event.at)
        case BatchStopped():
            problem = Problem(code=event.code, message=event.message)
            return _with(
                state,
                status=BatchStatus.FINALIZING,
                outcome=event.outcome,
                problems=(problem,),
                problem_count=1,
                finalizing_at=event.at,
            )
        case BatchLinesDone():
            return _with(state, status=BatchStatus.FINALIZING, finalizing_at=event.at)
        case BatchEnded():
            return _with(
                state,
                status=event.status,
                output_file_id=event.output_file_id,
                error_file_id=event.error_file_id,
                ended_at=event.at,
            )
        case _:
            raise TypeError(f"a batch has no event {event.type_name!r}")


def _with(state: Batch, **changes: object) -> Batch:
    return state.model_copy(update=changes)


def _marked(state: Batch, line: int) -> str:
    return f"{int(state.settled or '0', 16) | 1 << line:x}"


BATCH: Decider[Batch, BatchCommand] = Decider(category="batch", initial=Batch(), decide=decide, evolve=evolve)
