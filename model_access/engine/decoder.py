"""What the scheduler asks of a model, whichever way the model is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from model_access.build import Products
from model_access.engine.slots import Slot


@dataclass(frozen=True)
class Widths:
    """How many rows may share a narrow pass without one changing another's bits.

    A pass of up to ``most`` rows is padded to at least ``least``; within these bounds a row's numbers do not depend on
    how many others there are, which they are, or where it stands among them. ``widths.measure`` finds out which bounds
    hold for a model on a machine.
    """

    least: int
    most: int


@dataclass(slots=True)
class Segment:
    """Consecutive tokens of one sequence, to be run through the model together."""

    slot: Slot
    start: int
    """The position of the first; the slot holds everything before."""
    tokens: Sequence[int]
    wanted: int
    """Of how many of the last tokens the logits are asked for."""


class Decoder(Protocol):
    """A causal language model in evaluation. Not thread-safe."""

    products: Products
    end_tokens: frozenset[int]
    chunk: int
    """Prompts are run in pieces of so many tokens from the beginning on; only the last may be shorter."""
    cell_bytes: int
    """Memory one token takes in a slot."""
    widths: Widths

    def open(self, capacity: int) -> Slot:
        """A slot for a sequence of at most ``capacity`` tokens."""

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        """A slot that begins with the first ``length`` tokens of another; ``length`` is a whole number of chunks or all
        that was written."""

    def run(self, segments: Sequence[Segment]) -> torch.Tensor:
        """Run segments in one pass, and note their keys and values in their slots.

        Either several segments of together at most ``widths.most`` tokens, or a single one of up to ``chunk``.
        Returns float32 logits (rows, vocabulary), on the CPU: the wanted rows of each segment in turn.
        """

    def hidden(self, segment: Segment) -> torch.Tensor:
        """Run one segment of up to ``chunk`` tokens by itself, and note its keys and values in its slot.

        Returns (tokens, width) on the CPU in float32: what is held of each token after the last normalisation.
        """


def padded(rows: int, widths: Widths) -> int:
    """How many rows a pass over ``rows`` rows has."""
    return max(rows, widths.least) if rows <= widths.most else rows


def laid_out(segments: Sequence[Segment], widths: Widths) -> tuple[list[int], list[int], list[int], int]:
    """All segments end to end as one pass takes them.

    Tokens and positions, filled up with zeros to the pass's width; the rows whose logits are wanted; and how many rows
    only fill up.
    """
    ids: list[int] = []
    positions: list[int] = []
    wanted: list[int] = []
    for segment in segments:
        ids += segment.tokens
        positions += range(segment.start, segment.start + len(segment.tokens))
        wanted += range(len(ids) - segment.wanted, len(ids))
    spare = padded(len(ids), widths) - len(ids)
    return ids + [0] * spare, positions + [0] * spare, wanted, spare
