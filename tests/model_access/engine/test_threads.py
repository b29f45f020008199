"""Bits that do not hang on which of several threads computes a row."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from model_access.build import Precision
from model_access.engine.decoder import Decoder, Segment
from model_access.engine.loading import load

POSITION = 50
"""Far enough for attention to sum over many cells."""
ROWS = 7


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("precision", list(Precision))
def test_a_row_is_the_same_alone_and_among_others_on_two_threads(
    tmp_path: Path, checkpoint_maker: Callable[..., Path], architecture: str, precision: Precision
) -> None:
    decoder = load(checkpoint_maker(tmp_path, architecture, width=256), precision)
    dice = random.Random(3)
    rows = [_row(decoder, [dice.randrange(256) for _ in range(POSITION)]) for _ in range(ROWS)]
    together = decoder.run(rows)
    for place, row in enumerate(rows):
        assert torch.equal(decoder.run([row]), together[place : place + 1])


def _row(decoder: Decoder, tokens: list[int]) -> Segment:
    slot = decoder.open(len(tokens))
    for first in range(0, len(tokens) - 1, decoder.chunk):
        decoder.run([Segment(slot, first, tokens[first : len(tokens) - 1][: decoder.chunk], 0)])
    return Segment(slot, len(tokens) - 1, tokens[-1:], 1)
