"""Attention of single tokens, each over its own slot."""

import numpy as np
from numba import float32, prange

from model_access.engine.compiled import compiled, within
from model_access.engine.row_kernels import LOWEST_POWER, MAGNITUDE, as_kept, exponential, widened

_LOWEST_INT, _ALL_BUT_SIGN = np.int32(-(1 << 31)), np.int32(31)


@within(sums_in_any_order=True)
def _likenesses(query, keys, found):  # type: ignore[no-untyped-def]  # as above
    """The product of the query and the key of each cell that ``found`` has room for."""
    fours = len(found) // 4 * 4
    for cell in range(0, fours, 4):  # at a time as many as there are registers for
        one, two, three, four = float32(0), float32(0), float32(0), float32(0)
        for part in range(len(query)):
            asked = query[part]
            one += asked * widened(keys[cell, part])
            two += asked * widened(keys[cell + 1, part])
            three += asked * widened(keys[cell + 2, part])
            four += asked * widened(keys[cell + 3, part])
        found[cell], found[cell + 1], found[cell + 2], found[cell + 3] = one, two, three, four
    for cell in range(fours, len(found)):
        one = float32(0)
        for part in range(len(query)):
            one += query[part] * widened(keys[cell, part])
        found[cell] = one


@within(sums_in_any_order=True)
def _softmax(numbers, scale):  # type: ignore[no-untyped-def]  # as above
    """Of ``numbers`` times ``scale``, which is more than nought, in place."""
    bits, highest = numbers.view(np.int32), _LOWEST_INT
    for at in range(len(bits)):  # whole numbers in the order of the others, which alone are compared in lanes
        highest = max(highest, np.int32(bits[at] ^ (np.int32(bits[at] >> _ALL_BUT_SIGN) & MAGNITUDE)))
    most = np.int32(highest ^ (np.int32(highest >> _ALL_BUT_SIGN) & MAGNITUDE)).view(np.float32)
    total = float32(0)
    for at in range(len(numbers)):
        numbers[at] = exponential(max((numbers[at] - most) * scale, LOWEST_POWER))
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
                one * widened(values[cell, part])
                + two * widened(values[cell + 1, part])
                + three * widened(values[cell + 2, part])
                + four * widened(values[cell + 3, part])
            )
    for cell in range(fours, len(weights)):
        one = weights[cell]
        for part in range(len(result)):
            result[part] += one * widened(values[cell, part])


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
            keys[own, part] = as_kept(projected[row, width + first + part], cells)
            values[own, part] = as_kept(projected[row, 2 * width + first + part], cells)
        weights = np.empty(own + 1, np.float32)
        _likenesses(projected[row, first : first + size], keys, weights)
        _softmax(weights, scale)
        _mixture(weights, values, mixed[row, first : first + size])
