"""Finding out how many rows may share a pass: tried on the model itself when it is loaded.

Matrix kernels choose their code by shape. Between some shapes the order of summation changes, and with it the last bits
of an answer; which shapes these are depends on the processor, the library and the precision. The order does not depend
on the numbers, but numbers hide it: rounded to bfloat16, most sums come out the same in either order. So trials with
random rows compare enough logits that some would differ.
"""

import random
from collections.abc import Iterator

import torch

from model_access.engine.decoder import Decoder, Segment, Widths

MOST_ROWS = 32
CANDIDATES = (Widths(1, MOST_ROWS), Widths(2, MOST_ROWS), Widths(8, 8), Widths(1, 1))
"""From the quickest to the one that holds everywhere: every row in a pass of its own."""

_TRIED = (1, 2, 3, 4, 5, 7, 8, 11, 16, 17, 23, 31, 32)
_LOGITS = 20_000
"""So many, at least, are compared for each number of rows tried. Of one layer in bfloat16 whose order of summation
changed, one in some two thousand was seen to differ."""


def measure(decoder: Decoder, vocabulary: int) -> Widths:
    """The widest of ``CANDIDATES`` within which a row of ``decoder`` does not depend on its neighbours."""
    trial = _Trial(decoder, vocabulary)
    for widths in CANDIDATES[:-1]:
        decoder.widths = widths
        if trial.holds(widths):
            return widths
    return CANDIDATES[-1]


class _Trial:
    """Many rows, run together and in smaller companies."""

    def __init__(self, decoder: Decoder, vocabulary: int) -> None:
        self._decoder, self._dice = decoder, random.Random(20190214)  # noqa: S311 - any tokens will do
        self._vocabulary = vocabulary
        self._least_rows = max(2, _LOGITS // vocabulary)
        decoder.widths = CANDIDATES[-1]
        self._rows = [self._row(1 + place % 3) for place in range(MOST_ROWS)]

    def _row(self, length: int) -> Segment:
        """The last of so many tokens; those before have been run."""
        tokens = [self._dice.randrange(self._vocabulary) for _ in range(length)]
        slot = self._decoder.open(length)
        if length > 1:
            self._decoder.run([Segment(slot, 0, tokens[:-1], 0)])
        return Segment(slot, length - 1, tokens[-1:], 1)

    def holds(self, widths: Widths) -> bool:
        """Whether rows come out the same in every company tried."""
        rows = self._rows[: widths.most]
        together = self._decoder.run(rows)
        return all(
            torch.equal(self._decoder.run([rows[place] for place in company]), together[company])
            for company in self._companies(len(rows))
        )

    def _companies(self, most: int) -> Iterator[list[int]]:
        for rows in _TRIED:
            if rows > most:
                return
            for _ in range(-(-self._least_rows // rows)):
                yield self._dice.sample(range(most), rows)
