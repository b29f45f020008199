"""Embeddings: the mean over a prompt's tokens of what the model holds of each after its last normalisation.

A prompt is run by itself, cut at the same places always, and shares no pass and no beginning with any other: so its
numbers are the same to the last bit whatever else is asked for. Prompts take turns with everything else by pieces.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from model_access.embeddings import text_of
from model_access.engine.cache import Cache
from model_access.engine.decoder import Decoder, Segment
from model_access.engine.slots import Slot
from model_access.generation import ChoiceDelta


@dataclass(eq=False)
class EmbeddingJob:
    """One request: its prompts in order, the first of which may be under way."""

    ticket: int
    prompts: deque[tuple[int, ...]]
    index: int = 0
    """Of the prompt under way."""
    slot: Slot | None = None
    done: int = 0
    total: torch.Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))

    @classmethod
    def of(cls, ticket: int, prompts: Sequence[Sequence[int]]) -> "EmbeddingJob":
        """A request that has not begun."""
        return cls(ticket, deque(map(tuple, prompts)))

    @property
    def over(self) -> bool:
        """Whether every prompt was embedded."""
        return not self.prompts

    @property
    def opened(self) -> bool:
        """Whether the next prompt has a slot."""
        return self.slot is not None

    def open(self, cache: Cache) -> bool:
        """Give the next prompt a slot; whether there was room."""
        found = cache.begin(f"only {self.ticket}", self.prompts[0], len(self.prompts[0]), whole=True)
        if found is None:
            return False
        self.slot, self.done, self.total = found[0], 0, torch.zeros((), dtype=torch.float64)
        return True

    def step(self, decoder: Decoder, cache: Cache) -> ChoiceDelta | None:
        """Run the next piece of a prompt that has a slot; the embedding that it completes."""
        assert self.slot is not None  # noqa: S101 - opened before
        prompt = self.prompts[0]
        piece = prompt[self.done : self.done + decoder.chunk]
        states = decoder.hidden(Segment(self.slot, self.done, piece, 0))
        self.total = self.total + states.double().sum(dim=0)
        self.done += len(piece)
        if self.done < len(prompt):
            return None
        vector = (self.total / len(prompt)).float().tolist()
        delta = ChoiceDelta(index=self.index, text=text_of(vector), finish_reason="stop")
        self.release(cache)
        self.prompts.popleft()
        self.index += 1
        return delta

    def release(self, cache: Cache) -> None:
        """Give the slot back."""
        if self.slot is not None:
            cache.release(self.slot, keep=False)
            self.slot = None
