"""What the scheduler keeps in hand: requests, their prompts, and the choices being decoded."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from model_access.engine.choice import Choice, TokenScore
from model_access.engine.contest import Contest
from model_access.engine.slots import Slot
from model_access.generation import GenerationRequest


@dataclass(eq=False)
class Unit:
    """One prompt of a request: run once, then continued by each of its choices."""

    job: "Job"
    prompt: tuple[int, ...]
    waiting: deque[Choice]
    """Choices not begun yet."""
    contest: Contest | None = None
    """Where more are generated than are wanted."""
    done: int = 0
    """How many prompt tokens are in the slot."""
    slot: Slot | None = None
    """Holds the prompt until the last choice has begun; one choice may be decoding in it meanwhile."""
    slot_is_free: bool = True
    last_logits: torch.Tensor | None = None
    """(1, vocabulary): what follows the prompt."""
    scores: list[TokenScore] | None = None
    """Of the prompt's tokens, where they are asked for."""

    @property
    def capacity(self) -> int:
        """Cells a choice of this prompt may fill."""
        return len(self.prompt) + self.job.request.max_tokens

    @property
    def ready(self) -> bool:
        """Whether the prompt has been run."""
        return self.last_logits is not None


@dataclass(eq=False)
class Row:
    """One choice being decoded; the last token generated is still to be run."""

    unit: Unit
    choice: Choice
    slot: Slot

    @property
    def start(self) -> int:
        """The position of the token to be run."""
        return len(self.unit.prompt) + len(self.choice.generated) - 1


@dataclass(eq=False)
class Job:
    """One request."""

    ticket: int
    request: GenerationRequest
    holder: str
    unopened: deque[Unit] = field(default_factory=deque)
    opened: list[Unit] = field(default_factory=list)
    """Prompts being run, or run and with choices still to begin."""
    unfinished: int = 0
    generated: int = 0

    @property
    def scored(self) -> bool:
        """Whether the prompt's own tokens are judged."""
        return self.request.echo and self.request.logprobs is not None

    @property
    def ready_to_fork(self) -> bool:
        """Whether a prompt has been run whose choices have not all begun."""
        return any(unit.ready for unit in self.opened)


def next_piece(unit: Unit, chunk: int) -> Sequence[int]:
    """The prompt tokens to be run next; pieces end at whole chunks whatever was known before."""
    return unit.prompt[unit.done : min(len(unit.prompt), (unit.done // chunk + 1) * chunk)]
