"""Attention of one pass over slots in blocks: single tokens whose slots lie side by side are one call.

Each row is computed as if it were alone. How many cells a single token's call looks at depends on its own position
only, and what is beyond that is masked; so a row always has the same shape, and how many rows a call has is a number of
repetitions. Segments of several tokens are computed one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch.nn.functional import scaled_dot_product_attention

from model_access.engine.attention import attend
from model_access.engine.decoder import Segment
from model_access.engine.slots import rounded


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


def _place(segment: Segment) -> tuple[bool, int, int, int]:
    slot = segment.slot
    return len(segment.tokens) > 1, id(slot.block), rounded(segment.start + 1), slot.place


@dataclass(frozen=True)
class _Run:
    """Single tokens of one block and of as many cells each, whose places follow one another."""

    cells: torch.Tensor
    """(layers, keys and values, rows, heads, cells, width)"""
    rows: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    alone: torch.Tensor | None
    """Of a run of one, (layers, keys and values, heads, width): where its own belong, written quicker than by index."""


class PassAttention:
    """All layers' attention in one pass. What a segment reads and writes is cut out of its slot once for all."""

    def __init__(self, segments: Sequence[Segment], spare: int, heads: int, scale: float) -> None:
        """``segments`` as ``side_by_side`` gives them; ``spare`` rows after them only fill up."""
        self._spare, self._heads, self._scale = spare, heads, scale
        singles = [segment for segment in segments if len(segment.tokens) == 1]
        self._runs = [_run(together) for together in _runs(singles)]
        self._long = [(segment, _cells(segment)) for segment in segments[len(singles) :]]
        self._lengths = [len(run.rows) for run in self._runs] + [len(segment.tokens) for segment, _ in self._long]
        if spare:
            self._lengths.append(spare)

    def __call__(self, layer: int, projected: torch.Tensor) -> torch.Tensor:
        """From (rows, 3 × width) queries, keys and values to (rows, width)."""
        rows = len(projected)
        width = projected.shape[1] // 3
        parts = torch.split(projected.view(rows, 3, self._heads, -1), self._lengths)
        out = []
        for run, part in zip(self._runs, parts, strict=False):
            past_keys, past_values = run.cells[layer].unbind(0)
            if run.alone is not None:
                run.alone[layer].copy_(part[0, 1:])
            else:
                past_keys[run.rows, :, run.positions] = part[:, 1]
                past_values[run.rows, :, run.positions] = part[:, 2]
            query = part[:, 0].unsqueeze(2)
            mixed = scaled_dot_product_attention(query, past_keys, past_values, attn_mask=run.mask, scale=self._scale)
            out.append(mixed.reshape(-1, width))
        for (segment, (all_keys, all_values, own_keys, own_values)), part in zip(
            self._long, parts[len(self._runs) :], strict=False
        ):
            query, key, value = part.permute(1, 2, 0, 3).unbind(0)
            own_keys[layer].copy_(key)
            own_values[layer].copy_(value)
            mixed = attend(query.unsqueeze(0), all_keys[layer], all_values[layer], segment.start, scale=self._scale)
            out.append(mixed[0].transpose(0, 1).reshape(-1, width))
        if self._spare:
            out.append(projected.new_zeros((self._spare, width)))
        return torch.cat(out) if len(out) > 1 else out[0]


def _runs(singles: Sequence[Segment]) -> Iterator[list[Segment]]:
    together: list[Segment] = []
    for segment in singles:
        if together and not _follows(together[-1], segment):
            yield together
            together = []
        together.append(segment)
    if together:
        yield together


def _follows(one: Segment, other: Segment) -> bool:
    return (
        one.slot.block is other.slot.block
        and one.slot.place + 1 == other.slot.place
        and rounded(one.start + 1) == rounded(other.start + 1)
    )


def _run(together: Sequence[Segment]) -> _Run:
    first, seen = together[0].slot, rounded(together[0].start + 1)
    positions = torch.tensor([segment.start for segment in together])
    hidden = torch.arange(seen) > positions.unsqueeze(1)
    cells = first.block.cells[:, :, first.place : first.place + len(together), :, :seen]
    return _Run(
        cells=cells,
        rows=torch.arange(len(together)),
        positions=positions,
        mask=torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf")).view(len(together), 1, 1, seen),
        alone=cells[:, :, 0, :, together[0].start] if len(together) == 1 else None,
    )


_Views = tuple[torch.Tensor, ...]


def _cells(segment: Segment) -> tuple[_Views, _Views, _Views, _Views]:
    """By layer: the keys and values a segment sees, (1, heads, cells, width), and its own, (heads, tokens, width)."""
    end = segment.start + len(segment.tokens)
    slot = segment.slot
    return (
        slot.key_block[:, :, :, :end].unbind(0),
        slot.value_block[:, :, :, :end].unbind(0),
        slot.key_block[:, 0, :, segment.start : end].unbind(0),
        slot.value_block[:, 0, :, segment.start : end].unbind(0),
    )
