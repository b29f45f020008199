"""Tiles: the log's hashes in pieces of 256, as C2SP tlog-tiles serves them.

Tile ``N`` of level ``L`` holds the roots of the full subtrees of 256^L leaves from number 256 · N on, end to end; a
*partial* tile, at the right edge, holds only the first ``W`` of them. A full tile never changes.
"""

import re
from typing import Annotated, Final

from pydantic import Field, ValidationError

from agreements.canonical import MAX_INTEGER
from agreements.deciders import Value
from agreements.errors import Invalid, NotFound
from agreements.merkle import Tree

TILE_WIDTH: Final = 256
_LEVEL_BITS: Final = 8
_MAX_LEVEL: Final = 5

_PATH = re.compile(r"tile/(?P<level>[0-5])/(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?")


class Tile(Value):
    """The place of a tile: level from 0 (leaves), index from 0, width in hashes (256: full)."""

    level: Annotated[int, Field(ge=0, le=_MAX_LEVEL)]
    index: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    width: Annotated[int, Field(ge=1, le=TILE_WIDTH)] = TILE_WIDTH

    @property
    def path(self) -> str:
        """The C2SP path, such as ``tile/0/x001/x234/067`` or ``tile/1/000.p/3``."""
        index = f"{self.index:d}"
        digits = index.zfill(-(-len(index) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        return f"tile/{self.level}/{name}" + ("" if self.width == TILE_WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """The tile of a path, in its one spelling. Raises Invalid ``bad_tile_path``."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise _bad_path()
        try:
            tile = cls(
                level=int(match["level"]),
                index=int(re.sub(r"[x/]", "", match["index"])),
                width=int(match["width"] or TILE_WIDTH),
            )
        except ValidationError:
            raise _bad_path() from None
        if tile.path != path:
            raise _bad_path()
        return tile


def tile_bytes(tree: Tree, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
    """The ``width`` hashes of a tile, 32 bytes each. Raises NotFound ``no_such_tile`` beyond what the log holds."""
    if not (0 <= level <= _MAX_LEVEL and index >= 0 and 1 <= width <= TILE_WIDTH):
        raise _no_tile()
    try:
        return tree.nodes(level * _LEVEL_BITS, index * TILE_WIDTH, width)
    except Invalid:
        raise _no_tile() from None


def _bad_path() -> Invalid:
    return Invalid("bad_tile_path", "This is not the path of a tile, such as tile/0/x001/067 or tile/0/000.p/5.")


def _no_tile() -> NotFound:
    return NotFound("no_such_tile", "The log has no such tile, or not yet.", hint="See the size in the log's head.")
