"""Products of rows with a weight of bytes, by the instruction that adds four products at a time (AVX-512 VNNI).

Loops written in Python are never compiled to it, so it is asked for by name. A weight is held in panels of ``COLUMNS``
outputs: four of its inputs for each output side by side, then the next four. So it is read from one end to the other,
once for every ``ROWS`` rows, which share what was read.
"""

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import torch
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import prange
from numba.core import cgutils
from numba.extending import intrinsic

from model_access.engine.compiled import compiled, within
from model_access.engine.row_kernels import INT8_MOST, gelu, largest_of

AT_ONCE: Final = 4
"""Products that the instruction adds to one sum."""
_LANES: Final = 16
_VECTORS: Final = 3
COLUMNS: Final = _LANES * _VECTORS
ROWS: Final = 8
"""So many rows' sums of ``COLUMNS`` outputs are in registers, of which there are 32; the rest is for what is read."""
NOUGHT: Final = np.int32(128)
"""What stands for 0 in a row, since the instruction takes positive bytes from it, and of either sign from the weight."""
_AHEAD_BYTES: Final = 1536
"""Of a panel is asked for before it is needed: the processor by itself stops at the end of a page."""
_LINE_BYTES: Final = 64

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_INTS, _FLOATS = ir.VectorType(_I32, _LANES), ir.VectorType(_F32, _LANES)
_INSTRUCTION: Final = "llvm.x86.avx512.vpdpbusd.512"


def is_offered() -> bool:
    """Whether this processor has the instruction."""
    return bool(get_host_cpu_features().get("avx512vnni"))


@dataclass(frozen=True)
class Panels:
    """A weight of bytes as ``multiply`` takes it, filled up to whole panels of outputs and whole fours of inputs."""

    bytes_: Any
    """(panels, inputs / 4, ``COLUMNS`` × 4), int8, from the beginning of a line of the cache."""
    starts: Any
    """(outputs,) int32: what sums begin with, which takes off again what ``NOUGHT`` adds to them."""


def panels_of(weight: torch.Tensor) -> Panels:
    """Of (outputs, inputs), int8."""
    outputs, inputs = weight.shape
    panels, fours = -(-outputs // COLUMNS), -(-inputs // AT_ONCE)
    whole = np.zeros((panels * COLUMNS, fours * AT_ONCE), np.int8)
    whole[:outputs, :inputs] = weight.numpy()
    together = torch.empty((panels, fours, COLUMNS * AT_ONCE), dtype=torch.int8).numpy()  # torch begins at a line
    together.view(np.int32)[...] = whole.view(np.int32).reshape(panels, COLUMNS, fours).transpose(0, 2, 1)
    return Panels(together, -NOUGHT * whole.sum(1, dtype=np.int32))


def _constant(number: int) -> ir.Constant:
    return ir.Constant(_I64, number)


def _address(builder: Any, data: Any, offset: Any, kind: Any) -> Any:
    """Of what lies ``offset`` numbers after ``data``, seen as ``kind``."""
    return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())


def _read(builder: Any, data: Any, offset: Any, kind: Any, *, aligned: int) -> list[Any]:
    """As many vectors as a panel is wide."""
    first = _address(builder, data, offset, kind)
    found = [builder.load(builder.gep(first, [_constant(at)])) for at in range(_VECTORS)]
    for vector in found:
        vector.align = aligned
    return found


def _everywhere(builder: Any, number: Any, kind: Any) -> Any:
    """A vector, each of whose numbers is this one."""
    unknown = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(unknown, number, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, unknown, ir.Constant(ir.VectorType(_I32, _LANES), [0] * _LANES))


