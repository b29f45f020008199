"""Products of rows with a weight of bytes, whose sums are exact and so the same by whichever instruction.

Four products at once are added to a sum where the processor has the instruction (VNNI); elsewhere bytes are widened to
sixteen bits in the register, and two products at once are. Loops written in Python are compiled to neither, so both are
asked for by name.
"""

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import prange
from numba.extending import intrinsic

from model_access.engine.compiled import compiled, processor_has, within
from model_access.engine.row_kernels import INT8_MOST, gelu, largest_of
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

_AT_ONCE: Final = 4
_BYTES, _WORDS = ir.VectorType(ir.IntType(8), 2 * LANES), ir.VectorType(ir.IntType(16), 2 * LANES)


def _turn_of_fours(builder: Any, rows: list[Emitted], panel: Emitted, sums: list[Sums]) -> list[Sums]:
    name = f"llvm.x86.avx512.vpdpbusd.{LANES * 32}"
    add = builder.module.declare_intrinsic(name, (), ir.FunctionType(INTS, [INTS] * 3))
    weights = of_panel(builder, panel, INTS)
    spread = [everywhere(builder, row, INTS) for row in rows]
    return [
        [builder.call(add, [one, four, weight]) for one, weight in zip(of_row, weights, strict=True)]
        for of_row, four in zip(sums, spread, strict=True)
    ]


