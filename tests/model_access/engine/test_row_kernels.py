"""What is done to rows in one go, against what it stands for in float64, and each row against its neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import gelu

from model_access.engine.row_kernels import scale_add_and_gelu, scale_and_add, whole_numbers

COUNTS = st.integers(1, 9)
WIDTHS = st.integers(1, 70)
SEEDS = st.integers(0, 999)


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(COUNTS, WIDTHS, SEEDS, st.sampled_from([1e-32, 1e-20, 1.0, 1e20]))
def test_the_largest_number_of_a_row_stands_for_127(count: int, width: int, seed: int, size: float) -> None:
    rows = numbers(seed, count, width) * size
    whole, largest = torch.empty_like(rows), torch.empty(count)
    whole_numbers(rows.numpy(), whole.numpy(), largest.numpy())
    most = rows.abs().amax(1)
    assert torch.equal(largest, most.clamp_min(1e-30))
    assert torch.equal(whole, whole.round())
    assert float(whole.abs().max()) <= 127
    # Half a step, and what float32 is short of where two whole numbers are as near.
    assert bool(((whole * (largest / 127).unsqueeze(1) - rows).abs() <= (largest / 127).unsqueeze(1) * 0.50001).all())


@given(COUNTS, WIDTHS, SEEDS)
def test_scaling_and_adding_round_as_torch_does(count: int, width: int, seed: int) -> None:
    rows, scales, bias = numbers(seed, count, width), numbers(seed + 1, count), numbers(seed + 2, width)
    expected = rows.mul(scales.unsqueeze(1)).add(bias)
    scale_and_add(rows.numpy(), scales.numpy(), bias.numpy())
    assert torch.equal(rows, expected)


@given(COUNTS, WIDTHS, SEEDS, st.sampled_from([0.01, 1.0, 30.0, 1e6]))
def test_gelu_is_near_the_exact_one(count: int, width: int, seed: int, size: float) -> None:
    rows, scales, bias = numbers(seed, count, width) * size, torch.ones(count), numbers(seed + 2, width)
    inner = rows.add(bias)
    exact = gelu(inner.double(), approximate="tanh")
    scale_add_and_gelu(rows.numpy(), scales.numpy(), bias.numpy())
    assert bool(((rows - exact).abs() <= 2e-6 * inner.abs().clamp_min(1e-3)).all())


def test_nothing_is_compiled_once_all_is() -> None:
    """In a worker's sandbox it could not be."""
    rows = np.ones((1, 3), np.float64)
    with pytest.raises(TypeError, match="No matching definition"):
        whole_numbers(rows, rows, rows[0])
