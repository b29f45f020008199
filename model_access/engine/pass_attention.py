"""Attention of one pass over slots in blocks: the single tokens of a block are one call, longer segments one each.

Each row is computed as if it were alone, from as many cells as its own position needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
import torch

from model_access.engine.attention import attend
from model_access.engine.attention_kernels import attend as attend_single_tokens
from model_access.engine.compiled import as_many_threads_as_torch
from model_access.engine.decoder import Segment


def side_by_side(segments: Sequence[Segment]) -> tuple[list[Segment], Callable[[list[int]], list[int]]]:
    """Segments in the order their slots lie in memory, single tokens first; and what puts wanted rows back in order."""
    order = sorted(range(len(segments)), key=lambda at: _place(segments[at]))

    def back(wanted: list[int]) -> list[int]:
        rows: list[list[int]] = [[]] * len(segments)
        taken = 0
        for at in order:
            rows[at] = wanted[taken : taken + segments[at].wanted]
            taken += segments[at].wanted
        return list(chain.from_iterable(rows))

    return [segments[at] for at in order], back


def _place(segment: Segment) -> tuple[bool, int, int]:
    return len(segment.tokens) > 1, id(segment.slot.block), segment.slot.place


@dataclass(frozen=True)
class _Singles:
    """Single tokens of one block, which are ``rows`` of the pass."""

    rows: slice
    cells: Any
    """The block's."""
    places: Any
    positions: Any


@dataclass(frozen=True)
class _Long:
    """A segment of several tokens; by layer what it sees, (1, heads, cells, width), and its own, without the 1."""

    rows: slice
    start: int
    keys: Sequence[torch.Tensor]
    values: Sequence[torch.Tensor]
    own_keys: Sequence[torch.Tensor]
    own_values: Sequence[torch.Tensor]


class PassAttention:
    """All layers' attention in one pass. What a segment reads and writes is cut out of its slot once for all."""

    def __init__(self, segments: Sequence[Segment], spare: int, heads: int, scale: float) -> None:
        """``segments`` as ``side_by_side`` gives them; ``spare`` rows after them only fill up."""
        self._spare, self._heads, self._scale = spare, heads, scale
        self._singles: list[_Singles] = []
        self._long: list[_Long] = []
        first = 0
        for block, together in groupby(segments, key=_block_of_single):
            if block is None:
                for segment in together:
                    self._long.append(_long(segment, first))
                    first += len(segment.tokens)
            else:
                alike = list(together)
                self._singles.append(_of_block(block, alike, first))
                first += len(alike)
        as_many_threads_as_torch()

    def __call__(self, layer: int, projected: torch.Tensor) -> torch.Tensor:
        """From (rows, 3 × width) queries, keys and values, float32, to (rows, width)."""
        rows, width = len(projected), projected.shape[1] // 3
        mixed = torch.empty((rows, width))
        if self._singles:
            given, out, scale = projected.numpy(), mixed.numpy(), np.float32(self._scale)
            for singles in self._singles:
                where = (singles.cells, layer, singles.places, singles.positions)
                attend_single_tokens(given[singles.rows], *where, scale, out[singles.rows])
        for long in self._long:
            query, key, value = projected[long.rows].view(-1, 3, self._heads, width // self._heads).permute(1, 2, 0, 3)
            long.own_keys[layer].copy_(key)
            long.own_values[layer].copy_(value)
            seen = long.keys[layer].float(), long.values[layer].float()
            found = attend(query.unsqueeze(0), *seen, long.start, scale=self._scale)
            mixed[long.rows].view(-1, self._heads, width // self._heads).copy_(found[0].transpose(0, 1))
        if self._spare:
            mixed[rows - self._spare :] = 0
        return mixed


def _block_of_single(segment: Segment) -> Any:
    return segment.slot.block if len(segment.tokens) == 1 else None


def _of_block(block: Any, segments: Sequence[Segment], first: int) -> _Singles:
    if max(segment.start for segment in segments) >= block.capacity:
        raise IndexError("A token has no cell in its slot.")  # compiled functions do not look
    return _Singles(
        rows=slice(first, first + len(segments)),
        cells=block.array,
        places=np.array([segment.slot.place for segment in segments]),
        positions=np.array([segment.start for segment in segments]),
    )


def _long(segment: Segment, first: int) -> _Long:
    end = segment.start + len(segment.tokens)
    slot = segment.slot
    return _Long(
        rows=slice(first, first + len(segment.tokens)),
        start=segment.start,
        keys=slot.key_block[:, :, :, :end].unbind(0),
        values=slot.value_block[:, :, :, :end].unbind(0),
        own_keys=slot.key_block[:, 0, :, segment.start : end].unbind(0),
        own_values=slot.value_block[:, 0, :, segment.start : end].unbind(0),
    )