def _emit_sums(builder: Any, rows: list[Any], panel: Any, starts: list[Any], bytes_a_row: Any) -> list[list[Any]]:
    """The loop over the inputs: sums of each row and vector of outputs. ``rows``, ``panel``: addresses of bytes."""
    before = builder.block
    loop, after = builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(_I64)
    sums = [[builder.phi(_INTS) for _ in starts] for _ in rows]

    offset = builder.mul(at, _constant(COLUMNS))
    weights = _read(builder, panel, offset, _INTS, aligned=_LINE_BYTES)
    ahead = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [panel.type, _I32, _I32, _I32]), "llvm.prefetch.p0"
    )
    for line in range(_VECTORS):
        soon = builder.gep(panel, [builder.add(offset, _constant(_AHEAD_BYTES + line * _LINE_BYTES))])
        builder.call(ahead, [soon, *(ir.Constant(_I32, how) for how in (0, 3, 1))])  # to read, into every cache, data
    add_four = builder.module.declare_intrinsic(_INSTRUCTION, (), ir.FunctionType(_INTS, [_INTS] * 3))
    added = []
    for row, row_sums in zip(rows, sums, strict=True):
        four = builder.load(_address(builder, row, at, _I32))
        four.align = 1
        spread = _everywhere(builder, four, _INTS)
        added.append([builder.call(add_four, [one, spread, weight]) for one, weight in zip(row_sums, weights, strict=True)])

    following = builder.add(at, _constant(AT_ONCE))
    at.add_incoming(_constant(0), before)
    at.add_incoming(following, loop)
    for row_sums, row_added in zip(sums, added, strict=True):
        for one, start, new in zip(row_sums, starts, row_added, strict=True):
            one.add_incoming(start, before)
            one.add_incoming(new, loop)
    builder.cbranch(builder.icmp_unsigned("<", following, bytes_a_row), loop, after)
    builder.position_at_end(after)
    return added


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _tile(_context, whole, first, count, panels, panel, starts, scales, bias, largest, result, row, column):  # type: ignore[no-untyped-def]  # noqa: PLR0913 - as above
    """``count`` rows of ``whole`` from ``first`` on times one of the panels, to ``result`` from ``row``, ``column`` on.

    The exact sums are made float32, multiplied by the outputs' ``scales``, then by their row's ``largest``, and the
    ``bias`` is added, rounding each time. At most ``ROWS`` rows; ``result`` has room for all ``COLUMNS``.
    """
    signature = numba.void(whole, first, count, panels, panel, starts, scales, bias, largest, result, row, column)

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        arrays = {
            at: context.make_array(kind)(context, builder, given[at])
            for at, kind in enumerate(signature.args)
            if isinstance(kind, numba.types.Array)
        }
        bytes_a_row = cgutils.unpack_tuple(builder, arrays[0].shape)[1]
        width = cgutils.unpack_tuple(builder, arrays[9].shape)[1]
        rows = builder.gep(arrays[0].data, [builder.mul(given[1], bytes_a_row)])
        of_panel = builder.mul(given[4], _constant(COLUMNS))
        weights = builder.gep(arrays[3].data, [builder.mul(of_panel, bytes_a_row)])
        done = builder.append_basic_block()
        by_count = builder.switch(given[2], done)
        for rows_here in range(1, ROWS + 1):
            by_count.add_case(_constant(rows_here), builder.append_basic_block())
            builder.position_at_end(builder.function.blocks[-1])
            begin = _read(builder, arrays[5].data, of_panel, _INTS, aligned=4)
            places = [builder.gep(rows, [builder.mul(bytes_a_row, _constant(at))]) for at in range(rows_here)]
            sums = _emit_sums(builder, places, weights, begin, bytes_a_row)
            by, plus = (_read(builder, arrays[at].data, of_panel, _FLOATS, aligned=4) for at in (6, 7))
            for at, row_sums in enumerate(sums):
                size = builder.load(builder.gep(arrays[8].data, [builder.add(given[1], _constant(at))]))
                times = _everywhere(builder, size, _FLOATS)
                start = builder.add(builder.mul(builder.add(given[10], _constant(at)), width), given[11])
                target = _address(builder, arrays[9].data, start, _FLOATS)
                for place, total in enumerate(row_sums):
                    scaled = builder.fmul(builder.fmul(builder.sitofp(total, _FLOATS), by[place]), times)
                    stored = builder.store(
                        builder.fadd(scaled, plus[place]), builder.gep(target, [_constant(place)])
                    )
                    stored.align = 4
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, emit


@within()
def _as_bytes(row, whole):  # type: ignore[no-untyped-def]  # compiled for what is given
    """A row as positive bytes around ``NOUGHT``; gives its largest magnitude, which stands for 127."""
    most = largest_of(row)
    factor = INT8_MOST / most
    for at in range(len(row)):
        whole[at] = np.uint8(np.int32(np.rint(row[at] * factor)) + NOUGHT)
    return most


_MULTIPLY: Final = (
    "void(float32[:,::1], int8[:,:,::1], int32[::1], float32[::1], float32[::1], boolean, float32[:,::1])"
)


@compiled(*([_MULTIPLY] if is_offered() else []))
def multiply(rows, panels, starts, scales, bias, with_gelu, result):  # type: ignore[no-untyped-def]  # noqa: PLR0913 - as above
    """``rows`` (rows, inputs) times the weight in ``panels``, with its ``starts``, to ``result`` (rows, outputs).

    ``scales`` and ``bias`` are as long as ``starts``. Raises TypeError where the instruction ``is_offered`` not.
    """
    whole = np.empty((len(rows), AT_ONCE * panels.shape[1]), np.uint8)
    largest = np.empty(len(rows), np.float32)
    if len(rows) == 1:  # not worth asking the other threads for
        largest[0] = _as_bytes(rows[0], whole[0])
    else:
        for row in prange(len(rows)):
            largest[row] = _as_bytes(rows[row], whole[row])
    for panel in prange(len(panels)):
        column = panel * COLUMNS
        width = min(COLUMNS, result.shape[1] - column)
        aside = np.empty((ROWS, COLUMNS), np.float32)
        for first in range(0, len(rows), ROWS):
            count = min(ROWS, len(rows) - first)
            if width == COLUMNS and not with_gelu:
                _tile(whole, first, count, panels, panel, starts, scales, bias, largest, result, first, column)
            else:
                _tile(whole, first, count, panels, panel, starts, scales, bias, largest, aside, 0, 0)
                if with_gelu:
                    numbers = aside.reshape(-1)
                    for at in range(count * COLUMNS):
                        numbers[at] = gelu(numbers[at])
                for row in range(count):
                    result[first + row, column : column + width] = aside[row, :width]
