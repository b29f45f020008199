"""Products of rows with a weight of float32 or bfloat16, by multiplying and adding at once (FMA).

Sums are of float32 in the order of the inputs, and begin with the bias. bfloat16 is the upper half of a float32: it is
widened in the register, so that a weight is read from memory as short as it is kept.
"""

from typing import Any, Final

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import prange
from numba.extending import intrinsic

from model_access.engine.compiled import compiled, processor_has, within
from model_access.engine.row_kernels import as_kept, gelu, widened
from model_access.engine.tile_kernels import (
    COLUMNS,
    FLOATS,
    INTS,
    LANES,
    ROWS,
    WIDE,
    Emitted,
    Rows,
    Sums,
    Tile,
    constant,
    everywhere,
    of_panel,
    store,
    vectors,
)

_IS_OFFERED: Final = WIDE or (processor_has("avx2") and processor_has("fma"))
"""Whether this processor has the instruction, and registers for the sums."""

_MOST_TURNS: Final = 512
"""So much of a panel at a time stays in the second cache while all rows go over it."""


def _fused(builder: Any, sums: list[Sums], numbers: list[Emitted], weights: list[Emitted]) -> list[Sums]:
    add = builder.module.declare_intrinsic(f"llvm.fma.v{LANES}f32", (), ir.FunctionType(FLOATS, [FLOATS] * 3))
    return [
        [builder.call(add, [number, weight, one]) for one, weight in zip(of_row, weights, strict=True)]
        for of_row, number in zip(sums, numbers, strict=True)
    ]


def _turn_of_floats(builder: Any, rows: list[Emitted], panel: Emitted, sums: list[Sums]) -> list[Sums]:
    weights = of_panel(builder, panel, FLOATS)
    return _fused(builder, sums, [everywhere(builder, row, FLOATS) for row in rows], weights)


def _turn_of_halves(builder: Any, rows: list[Emitted], panel: Emitted, sums: list[Sums]) -> list[Sums]:
    pairs = of_panel(builder, panel, INTS)
    shift, upper = (ir.Constant(INTS, [bits] * LANES) for bits in (16, 0xFFFF0000))
    for place, weights in enumerate(
        (
            [builder.bitcast(builder.shl(pair, shift), FLOATS) for pair in pairs],
            [builder.bitcast(builder.and_(pair, upper), FLOATS) for pair in pairs],
        )
    ):
        numbers = [everywhere(builder, builder.gep(row, [constant(place * 4)]), FLOATS) for row in rows]
        sums = _fused(builder, sums, numbers, weights)
    return sums


_OF_FLOATS: Final = Tile(FLOATS, 4, _turn_of_floats, unrolled=4)
_OF_HALVES: Final = Tile(FLOATS, 8, _turn_of_halves)


def float_panels(weight: torch.Tensor) -> Any:
    """A weight (outputs, inputs) as ``multiply_floats`` takes it; bfloat16 stays so, all else becomes float32.

    (panels, turns, ``COLUMNS`` × what a turn takes), float32 or uint16, from the beginning of a line of the cache on.
    """
    halves = weight.dtype is torch.bfloat16
    outputs, inputs = weight.shape
    at_once = 2 if halves else 1
    panels, turns = -(-outputs // COLUMNS), (_OF_HALVES if halves else _OF_FLOATS).turns(inputs, at_once)
    kind = torch.bfloat16 if halves else torch.float32
    whole = torch.zeros((panels * COLUMNS, turns * at_once), dtype=kind)
    whole[:outputs, :inputs] = weight
    held = torch.empty((panels, turns, COLUMNS * at_once), dtype=kind)
    held.view(torch.int32)[...] = whole.view(torch.int32).view(panels, COLUMNS, turns).transpose(1, 2)
    return (held.view(torch.uint16) if halves else held).numpy()


@intrinsic
def _tile(_context, rows, first, count, panels, panel, turn, turns, sums):  # type: ignore[no-untyped-def]
    """Add so many ``turns`` of a panel, from ``turn`` on, to the ``sums`` (rows, ``COLUMNS``) of ``count`` rows.

    ``rows`` are float32, and as wide as all turns take.
    """
    signature = numba.void(rows, first, count, panels, panel, turn, turns, sums)

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Emitted:
        rows, panels, sums = (Rows.of(context, builder, signature.args[at], given[at]) for at in (0, 3, 7))
        first, count, panel, turn, turns = (given[at] for at in (1, 2, 4, 5, 6))
        tile = _OF_FLOATS if signature.args[3].dtype == numba.float32 else _OF_HALVES
        at_once = constant(tile.row_bytes // 4)

        def own(at: int) -> Emitted:
            return sums.at(builder, builder.add(first, constant(at)), constant(0))

        tile.emit(
            builder,
            count,
            turns,
            rows.at(builder, first, builder.mul(turn, at_once)),
            rows.row_bytes(builder),
            panels.at(builder, builder.add(builder.mul(panel, builder.udiv(rows.columns, at_once)), turn), constant(0)),
            lambda at: vectors(builder, own(at), FLOATS),
            lambda at, found: store(builder, own(at), found),
        )
        return context.get_dummy_value()

    return signature, emit


@within()
def _as_taken(row, panels, taken):  # type: ignore[no-untyped-def]  # compiled for what is given
    """A row rounded to what the weight is kept as, and noughts for what is beyond it."""
    for at in range(len(row)):
        taken[at] = widened(as_kept(row[at], panels))
    taken[len(row) :] = np.float32(0)


_MULTIPLY: Final = "void(float32[:,::1], {}[:,:,::1], float32[::1], boolean, float32[:,::1])"


@compiled(*(_MULTIPLY.format(kind) for kind in ("float32", "uint16") if _IS_OFFERED))
def multiply_floats(rows, panels, bias, with_gelu, result):  # type: ignore[no-untyped-def]  # as above
    """``rows`` (rows, inputs) times the weight in ``panels``, then GELU if asked for: ``result`` (rows, outputs).

    Rows are rounded to what the weight is kept as. ``bias`` is as long as all panels are wide. Raises
    NotImplementedError where the instruction is not offered.
    """
    turns = panels.shape[1]
    taken = np.empty((len(rows), turns * (panels.shape[2] // COLUMNS)), np.float32)
    if len(rows) == 1:  # not worth asking other threads for
        _as_taken(rows[0], panels, taken[0])
    else:
        for row in prange(len(rows)):
            _as_taken(rows[row], panels, taken[row])
    for panel in prange(len(panels)):
        column = panel * COLUMNS
        width = min(COLUMNS, result.shape[1] - column)
        sums = np.empty((len(rows), COLUMNS), np.float32)
        for row in range(len(rows)):
            sums[row] = bias[column : column + COLUMNS]
        for turn in range(0, turns, _MOST_TURNS):
            for first in range(0, len(rows), ROWS):
                count = min(ROWS, len(rows) - first)
                _tile(taken, first, count, panels, panel, turn, min(_MOST_TURNS, turns - turn), sums)
        if with_gelu:
            numbers = sums.reshape(-1)
            for at in range(len(numbers)):
                numbers[at] = gelu(numbers[at])
        for row in range(len(rows)):
            result[row, column : column + width] = sums[row, :width]
