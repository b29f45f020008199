"""Products of rows with a fixed matrix, packed once for the processor at hand (decisions 41 and 58).

The one module that names private operators of torch.

Each has a plain counterpart that needs none of them, used where an operator is missing or does not compute what it
should here; the tests hold both against each other.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.nn.functional import gelu, linear

from model_access.build import Precision, Products
from model_access.engine.byte_kernels import INSTRUCTION, byte_panels, multiply_bytes
from model_access.engine.float_kernels import float_panels, multiply_floats
from model_access.engine.row_kernels import INT8_MOST, scale_add_and_gelu, scale_and_add, whole_numbers
from model_access.engine.tile_kernels import COLUMNS

Product = Callable[[torch.Tensor], torch.Tensor]
"""From (rows, in) to (rows, out). Takes float32, or what another product gave; gives float32 or bfloat16."""

WEIGHT_BITS = 8
"""Of each int8 weight, its sign included; with seven once, where a processor's own operators took no more exactly."""
_ZERO = torch.zeros((), dtype=torch.double)
_TINY = torch.finfo(torch.float32).tiny
_EXACT_TERMS = 1024
"""So many products of two int8 numbers add up exactly in float32."""


def product(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    precision: Precision,
    *,
    with_gelu: bool = False,
    packed: bool = True,
) -> Product:
    """``weight`` (out, in) and ``bias`` as a product, followed by GELU (tanh) if asked for.

    ``packed=False`` gives the plain counterpart.
    """
    if precision is Precision.INT8:
        return (int8_kind() if packed else PlainInt8)(weight, bias, with_gelu)
    dtype = torch.float32 if precision is Precision.FLOAT32 else torch.bfloat16
    floats = float_kind(dtype) if packed else PlainFloat
    return floats(weight.to(dtype), None if bias is None else bias.to(dtype), with_gelu)


def products_of(precision: Precision) -> Products:
    """How ``product`` computes here."""
    if precision is Precision.INT8:
        return Products(kernel=int8_kind().name, weight_bits=WEIGHT_BITS)
    return Products(kernel=float_kind(torch.float32 if precision is Precision.FLOAT32 else torch.bfloat16).name)


_ROWS_HINT = 8


class PackedFloat:
    """oneDNN on weights reordered for it; GELU is part of the product."""

    name = "onednn"

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, with_gelu: bool) -> None:
        self._dtype, self._bias = weight.dtype, bias
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_HINT)  # noqa: SLF001 - private to torch; there is a fallback
        self._after = ("gelu", "tanh") if with_gelu else ("none", "")

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        after, how = self._after
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001 - private to torch; there is a fallback
            rows.to(self._dtype), self._weight, self._bias, after, [], how
        )
        return result


class FmaFloat:
    """Our own: rows and weights are rounded to the weight's format, and sums are float32 whichever it is."""

    name = "fma"

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, with_gelu: bool) -> None:
        self._outputs, self._panels, self._with_gelu = len(weight), float_panels(weight), with_gelu
        self._bias = _filled_up(bias, len(weight))

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        result = torch.empty(len(rows), self._outputs)
        multiply_floats(rows.float().contiguous().numpy(), self._panels, self._bias, self._with_gelu, result.numpy())
        return result


class PlainFloat:
    """torch's own product."""

    name = "torch"

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, with_gelu: bool) -> None:
        self._weight, self._bias, self._with_gelu = weight.contiguous(), bias, with_gelu

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        result = linear(rows.to(self._weight.dtype), self._weight, self._bias)
        return gelu(result, approximate="tanh") if self._with_gelu else result


class _Int8:
    """Each row is divided by its own largest magnitude, so no row's scale depends on another's.

    Sums are of integers, which come out the same in any order and on any processor. Operators may multiply them by one
    scale per output, which rounds once and so everywhere alike; the rest is applied here, one operation at a time,
    since what is fused further rounds differently from kernel to kernel.
    """

    name: str

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, with_gelu: bool) -> None:
        self._bias = torch.zeros(len(weight)).numpy() if bias is None else bias.float().contiguous().numpy()
        self._with_gelu = with_gelu
        weight = weight.float()
        most = float(INT8_MOST)
        scales = weight.abs().amax(1).clamp_min(_TINY) / most
        whole = (weight / scales.unsqueeze(1)).round().clamp(-most, most).to(torch.int8)
        self._hold(whole, scales / most)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        rows = rows.float().contiguous()
        whole, largest = torch.empty_like(rows), torch.empty(len(rows))
        whole_numbers(rows.numpy(), whole.numpy(), largest.numpy())
        result = self._sums(whole)
        finish = scale_add_and_gelu if self._with_gelu else scale_and_add
        finish(result.numpy(), largest.numpy(), self._bias)
        return result

    def _hold(self, weight: torch.Tensor, scales: torch.Tensor) -> None:
        """Keep (out, in) integers of at most 127, and what the sums of each output are multiplied by."""
        raise NotImplementedError

    def _sums(self, rows: torch.Tensor) -> torch.Tensor:
        """Products of float32 rows of whole numbers, at most 127, with the weight: exact, made float32, scaled."""
        raise NotImplementedError


