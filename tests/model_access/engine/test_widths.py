"""The widths found for decoders of which it is known where a neighbour would change an answer."""

from collections.abc import Callable, Sequence

import pytest
import torch

from model_access.build import Products
from model_access.engine.decoder import Segment, Widths, padded
from model_access.engine.slots import Slot
from model_access.engine.widths import measure


class Shaped:
    """Its numbers depend on how many rows a pass has, as far as ``by_rows`` says, and on their place if ``placed``."""

    end_tokens, chunk, cell_bytes = frozenset[int](), 32, 1
    products = Products(kernel="torch")
    widths = Widths(1, 1)

    def __init__(self, by_rows: Callable[[int], float], *, placed: bool = False) -> None:
        self._by_rows, self._placed = by_rows, placed

    def open(self, capacity: int) -> Slot:
        return Slot(capacity)

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        return Slot(capacity)

    def hidden(self, segment: Segment) -> torch.Tensor:
        raise NotImplementedError

    def run(self, segments: Sequence[Segment]) -> torch.Tensor:
        rows = padded(sum(len(segment.tokens) for segment in segments), self.widths)
        return torch.tensor(
            [
                [segment.tokens[-1] + self._by_rows(rows) + (place if self._placed else 0)]
                for place, segment in enumerate(segments)
            ]
        )


@pytest.mark.parametrize(
    ("by_rows", "placed", "expected"),
    [
        (lambda _rows: 0.0, False, Widths(1, 32)),
        (lambda rows: float(rows == 1), False, Widths(2, 32)),
        (float, False, Widths(8, 8)),
        (lambda _rows: 0.0, True, Widths(1, 1)),
    ],
    ids=["free", "one row apart", "every width apart", "by place"],
)
def test_the_widest_that_holds_is_found(by_rows: Callable[[int], float], placed: bool, expected: Widths) -> None:
    assert measure(Shaped(by_rows, placed=placed), 50) == expected
