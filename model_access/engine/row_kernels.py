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
_MAGNITUDE = np.int32(0x7FFFFFFF)
"""All bits but the sign: of two magnitudes the larger has the larger bits (IEEE 754)."""

_LOWEST_INT, _ALL_BUT_SIGN = np.int32(-(1 << 31)), np.int32(31)

_LOG2_E = np.float32(1.4426950408889634)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_TO_WHOLE = np.float32(3 << 22)
"""Added to a number below 2**22, it leaves the nearest whole number in the lowest bits."""
_EXPONENT_BIAS, _MANTISSA_BITS = np.int32(127), np.int32(23)
_LOWEST, _HIGHEST = np.float32(-87), np.float32(87)
"""e to the power of what lies between is an ordinary float32."""
_TANH_SLOPE = np.float32(-2 * (2 / np.pi) ** 0.5)
_CUBE = np.float32(0.044715)


@within()
def _exponential(x):  # type: ignore[no-untyped-def]  # compiled for what is given
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


@compiled("void(float32[:,::1], float32[:,::1], float32[::1])")
def whole_numbers(rows, whole, largest):  # type: ignore[no-untyped-def]  # compiled for the signature above
    """Each row as ``whole`` numbers of at most 127, and its ``largest`` magnitude, which stands for 127."""
    for row in prange(len(rows)):
        bits = rows[row].view(np.int32)
        most = np.int32(0)
        for at in range(len(bits)):
            most = max(most, np.int32(bits[at] & _MAGNITUDE))
        magnitude = max(np.int32(most).view(np.float32), _LEAST)
        largest[row] = magnitude
        factor = INT8_MOST / magnitude
        for at in range(len(bits)):
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
    """The same, then GELU by its tanh approximation (Hendrycks and Gimpel 2016), tanh written as a sigmoid."""
    for row in prange(len(rows)):
        scale = scales[row]
        for at in range(len(bias)):
            x = float32(float32(rows[row, at] * scale) + bias[at])
            slope = float32(_TANH_SLOPE * (x + _CUBE * x * x * x))
            slope = min(max(slope, _LOWEST), _HIGHEST)
            rows[row, at] = x / (float32(1) + _exponential(slope))


def _number(kept: Any) -> Any:
    """A number as it is kept in a slot, as float32. bfloat16 is the upper half of one, and held as uint16 here."""


def _as_kept(number: Any, cells: Any) -> Any:
    """A float32 as ``cells`` keep it: to bfloat16 it is rounded to the nearest, to the even one of two (IEEE 754)."""


@overload(_number)
def _number_of(kept):  # type: ignore[no-untyped-def]  # numba compares names and annotations
    if kept == types.uint16:
        return lambda kept: np.int32(np.int32(kept) << np.int32(16)).view(np.float32)
    return lambda kept: kept


@overload(_as_kept)
def _as_kept_in(number, cells):  # type: ignore[no-untyped-def]  # as above
    def rounded(number, cells):  # type: ignore[no-untyped-def]  # as above
        bits = np.float32(number).view(np.uint32)
        odd = np.uint32(bits >> np.uint32(16)) & np.uint32(1)
        return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))

    return rounded if cells.dtype == types.uint16 else lambda number, cells: number


@within(sums_in_any_order=True)
def _likenesses(query, keys, found):  # type: ignore[no-untyped-def]  # as above
    """The product of the query and the key of each cell that ``found`` has room for."""
    fours = len(found) // 4 * 4
    for cell in range(0, fours, 4):  # at a time as many as there are registers for
        one, two, three, four = float32(0), float32(0), float32(0), float32(0)
        for part in range(len(query)):
            asked = query[part]
            one += asked * _number(keys[cell, part])
            two += asked * _number(keys[cell + 1, part])
            three += asked * _number(keys[cell + 2, part])
            four += asked * _number(keys[cell + 3, part])
        found[cell], found[cell + 1], found[cell + 2], found[cell + 3] = one, two, three, four
    for cell in range(fours, len(found)):
        one = float32(0)
        for part in range(len(query)):
            one += query[part] * _number(keys[cell, part])
        found[cell] = one


@within(sums_in_any_order=True)
def _softmax(numbers, scale):  # type: ignore[no-untyped-def]  # as above
    """Of ``numbers`` times ``scale``, which is more than nought, in place."""
    bits, highest = numbers.view(np.int32), _LOWEST_INT
    for at in range(len(bits)):  # whole numbers in the order of the others, which alone are compared in lanes
        highest = max(highest, np.int32(bits[at] ^ (np.int32(bits[at] >> _ALL_BUT_SIGN) & _MAGNITUDE)))
    most = np.int32(highest ^ (np.int32(highest >> _ALL_BUT_SIGN) & _MAGNITUDE)).view(np.float32)
    total = float32(0)
    for at in range(len(numbers)):
        numbers[at] = _exponential(max((numbers[at] - most) * scale, _LOWEST))
        total += numbers[at]
    for at in range(len(numbers)):
        numbers[at] /= total


@within(sums_in_any_order=True)
def _mixture(weights, values, result):  # type: ignore[no-untyped-def]  # as above
    """The sum of the cells' values by their weights."""
    fours = len(weights) // 4 * 4
    for part in range(len(result)):
        result[part] = float32(0)
    for cell in range(0, fours, 4):
        one, two, three, four = weights[cell], weights[cell + 1], weights[cell + 2], weights[cell + 3]
        for part in range(len(result)):
            result[part] += (
                one * _number(values[cell, part])
                + two * _number(values[cell + 1, part])
                + three * _number(values[cell + 2, part])
                + four * _number(values[cell + 3, part])
            )
    for cell in range(fours, len(weights)):
        one = weights[cell]
        for part in range(len(result)):
            result[part] += one * _number(values[cell, part])


_ATTEND = "void(float32[:,::1], {}[:,:,:,:,:,::1], int64, int64[::1], int64[::1], float32, float32[:,::1])"


@compiled(_ATTEND.format("float32"), _ATTEND.format("uint16"))
def attend(projected, cells, layer, places, positions, scale, mixed):  # type: ignore[no-untyped-def]  # as above
    """Causal attention of one token a row: its key and value are noted, then it looks at its slot up to itself.

    ``projected``: (rows, 3 × width) queries, keys, values. ``cells``: (places, layers, 2, heads, cells, head width),
    keys, then values, as float32 or bfloat16. ``places`` and ``positions`` (int64): each row's slot, and its own cell.
    ``mixed``: (rows, width).
    """
    heads, size = cells.shape[3], cells.shape[5]
    width = heads * size
    for at in prange(len(projected) * heads):
        row, head = at // heads, at % heads
        own, first = positions[row], head * size
        keys, values = cells[places[row], layer, 0, head], cells[places[row], layer, 1, head]
        for part in range(size):
            keys[own, part] = _as_kept(projected[row, width + first + part], cells)
            values[own, part] = _as_kept(projected[row, 2 * width + first + part], cells)
        weights = np.empty(own + 1, np.float32)
        _likenesses(projected[row, first : first + size], keys, weights)
        _softmax(weights, scale)
        _mixture(weights, values, mixed[row, first : first + size])
