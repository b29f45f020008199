"""What products written for the registers of a processor share: tiles of sums (Goto and van de Geijn 2008).

A weight is held in panels of ``COLUMNS`` outputs, in the order it is needed: what one turn of the loop takes of every
output, then the next turn's. So it is read from one end to the other, once for every ``ROWS`` rows. These rows' sums
stay in registers, and each is added up in the order of the inputs, whatever other rows there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numba
from llvmlite import ir
from numba.core import cgutils

from model_access.engine.compiled import processor_has

WIDE: Final = processor_has("avx512f")
LANES: Final = 16 if WIDE else 8
_VECTORS: Final = 3
COLUMNS: Final = LANES * _VECTORS
ROWS: Final = 8 if WIDE else 4
"""Of 32 registers, or 16, sums take three for every row; what is read takes the rest."""
TURN_BYTES: Final = COLUMNS * 4
"""What a turn takes of a panel."""

_LINE_BYTES: Final = 64
_AHEAD_BYTES: Final = 1536
"""Of a panel is asked for before it is needed: left to itself, the processor stops at the end of a page."""
_TO_READ, _EVERY_CACHE, _DATA = 0, 3, 1

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
INTS, FLOATS = ir.VectorType(I32, LANES), ir.VectorType(F32, LANES)

Emitted = Any
"""What llvmlite knows of a value in the function that is compiled."""
Sums = list[Emitted]
"""One vector of sums after another, as many as a panel is wide."""


@dataclass(frozen=True)
class Tile:
    """The loop over some inputs, for a number of rows that is known when it runs."""

    sums: ir.VectorType
    row_bytes: int
    """What a turn takes of a row."""
    turn: Callable[[Any, list[Emitted], Emitted, list[Sums]], list[Sums]]
    """Emits one turn: from the builder, the addresses in each row and in the panel, and the sums, to the sums then."""
    unrolled: int = 1
    """So many turns share counting and addressing; a panel has a multiple of them."""

    def turns(self, inputs: int, at_once: int) -> int:
        """How many a panel has for so many inputs, of which a turn takes some ``at_once``."""
        return -(-inputs // (at_once * self.unrolled)) * self.unrolled

    def emit(
        self,
        builder: Any,
        count: Emitted,
        turns: Emitted,
        rows: Emitted,
        row_bytes: Emitted,
        panel: Emitted,
        begin: Callable[[int], Sums],
        finish: Callable[[int, Sums], None],
    ) -> None:
        """``rows``, ``row_bytes``: the first row's address, and from each to the next. ``turns``: a multiple of
        ``unrolled``, one at least.

        ``begin`` gives a row's first sums, ``finish`` stores the last ones. More than ``ROWS`` rows are not computed.
        """
        done = builder.append_basic_block()
        by_count = builder.switch(count, done)
        for several in range(1, ROWS + 1):
            here = builder.append_basic_block()
            by_count.add_case(constant(several), here)
            builder.position_at_end(here)
            places = [builder.gep(rows, [builder.mul(row_bytes, constant(row))]) for row in range(several)]
            sums = self._loop(builder, turns, places, panel, [begin(row) for row in range(several)])
            for row, found in enumerate(sums):
                finish(row, found)
            builder.branch(done)
        builder.position_at_end(done)

    def _loop(self, builder: Any, turns: Emitted, rows: list[Emitted], panel: Emitted, begin: list[Sums]) -> list[Sums]:
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        turn = builder.phi(I64)
        sums = [[builder.phi(self.sums) for _ in row] for row in begin]
        offset, here = builder.mul(turn, constant(self.row_bytes)), builder.mul(turn, constant(TURN_BYTES))
        added = sums
        for further in range(self.unrolled):
            part = builder.add(here, constant(further * TURN_BYTES))
            places = [builder.gep(row, [builder.add(offset, constant(further * self.row_bytes))]) for row in rows]
            _ask_ahead(builder, builder.gep(panel, [part]))
            added = self.turn(builder, places, builder.gep(panel, [part]), added)
            _keep_order(builder)
        following = builder.add(turn, constant(self.unrolled))
        turn.add_incoming(constant(0), before)
        turn.add_incoming(following, loop)
        for row, first, then in zip(sums, begin, added, strict=True):
            for one, at_first, after_turn in zip(row, first, then, strict=True):
                one.add_incoming(at_first, before)
                one.add_incoming(after_turn, loop)
        builder.cbranch(builder.icmp_unsigned("<", following, turns), loop, after)
        builder.position_at_end(after)
        return added


def _ask_ahead(builder: Any, panel: Emitted) -> None:
    numbers = [panel.type, I32, I32, I32]
    ask = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), numbers), "llvm.prefetch.p0")
    how = [ir.Constant(I32, part) for part in (_TO_READ, _EVERY_CACHE, _DATA)]
    for line in range(0, TURN_BYTES, _LINE_BYTES):
        builder.call(ask, [builder.gep(panel, [constant(_AHEAD_BYTES + line)]), *how])


def _keep_order(builder: Any) -> None:
    """Nothing that is read after here is read before: the compiler would put sums aside to make room for it."""
    builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", (), side_effect=True)


def constant(number: int) -> ir.Constant:
    """A number to count and to address with."""
    return ir.Constant(I64, number)


def vectors(builder: Any, address: Emitted, kind: ir.VectorType, *, aligned: int = 4) -> list[Emitted]:
    """As many as a panel is wide, from ``address`` on."""
    first = builder.bitcast(address, kind.as_pointer())
    found = [builder.load(builder.gep(first, [constant(at)])) for at in range(_VECTORS)]
    for vector in found:
        vector.align = aligned
    return found


def of_panel(builder: Any, address: Emitted, kind: ir.VectorType) -> list[Emitted]:
    """What a turn takes of a panel, which begins with a line of the cache."""
    return vectors(builder, address, kind, aligned=TURN_BYTES & -TURN_BYTES)


def store(builder: Any, address: Emitted, numbers: Sums) -> None:
    """Put vectors one after another from ``address`` on."""
    first = builder.bitcast(address, numbers[0].type.as_pointer())
    for at, vector in enumerate(numbers):
        builder.store(vector, builder.gep(first, [constant(at)])).align = 4


def everywhere(builder: Any, address: Emitted, kind: ir.VectorType) -> Emitted:
    """A vector, each of whose numbers is the one at ``address``."""
    number = builder.load(builder.bitcast(address, kind.element.as_pointer()))
    number.align = 4
    unknown = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(unknown, number, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, unknown, ir.Constant(ir.VectorType(I32, LANES), [0] * LANES))


@dataclass(frozen=True)
class Rows:
    """An array of two dimensions in the function that is compiled."""

    address: Emitted
    columns: Emitted
    number_bytes: int

    @classmethod
    def of(cls, context: Any, builder: Any, kind: numba.types.Array, given: Emitted) -> "Rows":
        """``given`` to an intrinsic as ``kind``; of its last dimension rows are made up."""
        array = context.make_array(kind)(context, builder, given)
        columns = cgutils.unpack_tuple(builder, array.shape)[-1]
        address = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        return cls(address, columns, kind.dtype.bitwidth // 8)

    def at(self, builder: Any, row: Emitted, column: Emitted) -> Emitted:
        """The address of a number."""
        place = builder.add(builder.mul(row, self.columns), column)
        return builder.gep(self.address, [builder.mul(place, constant(self.number_bytes))])

    def row_bytes(self, builder: Any) -> Emitted:
        """From each row to the next."""
        return builder.mul(self.columns, constant(self.number_bytes))
