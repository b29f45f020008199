"""Attention of single tokens, against what it is defined as, and each row against itself alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from model_access.engine.attention_kernels import attend

SEEDS = st.integers(0, 999)


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def attended(
    rows: torch.Tensor, cells: torch.Tensor, layer: int, places: list[int], positions: list[int]
) -> torch.Tensor:
    """What each row sees; its key and value are in ``cells`` then."""
    width = rows.shape[1] // 3
    held = (cells if cells.dtype is torch.float32 else cells.view(torch.uint16)).numpy()
    mixed = torch.full((len(rows), width), torch.nan)
    where = (np.array(places, np.int64), np.array(positions, np.int64))
    attend(rows.numpy(), held, layer, *where, np.float32(cells.shape[-1] ** -0.5), mixed.numpy())
    return mixed


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(
    heads=st.integers(1, 3),
    size=st.sampled_from([1, 2, 5, 16, 24, 64]),
    positions=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    layer=st.integers(0, 1),
    seed=SEEDS,
)
def test_attention_is_what_it_is_defined_as(
    dtype: torch.dtype, heads: int, size: int, positions: list[int], layer: int, seed: int
) -> None:
    count, width = len(positions), heads * size
    rows = numbers(seed, count, 3 * width) * 3
    cells = numbers(seed + 1, count + 2, 2, 2, heads, 41, size).to(dtype)
    before = cells.clone()
    places = torch.randperm(count + 2, generator=torch.Generator().manual_seed(seed))[:count].tolist()
    found = attended(rows, cells, layer, places, positions)
    query, key, value = rows.view(count, 3, heads, size).unbind(1)
    for at, (place, own) in enumerate(zip(places, positions, strict=True)):
        before[place, layer, 0, :, own] = key[at].to(dtype)
        before[place, layer, 1, :, own] = value[at].to(dtype)
        seen = before[place, layer, :, :, : own + 1].double()
        exact = scaled_dot_product_attention(query[at].double().unsqueeze(1), seen[0], seen[1])
        assert torch.allclose(found[at].double(), exact.reshape(-1), atol=2e-5)
    assert torch.equal(cells, before), "each row's own cell is written, rounded as torch rounds, and no other"


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8), SEEDS, st.data())
def test_a_row_is_the_same_alone(positions: list[int], seed: int, data: st.DataObject) -> None:
    count = len(positions)
    rows, cells = numbers(seed, count, 3 * 48), numbers(seed + 1, count, 1, 2, 2, 41, 24)
    together = attended(rows, cells.clone(), 0, list(range(count)), positions)
    at = data.draw(st.integers(0, count - 1))
    assert torch.equal(attended(rows[at : at + 1], cells, 0, [at], positions[at : at + 1])[0], together[at])


def test_likenesses_of_any_size_are_borne() -> None:
    """Far apart, equal, and all of a sign: the weights stay numbers and add up to one."""
    for size in (1e-20, 1.0, 1e4, -1e4, 1e18):
        rows = torch.cat([torch.full((1, 4), size), torch.ones(1, 8)], 1)
        cells = torch.ones(1, 1, 2, 1, 8, 4) * torch.linspace(-1, 1, 8).view(1, 1, 1, 1, 8, 1)
        found = attended(rows, cells, 0, [0], [7])
        assert bool(found.isfinite().all())
        assert float(found.abs().max()) <= 1.00001
