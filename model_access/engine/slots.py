"""Where one sequence's keys and values live while it is prefilled and decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

CELLS_PER_STEP = 64
"""Capacities are multiples of this: every head's rows begin on a cache line whatever the head's width, and slots of
like lengths find places in one block."""


@dataclass(frozen=True)
class LayerShape:
    """What one layer keeps for one token: ``heads`` keys of ``key_width`` numbers and values of ``value_width``."""

    heads: int
    key_width: int
    value_width: int


_NOTHING = torch.empty(0)


@dataclass(eq=False)
class Slot:
    """Keys and values of one sequence, per layer (1, heads, capacity, width); cell ``p`` is position ``p``.

    ``state`` belongs to decoders that keep something else.
    """

    capacity: int
    keys: Sequence[torch.Tensor] = ()
    values: Sequence[torch.Tensor] = ()
    key_block: torch.Tensor = _NOTHING
    """The same keys in one piece, (layers, 1, heads, capacity, width), where all layers are alike."""
    value_block: torch.Tensor = _NOTHING
    block: Any = None
    """The block the slot is part of, if any, and its place there."""
    place: int = 0
    state: Any = None


@dataclass(frozen=True)
class SlotMaker:
    """Makes slots of one model. Memory is taken as tokens are written, not when a slot is made."""

    shapes: tuple[LayerShape, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def cell_bytes(self) -> int:
        """Bytes one token takes in all layers."""
        numbers = sum(shape.heads * (shape.key_width + shape.value_width) for shape in self.shapes)
        return numbers * self.dtype.itemsize

    def open(self, capacity: int) -> Slot:
        """An empty slot for at least ``capacity`` tokens."""
        cells = rounded(capacity)
        return Slot(
            cells,
            [self._cells(shape.heads, cells, shape.key_width) for shape in self.shapes],
            [self._cells(shape.heads, cells, shape.value_width) for shape in self.shapes],
        )

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        """A slot of its own that begins with the first ``length`` tokens of another."""
        fresh = self.open(capacity)
        for mine, theirs in zip([*fresh.keys, *fresh.values], [*slot.keys, *slot.values], strict=True):
            mine[:, :, :length] = theirs[:, :, :length]
        return fresh

    def _cells(self, heads: int, cells: int, width: int) -> torch.Tensor:
        return torch.empty((1, heads, cells, width), dtype=self.dtype, device=self.device)


def rounded(capacity: int) -> int:
    """The cells a slot for ``capacity`` tokens has."""
    return -(-capacity // CELLS_PER_STEP) * CELLS_PER_STEP
