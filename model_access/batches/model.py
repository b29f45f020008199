"""What a batch is, what happens to one, and what can be asked of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agreements.access import Basis
from agreements.deciders import Event, Value

MOST_PROBLEMS = 100
"""Problems of a file that are recorded; how many there are in all is recorded too."""

MOST_METADATA = 16

Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=64)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=MOST_METADATA),
]
"""Whatever the submitter wants to find a batch by; as bounded as in the OpenAI API."""

Outcome = Literal["failed", "expired"]


class BatchStatus(StrEnum):
    """Where a batch stands, in the words of the OpenAI API."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self in _OVER

    @property
    def label(self) -> str:
        """The status as people read it."""
        return self.value.replace("_", " ")


_OVER = frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


class Submitter(Value):
    """Who submitted it, and with what: enough to ask anew, after a restart too, whether they still may."""

    person_id: str
    name: str
    program: bool = False
    token_id: str | None = None
    token_key: str | None = None
    """The name of the key that signed the token."""
    key_thumbprint: str | None = None
    grant_id: str | None = None
    """The grant that the token names."""
    agreement_digest: str | None = None


class Problem(Value):
    """What is wrong with a line, or without one with the whole file."""

    line: int | None = None
    """From 1."""
    code: str
    message: str
    param: str | None = None
    hint: str = ""
    """What to do about it."""


class Ground(Value):
    """On what every line is run: as it was found when the batch began, and held to until it ends."""

    basis: Basis
    grant_id: str | None
    institution_id: str | None
    agreement_digest: str | None
    purpose: str


class Batch(Value):
    """Current state; ``id`` is empty until it is created."""

    id: str = ""
    by: Submitter | None = None
    institution_id: str | None = None
    input_file_id: str = ""
    input_digest: str = ""
    endpoint: str = ""
    completion_window: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    purpose: str | None = None
    """What was declared when it was submitted."""
    retry_of: str | None = None
    status: BatchStatus = BatchStatus.VALIDATING
    model: str = ""
    ground: Ground | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    most_tokens: int = 0
    """What it was estimated to use at most."""
    settled: str = ""
    """The lines that have an outcome, as the bits of a number in hex."""
    keep_days: int | None = None
    """How long its files are kept after its end; None for until they were fetched."""
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    outcome: Outcome | None = None
    """How it ends if it was stopped."""
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    in_progress_at: datetime | None = None
    finalizing_at: datetime | None = None
    cancelling_at: datetime | None = None
    ended_at: datetime | None = None

    def is_settled(self, line: int) -> bool:
        """Whether a line, counted from 1, has an outcome."""
        return bool(int(self.settled or "0", 16) >> line & 1)

    @property
    def open_lines(self) -> tuple[int, ...]:
        """The lines without an outcome, in order."""
        bits = int(self.settled or "0", 16)
        return tuple(line for line in range(1, self.total + 1) if not bits >> line & 1)

    @property
    def stopping(self) -> bool:
        """Whether no further line is to begin."""
        return self.status is not BatchStatus.IN_PROGRESS


class BatchCreated(Event, type="batch:created"):
    """Submitted; its file is to be checked."""

    batch_id: str
    by: Submitter
    institution_id: str | None
    input_file_id: str
    input_digest: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str]
    purpose: str | None
    retry_of: str | None
    expires_at: datetime
    at: datetime


class BatchRefused(Event, type="batch:refused"):
    """Its file has problems; nothing was run."""

    problems: tuple[Problem, ...]
    problem_count: int
    at: datetime


class BatchStarted(Event, type="batch:started"):
    """Its file was found good as a whole, and its estimate within the budget."""

    model: str
    ground: Ground
    total: int
    most_tokens: int
    keep_days: int | None
    at: datetime


class LineCompleted(Event, type="batch:line_completed"):
    """A line was run; recorded together with the run's own completion."""

    line: int
    run_id: str
    receipt_digest: str
    output_digest: str
    """Of the line of the output file."""
    prompt_tokens: int
    completion_tokens: int
    finish_reasons: tuple[str, ...]
    began_at: datetime
    at: datetime


class LineFailed(Event, type="batch:line_failed"):
    """A line came to nothing, for good."""

    line: int
    run_id: str | None
    code: str
    message: str
    at: datetime


class BatchCancelAsked(Event, type="batch:cancel_asked"):
    """No further line begins; those under way are stopped."""

    by: str
    at: datetime


class BatchStopped(Event, type="batch:stopped"):
    """No further line begins, because of something that somebody other than its owner decided, or the time."""

    outcome: Outcome
    code: str
    message: str
    at: datetime


class BatchLinesDone(Event, type="batch:lines_done"):
    """Every line has an outcome."""

    at: datetime


class BatchEnded(Event, type="batch:ended"):
    """Its output files are there."""

    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    at: datetime


class CreateBatch(Value):
    """Submit a file."""

    batch_id: str
    by: Submitter
    institution_id: str | None = None
    input_file_id: str
    input_digest: str
    endpoint: str
    completion_window: str
    metadata: Metadata = Field(default_factory=dict)
    purpose: str | None = None
    retry_of: str | None = None
    expires_at: datetime


class RefuseBatch(Value):
    """The file has problems. Only the first are given."""

    problems: tuple[Problem, ...] = Field(min_length=1, max_length=MOST_PROBLEMS)
    problem_count: int = Field(ge=1)


class StartBatch(Value):
    """The file is good, and there is room for what it would use."""

    model: str
    ground: Ground
    total: int = Field(ge=1)
    most_tokens: int = Field(ge=0)
    keep_days: int | None


class CompleteLine(Value):
    """A line was run."""

    line: int = Field(ge=1)
    run_id: str
    receipt_digest: str
    output_digest: str
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    finish_reasons: tuple[str, ...]
    began_at: datetime


class FailLine(Value):
    """A line came to nothing, and is not tried again."""

    line: int = Field(ge=1)
    run_id: str | None = None
    code: str
    message: str


class CancelBatch(Value):
    """Begin no further line."""


class StopBatch(Value):
    """Begin no further line: access was withdrawn, the budget is used up, or the time is."""

    outcome: Outcome
    code: str
    message: str


class FinishLines(Value):
    """Every line has an outcome."""


class EndBatch(Value):
    """The output files are there."""

    output_file_id: str | None = None
    error_file_id: str | None = None


BatchCommand = (
    CreateBatch | RefuseBatch | StartBatch | CompleteLine | FailLine | CancelBatch | StopBatch | FinishLines | EndBatch
)
