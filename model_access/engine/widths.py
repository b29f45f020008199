"""Finding out how many rows may share a pass: tried on the model itself when it is loaded.

Matrix kernels choose their code by shape. Between some shapes the order of summation changes, and with it the last bits
of an answer; which shapes these are depends on the processor, the library and the precision. The order does not depend
on the numbers, so a few trials with random ones tell: thousands of sums would have to agree by chance.
"""

import random
from collections.abc import Iterator, Sequence

import torch

from model_access.engine.decoder import Decoder, Segment, Widths

MOST_ROWS = 32
CANDIDATES = (Widths(1, MOST_ROWS), Widths(2, MOST_ROWS), Widths(8, 8), Widths(1, 1))
"""From the quickest to the one that holds everywhere: every row in a pass of its own."""

_TRIED = (2, 3, 4, 5, 7, 8, 11, 16, 17, 23, 31, 32)


def measure(decoder: Decoder, vocabulary: int) -> Widths:
    """The widest of ``CANDIDATES`` within which a row of ``decoder`` does not depend on its neighbours."""
    trial = _Trial(decoder, vocabulary)
    for widths in CANDIDATES[:-1]:
        decoder.widths = widths
        if trial.holds(widths):
            return widths
    return CANDIDATES[-1]


class _Trial:
    """One row, run alone and in company."""

    def __init__(self, decoder: Decoder, vocabulary: int) -> None:
        self._decoder, self._dice = decoder, random.Random(20190214)  # noqa: S311 - any tokens will do
        self._vocabulary = vocabulary
        decoder.widths = CANDIDATES[-1]
        opening = self._tokens(3)
        slot = decoder.open(len(opening))
        decoder.run([Segment(slot, 0, opening[:-1], 0)])
        self._ours = Segment(slot, len(opening) - 1, opening[-1:], 1)
        self._others = [Segment(decoder.open(1), 0, self._tokens(1), 1) for _ in range(MOST_ROWS)]

    def holds(self, widths: Widths) -> bool:
        """Whether every company tried leaves the row as it is alone."""
        alone = self._decoder.run([self._ours])
        return all(
            torch.equal(self._decoder.run(company)[place : place + 1], alone)
            for place, company in self._companies(widths)
        )

    def _companies(self, widths: Widths) -> Iterator[tuple[int, list[Segment]]]:
        for rows in _TRIED:
            if rows > widths.most:
                return
            others = self._dice.sample(self._others, rows - 1)
            place = self._dice.randrange(rows)
            yield place, [*others[:place], self._ours, *others[place:]]

    def _tokens(self, count: int) -> Sequence[int]:
        return [self._dice.randrange(self._vocabulary) for _ in range(count)]