class TiledInt8(_Int8):
    """Our own, from a row to its finished numbers in one call, by what instruction the processor has for such sums."""

    name = INSTRUCTION

    def _hold(self, weight: torch.Tensor, scales: torch.Tensor) -> None:
        self._outputs, self._panels = len(weight), byte_panels(weight)
        self._scales, self._bias = (
            _filled_up(scales, len(weight)),
            _filled_up(torch.from_numpy(self._bias), len(weight)),
        )

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        result = torch.empty(len(rows), self._outputs)
        multiply_bytes(
            *(rows.float().contiguous().numpy(), self._panels.held, self._panels.starts, self._scales, self._bias),
            *(self._with_gelu, result.numpy()),
        )
        return result


class OneDnnInt8(_Int8):
    """oneDNN, which uses the matrix tiles of processors that have them."""

    name = "onednn"

    def _hold(self, weight: torch.Tensor, scales: torch.Tensor) -> None:
        self._packed = torch.ops.onednn.qlinear_prepack(weight.contiguous(), [_ROWS_HINT, weight.shape[1]])
        self._scales, self._points = scales, torch.zeros(len(weight), dtype=torch.long)

    def _sums(self, rows: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            *(rows.to(torch.int8), 1.0, 0, self._packed, self._scales, self._points, None),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        return result


class PlainInt8(_Int8):
    """float32 products of few enough integers to be exact."""

    name = "torch"

    def _hold(self, weight: torch.Tensor, scales: torch.Tensor) -> None:
        self._parts = [part.float() for part in torch.split(weight, _EXACT_TERMS, dim=1)]
        self._scales = scales

    def _sums(self, rows: torch.Tensor) -> torch.Tensor:
        parts = zip(torch.split(rows, _EXACT_TERMS, dim=1), self._parts, strict=True)
        sums = sum((linear(part, weight).double() for part, weight in parts), _ZERO).float()
        return sums.mul_(self._scales)


def _filled_up(numbers: torch.Tensor | None, outputs: int) -> Any:
    """One number for each output of whole panels, nought where there is none."""
    filled = torch.zeros(-(-outputs // COLUMNS) * COLUMNS)
    if numbers is not None:
        filled[:outputs] = numbers
    return filled.numpy()


@cache
def float_kind(dtype: torch.dtype) -> type[PackedFloat | FmaFloat | PlainFloat]:
    """How products of that format are computed here: ours, unless the processor multiplies bfloat16 itself."""
    preferred: tuple[type[PackedFloat | FmaFloat], ...] = (FmaFloat, PackedFloat)
    if dtype is torch.bfloat16:
        preferred = (PackedFloat, FmaFloat)
    return next((kind for kind in preferred if float_works(kind, dtype)), PlainFloat)


def float_works(kind: type[PackedFloat | FmaFloat], dtype: torch.dtype) -> bool:
    """Whether a product is there and computes what it should."""
    weight = torch.linspace(-1, 1, 64 * 96).view(64, 96).to(dtype)
    rows = torch.linspace(1, -1, 5 * 96).view(5, 96)
    return _agrees(
        lambda: kind(weight, None, with_gelu=True)(rows), lambda: PlainFloat(weight, None, with_gelu=True)(rows)
    )


@cache
def int8_kind() -> type[_Int8]:
    """How int8 products are computed here: the quickest, since all give the same bits."""
    preferred: tuple[type[_Int8], ...] = (TiledInt8, OneDnnInt8)
    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - private to torch; there is a fallback
        preferred = (OneDnnInt8, TiledInt8)
    return next((kind for kind in preferred if int8_works(kind)), PlainInt8)


def int8_works(kind: type[_Int8]) -> bool:
    """Whether an operator is there and does not saturate, as oneDNN's sums do that are made in sixteen bits."""
    weight, rows = torch.ones(32, 512), torch.ones(3, 512)
    return _agrees(lambda: kind(weight, None, False)(rows), lambda: PlainInt8(weight, None, False)(rows))


def _agrees(packed: Callable[[], torch.Tensor], plain: Callable[[], torch.Tensor]) -> bool:
    try:
        found = packed().float()
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return torch.allclose(found, plain().float(), rtol=2e-2, atol=2e-2)
