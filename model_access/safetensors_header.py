"""Reading a safetensors header without trusting it.

The format: 8 bytes little-endian header length, that many bytes of JSON, then the tensors' bytes. A header may lie:
about sizes, by overlapping ranges, by holes that hide other data. Everything is checked against the file before a
tensor is touched. Specification: https://github.com/huggingface/safetensors#format
"""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agreements.deciders import Value
from agreements.errors import Invalid

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


class TensorEntry(Value):
    """One tensor as the header declares it."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The tensors in the file at ``path``. Raises Invalid ``bad_safetensors`` for any lie."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise _bad(path, "it is too short to have a header")
        (length,) = struct.unpack("<Q", prefix)
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise _bad(path, f"its header claims {length} bytes")
        header = _parse(path, file.read(length))
    return _check(path, header, data_bytes=size - 8 - length)


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(keys) != len(set(keys)):
            raise _bad(path, "its header names a tensor twice")
        return dict(pairs)

    try:
        header = json.loads(raw, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise _bad(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _bad(path, "its header is not an object")
    header.pop("__metadata__", None)
    return header


def _check(path: Path, header: Mapping[str, Any], data_bytes: int) -> dict[str, TensorEntry]:
    tensors: dict[str, TensorEntry] = {}
    ranges: list[tuple[int, int]] = []
    for name, raw in header.items():
        dtype, shape, offsets = _fields(path, name, raw)
        begin, end = offsets
        if not 0 <= begin <= end <= data_bytes:
            raise _bad(path, f"{name} lies outside the file")
        if math.prod(shape) * _BITS[dtype] != (end - begin) * 8:
            raise _bad(path, f"{name} does not have the size its shape needs")
        ranges.append((begin, end))
        tensors[name] = TensorEntry(dtype=dtype, shape=tuple(shape))
    position = 0
    for begin, end in sorted(ranges):
        if begin != position:
            raise _bad(path, "its tensors overlap or leave holes")
        position = end
    if position != data_bytes:
        raise _bad(path, f"{data_bytes - position} bytes belong to no tensor")
    return tensors


def _fields(path: Path, name: str, raw: Any) -> tuple[str, list[int], list[int]]:
    if not isinstance(raw, dict) or set(raw) != {"dtype", "shape", "data_offsets"}:
        raise _bad(path, f"{name} is not described as a tensor")
    dtype, shape, offsets = raw["dtype"], raw["shape"], raw["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _bad(path, f"{name} has an unknown number format")
    if not _whole_numbers(shape) or len(shape) > 8:
        raise _bad(path, f"{name} has no sensible shape")
    if not _whole_numbers(offsets) or len(offsets) != 2:
        raise _bad(path, f"{name} has no sensible range")
    return dtype, shape, offsets


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value)


def _bad(path: Path, why: str) -> Invalid:
    return Invalid(
        "bad_safetensors",
        f"{path.name} is not a sound safetensors file: {why}.",
        hint="Save the checkpoint again with safetensors and add it anew.",
    )
