"""The rows being decoded together: keys and values in one block, padded on the left, so that rows can come and go."""

from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from model_access.engine.model import KeyValues


class Rows:
    """Keys and values of all live rows. Row order is the caller's; lengths are in tokens, without padding."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self._block: KeyValues = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def block(self) -> KeyValues:
        """Per layer keys and values (rows, heads, longest, head width)."""
        return self._block

    def join(self, key_values: KeyValues, length: int, copies: int) -> None:
        """Add ``copies`` rows that share one prefilled prompt."""
        joined = tuple(
            (keys.expand(copies, -1, -1, -1), values.expand(copies, -1, -1, -1)) for keys, values in key_values
        )
        if self._block:
            width = max(length, self._block[0][0].shape[-2])
            joined = tuple(
                (
                    torch.cat((_widen(keys, width), _widen(more_keys, width))),
                    torch.cat((_widen(values, width), _widen(more_values, width))),
                )
                for (keys, values), (more_keys, more_values) in zip(self._block, joined, strict=True)
            )
        self._block = joined
        self.lengths += [length] * copies

    def grown(self, block: KeyValues) -> None:
        """Every row got one token longer; ``block`` holds the result."""
        self._block = block
        self.lengths = [length + 1 for length in self.lengths]

    def keep(self, places: Sequence[int]) -> None:
        """Drop all rows but those at ``places``, and the padding that no remaining row needs."""
        self.lengths = [self.lengths[place] for place in places]
        if not places:
            self._block = ()
            return
        chosen, longest = torch.tensor(places), max(self.lengths)
        self._block = tuple((keys[chosen, :, -longest:], values[chosen, :, -longest:]) for keys, values in self._block)


def _widen(rows: torch.Tensor, width: int) -> torch.Tensor:
    missing = width - rows.shape[-2]
    return pad(rows, (0, 0, missing, 0)) if missing else rows
