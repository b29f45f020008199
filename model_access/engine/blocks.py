"""Slots that lie side by side, so that the attention of many rows is one call."""

import heapq
import mmap
import sys
import weakref
from collections import defaultdict
from contextlib import suppress

import torch

from model_access.engine.slots import LayerShape, Slot, rounded

BLOCK_BYTES = 128 << 20
"""About how much of the address space a block takes; memory is taken as cells are written."""
HUGE_BYTES = 2 << 20
"""Places of at least as much lie in pages of this size, where the system has them: attention reads through them."""
MOST_SLOTS = 32


class Block:
    """Places for slots of one capacity, of a model whose layers are all alike. A place is memory in one piece.

    A place that nobody holds is nought throughout, so what one holder wrote is never there for the next, and cells not
    written yet are numbers. Its memory goes back to the system.
    """

    def __init__(self, layers: int, shape: LayerShape, cells: int, dtype: torch.dtype) -> None:
        numbers = layers * 2 * shape.heads * cells * shape.key_width
        self._bytes = numbers * dtype.itemsize
        places = max(1, min(MOST_SLOTS, BLOCK_BYTES // self._bytes))
        self._memory = mmap.mmap(-1, places * self._bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE") and self._bytes >= HUGE_BYTES:
            with suppress(OSError):  # a kernel without them
                self._memory.madvise(mmap.MADV_HUGEPAGE)
        self.cells = torch.frombuffer(self._memory, dtype=dtype).view(
            places, layers, 2, shape.heads, cells, shape.key_width
        )
        """By place and layer the keys, then the values."""
        self.array = (self.cells if dtype is torch.float32 else self.cells.view(torch.uint16)).numpy()
        """The same as compiled functions see it."""
        self.capacity = cells
        self._free = list(range(places))
        self._places = places

    @property
    def full(self) -> bool:
        """Whether every place is held."""
        return not self._free

    @property
    def empty(self) -> bool:
        """Whether no place is held."""
        return len(self._free) == self._places

    def take(self) -> int:
        """The first free place, so that those held stay close together."""
        return heapq.heappop(self._free)

    def give_back(self, place: int) -> None:
        """Clear a place and give it to whoever comes next."""
        if sys.platform == "linux" and self._bytes % mmap.PAGESIZE == 0:
            self._memory.madvise(mmap.MADV_DONTNEED, place * self._bytes, self._bytes)
        else:
            self.cells[place].zero_()
        heapq.heappush(self._free, place)


class BlockSlots:
    """Makes slots of one model out of blocks; a slot's place is free again when nobody knows the slot any more."""

    def __init__(self, layers: int, shape: LayerShape, dtype: torch.dtype) -> None:
        """``shape``: keys and values are equally wide. ``dtype``: float32 or bfloat16."""
        self._layers, self._shape, self._dtype = layers, shape, dtype
        self._blocks: defaultdict[int, list[Block]] = defaultdict(list)

    @property
    def cell_bytes(self) -> int:
        """Bytes one token takes in all layers."""
        return 2 * self._layers * self._shape.heads * self._shape.key_width * self._dtype.itemsize

    def open(self, capacity: int) -> Slot:
        """An empty slot for at least ``capacity`` tokens."""
        cells = rounded(capacity)
        alike = self._blocks[cells]
        block = next((block for block in alike if not block.full), None)
        if block is None:
            block = Block(self._layers, self._shape, cells, self._dtype)
            alike.append(block)
        place = block.take()
        keys, values = block.cells[place].unsqueeze(2).unbind(1)
        slot = Slot(cells, keys.unbind(0), values.unbind(0), keys, values, block, place)
        weakref.finalize(slot, _let_go, alike, block, place).atexit = False
        return slot

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        """A slot of its own that begins with the first ``length`` tokens of another."""
        fresh = self.open(capacity)
        fresh.key_block[:, :, :, :length] = slot.key_block[:, :, :, :length]
        fresh.value_block[:, :, :, :length] = slot.value_block[:, :, :, :length]
        return fresh


def _let_go(alike: list[Block], block: Block, place: int) -> None:
    block.give_back(place)
    if block.empty:
        alike.remove(block)