def _turn_of_pairs(builder: Any, rows: list[Emitted], panel: Emitted, sums: list[Sums]) -> list[Sums]:
    name = "llvm.x86.avx512.pmaddw.d.512" if WIDE else "llvm.x86.avx2.pmadd.wd"
    multiply = builder.module.declare_intrinsic(name, (), ir.FunctionType(INTS, [_WORDS] * 2))
    for place in range(_AT_ONCE // 2):
        from_here = builder.gep(panel, [constant(place * COLUMNS * 2)])
        weights = [builder.sext(few, _WORDS) for few in vectors(builder, from_here, _BYTES, aligned=16)]
        pairs = [everywhere(builder, builder.gep(row, [constant(place * 4)]), INTS) for row in rows]
        words = [builder.bitcast(pair, _WORDS) for pair in pairs]
        products = [[builder.call(multiply, [pair, weight]) for weight in weights] for pair in words]
        sums = [
            [builder.add(*each) for each in zip(*of_row, strict=True)] for of_row in zip(sums, products, strict=True)
        ]
    return sums


_OF_FOURS: Final = processor_has("avx512vnni" if WIDE else "avxvnni")
IS_OFFERED: Final = _OF_FOURS or processor_has("avx512bw" if WIDE else "avx2")
"""Whether this processor has one of the instructions."""
INSTRUCTION: Final = "vpdpbusd" if _OF_FOURS else "vpmaddwd"
_NUMBER: Final = np.uint8 if _OF_FOURS else np.int16
_NOUGHT: Final = np.int32(128 if _OF_FOURS else 0)
"""What stands for 0 in a row: VNNI takes bytes without a sign from it, and with one from the weight."""
_TILE: Final = (
    Tile(INTS, _AT_ONCE, _turn_of_fours, unrolled=4) if _OF_FOURS else Tile(INTS, _AT_ONCE * 2, _turn_of_pairs)
)


@dataclass(frozen=True)
class Panels:
    """A weight of bytes as ``multiply_bytes`` takes it, filled up to whole panels of outputs and whole turns."""

    held: Any
    """(panels, turns, ``COLUMNS`` × 4), int8, from the beginning of a line of the cache on."""
    starts: Any
    """(outputs,) int32: what sums begin with, which takes off what ``_NOUGHT`` adds to them."""


def byte_panels(weight: torch.Tensor) -> Panels:
    """Of (outputs, inputs), int8."""
    outputs, inputs = weight.shape
    panels, turns = -(-outputs // COLUMNS), _TILE.turns(inputs, _AT_ONCE)
    whole = np.zeros((panels * COLUMNS, turns * _AT_ONCE), np.int8)
    whole[:outputs, :inputs] = weight.numpy()
    held = torch.empty((panels, turns, COLUMNS * _AT_ONCE), dtype=torch.int8).numpy()  # torch begins with a line
    taken = np.int32 if _OF_FOURS else np.int16
    steps = whole.view(taken).reshape(panels, COLUMNS, -1)
    held.view(taken).reshape(panels, -1, COLUMNS)[...] = steps.transpose(0, 2, 1)
    return Panels(held, -_NOUGHT * whole.sum(1, dtype=np.int32))


@intrinsic
def _tile(_context, whole, first, count, panels, panel, starts, scales, bias, largest, result, row, column):  # type: ignore[no-untyped-def]
    """``count`` rows of ``whole`` from ``first`` on times one of the panels, to ``result`` from ``row``, ``column`` on.

    The exact sums are made float32, multiplied by the outputs' ``scales``, then by their row's ``largest``, and the
    ``bias`` is added, rounding each time. At most ``ROWS`` rows; ``result`` has room for all ``COLUMNS``.
    """
    signature = numba.void(whole, first, count, panels, panel, starts, scales, bias, largest, result, row, column)

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Emitted:
        def array(place: int) -> Rows:
            return Rows.of(context, builder, signature.args[place], given[place])

        first, count, panel, row, column = (given[place] for place in (1, 2, 4, 10, 11))
        rows, panels, largest, result = (array(place) for place in (0, 3, 8, 9))
        nought, of_outputs = constant(0), builder.mul(panel, constant(COLUMNS))
        starts, scales, bias = (array(place).at(builder, nought, of_outputs) for place in (5, 6, 7))
        turns = builder.udiv(rows.columns, constant(_AT_ONCE))

        def finish(at: int, sums: Sums) -> None:
            size = everywhere(builder, largest.at(builder, nought, builder.add(first, constant(at))), FLOATS)
            factors, terms = vectors(builder, scales, FLOATS), vectors(builder, bias, FLOATS)
            finished = [
                builder.fadd(builder.fmul(builder.fmul(builder.sitofp(total, FLOATS), factor), size), term)
                for total, factor, term in zip(sums, factors, terms, strict=True)
            ]
            store(builder, result.at(builder, builder.add(row, constant(at)), column), finished)

        _TILE.emit(
            builder,
            count,
            turns,
            rows.at(builder, first, nought),
            rows.row_bytes(builder),
            panels.at(builder, builder.mul(panel, turns), nought),
            lambda _: vectors(builder, starts, INTS),
            finish,
        )
        return context.get_dummy_value()

    return signature, emit


@within()
def _as_bytes(row, whole):  # type: ignore[no-untyped-def]  # compiled for what is given
    """A row as whole numbers around ``_NOUGHT``; gives its largest magnitude, which stands for 127."""
    most = largest_of(row)
    factor = INT8_MOST / most
    for at in range(len(row)):
        whole[at] = _NUMBER(np.int32(np.rint(row[at] * factor)) + _NOUGHT)
    return most


_MULTIPLY: Final = (
    "void(float32[:,::1], int8[:,:,::1], int32[::1], float32[::1], float32[::1], boolean, float32[:,::1])"
)


@compiled(*([_MULTIPLY] if IS_OFFERED else []))
def multiply_bytes(rows, panels, starts, scales, bias, with_gelu, result):  # type: ignore[no-untyped-def]
    """``rows`` (rows, inputs) times the weight in ``panels``, then GELU if asked for: ``result`` (rows, outputs).

    Each row is divided by its largest magnitude. ``scales`` and ``bias`` are as long as ``starts``. Raises
    NotImplementedError where the instruction is not offered.
    """
    whole = np.empty((len(rows), _AT_ONCE * panels.shape[1]), _NUMBER)
    largest = np.empty(len(rows), np.float32)
    if len(rows) == 1:  # not worth asking other threads for
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
