"""Slots side by side: places are cleared and given out again, and rows keep their bits in one call."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_access.engine.blocks import BlockSlots
from model_access.engine.decoder import Segment
from model_access.engine.pass_attention import PassAttention, side_by_side
from model_access.engine.slots import LayerShape, Slot

HEADS, WIDTH = 2, 8
SCALE = WIDTH**-0.5


def slots() -> BlockSlots:
    return BlockSlots(3, LayerShape(HEADS, WIDTH, WIDTH), torch.float32)


@pytest.mark.parametrize("width", [6, 16], ids=["less than a page", "whole pages"])
def test_a_place_let_go_is_nought_for_the_next(width: int) -> None:
    maker = BlockSlots(3, LayerShape(HEADS, width, width), torch.float32)
    kept, mine = maker.open(70), maker.open(70)
    for slot in (kept, mine):
        slot.key_block.fill_(7.0)
        slot.value_block.fill_(9.0)
    place, block = mine.place, mine.block
    del slot, mine
    other = maker.open(100)
    assert (other.block, other.place, other.capacity) == (block, place, 128)
    assert not other.key_block.any()
    assert not other.value_block.any()
    assert bool((kept.key_block == 7.0).all())
    assert bool((kept.value_block == 9.0).all())


def test_slots_of_other_capacities_lie_elsewhere_and_forks_begin_alike() -> None:
    maker = slots()
    short, long = maker.open(1), maker.open(65)
    assert short.block is not long.block
    short.key_block.normal_()
    copy = maker.fork(short, 5, 200)
    assert torch.equal(copy.keys[2][:, :, :5], short.keys[2][:, :, :5])
    assert not copy.keys[2][:, :, 5:].any()


def test_more_slots_than_a_block_has_places() -> None:
    maker = slots()
    many = [maker.open(1) for _ in range(40)]
    assert len({(id(slot.block), slot.place) for slot in many}) == 40


def filled(maker: BlockSlots, length: int, seed: int) -> Slot:
    slot, dice = maker.open(length + 4), torch.Generator().manual_seed(seed)
    shape = slot.key_block[:, :, :, :length].shape
    slot.key_block[:, :, :, :length] = torch.randn(shape, generator=dice)
    slot.value_block[:, :, :, :length] = torch.randn(shape, generator=dice)
    return slot


def attended(segments: list[Segment], rows: torch.Tensor, spare: int = 0) -> torch.Tensor:
    return PassAttention(segments, spare, HEADS, SCALE)(1, rows)


@given(st.lists(st.tuples(st.integers(0, 150), st.sampled_from([1, 1, 1, 3])), min_size=1, max_size=12), st.data())
def test_a_segment_keeps_its_bits_in_any_company(shapes: list[tuple[int, int]], data: st.DataObject) -> None:
    maker = slots()
    segments = [Segment(filled(maker, start, at), start, [at] * count, 1) for at, (start, count) in enumerate(shapes)]
    inputs = {
        id(segment.slot): torch.randn(
            len(segment.tokens), 3 * HEADS * WIDTH, generator=torch.Generator().manual_seed(at + 99)
        )
        for at, segment in enumerate(segments)
    }
    ordered, _ = side_by_side(data.draw(st.permutations(segments)))
    together = attended(ordered, torch.cat([*(inputs[id(one.slot)] for one in ordered), torch.ones(2, 48)]), spare=2)
    at = 0
    for segment in ordered:
        alone = attended([segment], inputs[id(segment.slot)])
        assert torch.equal(together[at : at + len(segment.tokens)], alone)
        at += len(segment.tokens)


def test_a_single_token_sees_what_is_there_and_itself() -> None:
    slot = filled(slots(), 70, 1)
    row = torch.randn(1, 48, generator=torch.Generator().manual_seed(2))
    found = attended([Segment(slot, 70, [0], 1)], row)
    query, key, value = row.view(3, HEADS, 1, WIDTH)
    keys = torch.cat([slot.keys[1][0, :, :70], key], 1)
    values = torch.cat([slot.values[1][0, :, :70], value], 1)
    exact = torch.softmax(query @ keys.transpose(1, 2) * SCALE, -1) @ values
    assert torch.allclose(found.view(HEADS, 1, WIDTH), exact, atol=1e-6)


def test_a_token_beyond_its_slot_is_refused() -> None:
    slot = slots().open(64)
    assert attended([Segment(slot, 63, [0], 1)], torch.ones(1, 48)).isfinite().all()
    with pytest.raises(IndexError, match="no cell"):
        attended([Segment(slot, 64, [0], 1)], torch.ones(1, 48))


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(1, 3)), min_size=1, max_size=9))
def test_wanted_rows_come_back_in_the_order_asked_for(shapes: list[tuple[int, int]]) -> None:
    maker = slots()
    segments = [Segment(maker.open(200), start, range(count), count) for start, count in shapes]
    ordered, back = side_by_side(segments)
    owner = [id(segment.slot) for segment in ordered for _ in segment.tokens]
    asked = [owner[row] for row in back(list(range(len(owner))))]
    assert asked == [id(segment.slot) for segment in segments for _ in segment.tokens]
