"""Tiles: C2SP paths in their one spelling, and hashes that rebuild the tree."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.canonical import MAX_INTEGER
from agreements.errors import ConcordatError, Invalid, NotFound
from agreements.merkle import HASH_BYTES, Tree, leaf_hash
from agreements.tiles import TILE_WIDTH, Tile, tile_bytes

SIZE = 70_000
"""Over 256^2, so that level 2 begins."""
LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(SIZE)]
TREE = Tree(LEAVES)


def hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, index=1234067), "tile/0/x001/x234/067"),  # the example of the specification
        (Tile(level=0, index=0), "tile/0/000"),
        (Tile(level=5, index=999, width=255), "tile/5/999.p/255"),
        (Tile(level=1, index=1000, width=1), "tile/1/x001/000.p/1"),
        (Tile(level=0, index=MAX_INTEGER), "tile/0/x009/x007/x199/x254/x740/991"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@given(st.integers(0, 5), st.integers(0, MAX_INTEGER) | st.integers(0, 2000), st.integers(1, TILE_WIDTH))
def test_paths_round_trip(level: int, index: int, width: int) -> None:
    tile = Tile(level=level, index=index, width=width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/6/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/x009/x007/x199/x254/x740/992",
        "tile/0/x009/x009/x007/x199/x254/x740/992",
        "tile/entries/000",
        "tile/0/../000",
    ],
    ids=ascii,
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        Tile.parse(path)
    assert refused.value.code == "bad_tile_path"


def test_the_tiles_of_level_0_are_the_leaves() -> None:
    full, rest = divmod(SIZE, TILE_WIDTH)
    held = b"".join(tile_bytes(TREE, 0, index) for index in range(full)) + tile_bytes(TREE, 0, full, rest)
    assert hashes(held) == LEAVES


def test_each_hash_above_is_the_root_of_the_tile_below() -> None:
    for level, count in ((1, SIZE // TILE_WIDTH), (2, SIZE // TILE_WIDTH**2)):
        for index in range(count):
            above = tile_bytes(TREE, level, index // TILE_WIDTH, index % TILE_WIDTH + 1)[-HASH_BYTES:]
            assert above == Tree(hashes(tile_bytes(TREE, level - 1, index))).root()


@given(st.integers(1, TILE_WIDTH))
def test_a_partial_tile_is_the_beginning_of_the_full_one(width: int) -> None:
    assert tile_bytes(TREE, 0, 3, width) == tile_bytes(TREE, 0, 3)[: width * HASH_BYTES]


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [
        (0, 273, 113),
        (0, 273, 256),
        (0, 274, 1),
        (1, 1, 18),
        (2, 0, 2),
        (3, 0, 1),
        (6, 0, 1),
        (-1, 0, 1),
        (0, -1, 1),
        (0, 0, 0),
        (0, 0, 257),
        (0, MAX_INTEGER, 1),
    ],
)
def test_tiles_that_the_log_does_not_have(level: int, index: int, width: int) -> None:
    with pytest.raises(NotFound) as refused:
        tile_bytes(TREE, level, index, width)
    assert refused.value.code == "no_such_tile"


def test_the_last_tiles_that_the_log_has() -> None:
    for level, index, width in ((0, 273, 112), (1, 1, 17), (2, 0, 1)):
        assert len(tile_bytes(TREE, level, index, width)) == width * HASH_BYTES


@given(st.text(), st.text("tilex0123456789/.p", max_size=24))
def test_only_refusals_leave_the_parser(anything: str, likely: str) -> None:
    for path in (anything, likely, f"tile/0/{likely}", f"tile/0/000{likely}"):
        with suppress(ConcordatError):
            assert Tile.parse(path).path == path
