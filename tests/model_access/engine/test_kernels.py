"""Packed products against plain ones, and each row against its neighbours."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_access.build import Precision, Products
from model_access.engine.kernels import (
    FmaFloat,
    OneDnnInt8,
    PlainFloat,
    PlainInt8,
    TiledInt8,
    float_kind,
    float_works,
    int8_kind,
    int8_works,
    product,
    products_of,
)
from model_access.engine.tile_kernels import WIDE

CLOSE = {Precision.FLOAT32: 1e-5, Precision.BFLOAT16: 3e-2, Precision.INT8: 1e-2}


def matrix(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("with_gelu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 96), (48, 31), (1100, 40)])
def test_packed_and_plain_agree(
    precision: Precision, with_gelu: bool, with_bias: bool, inputs: int, outputs: int
) -> None:
    weight, bias = matrix(outputs, inputs, 1), matrix(1, outputs, 2)[0] if with_bias else None
    rows = matrix(9, inputs, 3) * 5
    found = product(weight, bias, precision, with_gelu=with_gelu)(rows).float()
    plain = product(weight, bias, precision, with_gelu=with_gelu, packed=False)(rows).float()
    assert found.shape == plain.shape == (9, outputs)
    assert float((found - plain).abs().max()) <= CLOSE[precision] * float(plain.abs().max())


@pytest.mark.parametrize(("precision", "allowed"), [*zip(Precision, (1e-6, 1e-2, 2e-2), strict=True)])
def test_a_product_is_near_the_exact_one(precision: Precision, allowed: float) -> None:
    weight, bias, rows = matrix(96, 512, 1), matrix(1, 96, 2)[0], matrix(7, 512, 3)
    exact = torch.nn.functional.linear(rows.double(), weight.double(), bias.double())
    error = (product(weight, bias, precision)(rows).double() - exact).abs().max()
    assert float(error) <= allowed * float(exact.abs().max())


INT8 = [TiledInt8, OneDnnInt8, PlainInt8]


@pytest.mark.parametrize("kind", INT8)
@given(count=st.integers(1, 40), seed=st.integers(0, 99), data=st.data())
def test_an_int8_row_keeps_its_bits_in_any_company(
    kind: type[PlainInt8], count: int, seed: int, data: st.DataObject
) -> None:
    """The sums are exact and the scales its own, so here no trial is needed."""
    if not int8_works(kind):
        pytest.skip("not on this processor")
    times = kind(matrix(40, 70, 1), matrix(1, 40, 2)[0], False)
    rows = matrix(count, 70, seed) * torch.logspace(-3, 3, count).unsqueeze(1)
    place = data.draw(st.integers(0, count - 1))
    assert torch.equal(times(rows)[place], times(rows[place : place + 1])[0])


@pytest.mark.parametrize("kind", INT8)
@given(st.integers(1, 40), st.integers(1, 1500), st.integers(1, 70), st.integers(0, 99))
def test_every_int8_kind_gives_the_same_bits(
    kind: type[PlainInt8], rows: int, inputs: int, outputs: int, seed: int
) -> None:
    if not int8_works(kind):
        pytest.skip("not on this processor")
    weight, activations = matrix(outputs, inputs, seed), matrix(rows, inputs, seed + 100)
    assert torch.equal(kind(weight, None, False)(activations), PlainInt8(weight, None, False)(activations))


@pytest.mark.parametrize("precision", Precision)
def test_rows_and_weights_of_nought_give_the_bias(precision: Precision) -> None:
    bias = torch.ones(16)
    assert torch.equal(product(torch.zeros(16, 32), bias, precision)(torch.zeros(2, 32)).float(), bias.expand(2, 16))
    assert torch.equal(product(matrix(16, 32, 1), bias, precision)(torch.zeros(2, 32)).float(), bias.expand(2, 16))


def test_a_missing_operator_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise AttributeError("no such operator")

    for name in ("PackedFloat.__init__", "OneDnnInt8._hold", "TiledInt8._hold", "FmaFloat.__init__"):
        monkeypatch.setattr(f"model_access.engine.kernels.{name}", missing)
    caches = (float_kind, int8_kind)
    for asked in caches:
        asked.cache_clear()
    try:
        assert float_kind(torch.float32) is float_kind(torch.bfloat16) is PlainFloat
        assert int8_kind() is PlainInt8
        assert products_of(Precision.INT8) == Products(kernel="torch", weight_bits=8)
        assert products_of(Precision.FLOAT32) == Products(kernel="torch")
        assert product(matrix(8, 16, 1), None, Precision.INT8)(matrix(2, 16, 2)).shape == (2, 8)
    finally:
        for asked in caches:
            asked.cache_clear()


@pytest.mark.parametrize("kind", INT8)
@given(st.integers(1, 3000), st.sampled_from([1.0, -1.0]), st.sampled_from([1.0, -1.0]))
def test_no_sum_is_cut_off(kind: type[PlainInt8], inputs: int, weight: float, row: float) -> None:
    """Every product as large as it can be: two of them do not fit sixteen bits."""
    if not int8_works(kind):
        pytest.skip("not on this processor")
    found = kind(torch.full((3, inputs), weight), None, False)(torch.full((2, inputs), row))
    assert torch.allclose(found, torch.full((2, 3), weight * row * inputs), rtol=1e-6)


FMA = pytest.mark.skipif(not float_works(FmaFloat, torch.float32), reason="not on this processor")


@FMA
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(count=st.integers(1, 20), inputs=st.integers(1, 1200), outputs=st.integers(1, 110), data=st.data())
def test_a_float_row_keeps_its_bits_in_any_company(
    dtype: torch.dtype, count: int, inputs: int, outputs: int, data: st.DataObject
) -> None:
    """Its sums are taken in the order of its inputs, so here no trial is needed either."""
    weight, bias = matrix(outputs, inputs, 1).to(dtype), matrix(1, outputs, 2)[0].to(dtype)
    times, rows = FmaFloat(weight, bias, False), matrix(count, inputs, 3)
    together, place = times(rows), data.draw(st.integers(0, count - 1))
    assert torch.equal(times(rows[place : place + 1])[0], together[place])
    exact = torch.nn.functional.linear(rows.to(dtype).double(), weight.double(), bias.double())
    assert float((together - exact).abs().max()) <= 1e-6 * inputs


@FMA
@given(st.integers(1, 20), st.integers(1, 1200), st.integers(1, 110), st.booleans())
def test_bfloat16_is_rounded_where_it_is_taken_and_nowhere_else(
    count: int, inputs: int, outputs: int, with_gelu: bool
) -> None:
    weight, bias, rows = matrix(outputs, inputs, 1).bfloat16(), matrix(1, outputs, 2)[0], matrix(count, inputs, 3)
    short = FmaFloat(weight, bias, with_gelu)(rows)
    assert torch.equal(short, FmaFloat(weight.float(), bias, with_gelu)(rows.bfloat16().float()))


OTHER_PROCESSOR = """
import torch
from model_access.engine.kernels import FmaFloat, PlainFloat, PlainInt8, TiledInt8
from model_access.engine.tile_kernels import LANES
torch.manual_seed(1)
weight, bias, rows = torch.randn(70, 131), torch.randn(70), torch.randn(7, 131)
found = FmaFloat(weight, bias, True)(rows)
plain = PlainFloat(weight, bias, True)(rows)
print(LANES, TiledInt8.name, bool(torch.allclose(found, plain, atol=1e-5)))
print(all(torch.equal(FmaFloat(weight, bias, True)(rows[:count]), found[:count]) for count in range(1, 7)))
exact = PlainInt8(weight, bias, True)(rows)
print(all(torch.equal(TiledInt8(weight, bias, True)(rows[:count]), exact[:count]) for count in range(1, 7)))
"""


@FMA
@pytest.mark.parametrize(
    ("name", "features", "lanes"),
    [
        ("haswell", "+avx2,+fma,+avx,+sse4.2,+f16c", 8),
        pytest.param(
            "skylake-avx512",
            "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512cd,+avx2,+fma,+avx,+sse4.2,+f16c",
            16,
            marks=pytest.mark.skipif(not WIDE, reason="not on this processor"),
        ),
    ],
)
def test_processors_with_less_do_as_well(name: str, features: str, lanes: int) -> None:
    """Registers half as wide, and none of the instructions for bytes; Numba is told to compile for such a processor."""
    ended = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESSOR],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features},
    )
    assert ended.stdout.split("\n") == [f"{lanes} vpmaddwd True", "True", "True", ""]
