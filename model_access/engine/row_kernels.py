"""What is done to each row by itself in one go, where torch needs five to ten operations.

A row's numbers are computed from that row alone, by the same instructions whoever else is in the pass. Arrays are of
float32 unless said otherwise, and lie row after row without gaps.
"""

from typing import Any

import numpy as np
from numba import float32, prange, types
from numba.extending import overload

from model_access.engine.compiled import compiled, within

INT8_MOST = np.float32(127)
_LEAST = np.float32(1e-30)
"""A row no number of which is larger counts as nought; 127 divided by it can still be told."""
MAGNITUDE = np.int32(0x7FFFFFFF)
"""All bits but the sign: of two magnitudes the larger has the larger bits (IEEE 754)."""

_LOG2_E = np.float32(1.4426950408889634)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_TO_WHOLE = np.float32(3 << 22)
"""Added to a number below 2**22, it leaves the nearest whole number in the lowest bits."""
_EXPONENT_BIAS, _MANTISSA_BITS = np.int32(127), np.int32(23)
LOWEST_POWER, HIGHEST_POWER = np.float32(-87), np.float32(87)
"""e to the power of what lies between is an ordinary float32."""
_TANH_SLOPE = np.float32(-2 * (2 / np.pi) ** 0.5)
_CUBE = np.float32(0.044715)


def widened(kept: Any) -> Any:
    """A number as it is kept, as float32. bfloat16 is the upper half of one, and held as uint16 here."""


def as_kept(number: Any, among: Any) -> Any:
    """A float32 as an array keeps it: to bfloat16 it is rounded to the nearest, to the even one of two (IEEE 754)."""


@overload(widened)
def _widened(kept):  # type: ignore[no-untyped-def]  # numba compares names and annotations
    if kept == types.uint16:
        return lambda kept: np.int32(np.int32(kept) << np.int32(16)).view(np.float32)
    return lambda kept: kept


@overload(as_kept)
def _as_kept(number, among):  # type: ignore[no-untyped-def]  # compiled for what is given
    def rounded(number, among):  # type: ignore[no-untyped-def]  # as above
        bits = np.float32(number).view(np.uint32)
        odd = np.uint32(bits >> np.uint32(16)) & np.uint32(1)
        return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))

    return rounded if among.dtype == types.uint16 else lambda number, among: number


@within()
def exponential(x):  # type: ignore[no-untyped-def]  # compiled for what is given
    """Of a float32 between -87 and 87, to two units in the last place.

    As Cephes computes it (Moshier, ``expf``), without a branch.
    """
    shifted = float32(float32(x * _LOG2_E) + _TO_WHOLE)
    whole = float32(shifted - _TO_WHOLE)
    rest = float32(float32(x - whole * _LN_2_HIGH) - whole * _LN_2_LOW)
    series = float32(1.9875691500e-4)
    series = series * rest + float32(1.3981999507e-3)
    series = series * rest + float32(8.3334519073e-3)
    series = series * rest + float32(4.1665795894e-2)
    series = series * rest + float32(1.6666665459e-1)
    series = series * rest + float32(5.0000001201e-1)
    series = series * rest * rest + rest + float32(1)
    power = np.int32((np.float32(shifted).view(np.int32) + _EXPONENT_BIAS) << _MANTISSA_BITS)
    return series * np.int32(power).view(np.float32)


@within()
def largest_of(row):  # type: ignore[no-untyped-def]  # as above
    """The largest magnitude in a row, or what still divides 127 if that is less."""
    most = np.int32(0)
    for bits in row.view(np.int32):
        most = max(most, np.int32(bits & MAGNITUDE))
    return max(np.int32(most).view(np.float32), _LEAST)


@within()
def gelu(x):  # type: ignore[no-untyped-def]  # as above
    """GELU by its tanh approximation (Hendrycks and Gimpel 2016), tanh written as a sigmoid."""
    slope = float32(_TANH_SLOPE * (x + _CUBE * x * x * x))
    slope = min(max(slope, LOWEST_POWER), HIGHEST_POWER)
    return x / (float32(1) + exponential(slope))


@compiled("void(float32[:,::1], float32[:,::1], float32[::1])")
def whole_numbers(rows, whole, largest):  # type: ignore[no-untyped-def]  # compiled for the signature above
    """Each row as ``whole`` numbers of at most 127, and its ``largest`` magnitude, which stands for 127."""
    for row in prange(len(rows)):
        most = largest_of(rows[row])
        largest[row] = most
        factor = INT8_MOST / most
        for at in range(whole.shape[1]):
            whole[row, at] = np.rint(rows[row, at] * factor)


@compiled("void(float32[:,::1], float32[::1], float32[::1])")
def scale_and_add(rows, scales, bias):  # type: ignore[no-untyped-def]  # as above
    """Multiply each row by its scale and add the bias, in place, rounding after each."""
    for row in prange(len(rows)):
        scale = scales[row]
        for at in range(len(bias)):
            rows[row, at] = float32(rows[row, at] * scale) + bias[at]


@compiled("void(float32[:,::1], float32[::1], float32[::1])")
def scale_add_and_gelu(rows, scales, bias):  # type: ignore[no-untyped-def]  # as above
    """The same, then GELU."""
    for row in prange(len(rows)):
        scale = scales[row]
        for at in range(len(bias)):
            rows[row, at] = gelu(float32(float32(rows[row, at] * scale) + bias[at]))
