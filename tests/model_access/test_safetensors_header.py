import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Invalid
from model_access.safetensors_header import read_header


def _file(folder: Path, header: Any, data: bytes, *, length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def _tensor(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_reads_what_an_honest_header_says(tmp_path: Path) -> None:
    header = {"a": _tensor(0, 8, [2]), "b": _tensor(8, 14, [3, 1], "BF16"), "__metadata__": {"format": "pt"}}
    tensors = read_header(_file(tmp_path, header, bytes(14)))
    assert {name: (tensor.dtype, tensor.shape, tensor.elements) for name, tensor in tensors.items()} == {
        "a": ("F32", (2,), 2),
        "b": ("BF16", (3, 1), 3),
    }


LIES: dict[str, tuple[Any, bytes]] = {
    "outside the file": ({"a": _tensor(0, 8, [2])}, bytes(4)),
    "backwards": ({"a": _tensor(8, 0, [2])}, bytes(8)),
    "size against shape": ({"a": _tensor(0, 8, [3])}, bytes(8)),
    "overlap": ({"a": _tensor(0, 8, [2]), "b": _tensor(4, 12, [2])}, bytes(12)),
    "hole": ({"a": _tensor(0, 4, [1]), "b": _tensor(8, 12, [1])}, bytes(12)),
    "data after the last": ({"a": _tensor(0, 4, [1])}, bytes(5)),
    "unknown format": ({"a": _tensor(0, 4, [1], "PICKLE")}, bytes(4)),
    "negative dimension": ({"a": _tensor(0, 4, [-1])}, bytes(4)),
    "fractional dimension": ({"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}, bytes(4)),
    "boolean offset": ({"a": {"dtype": "F32", "shape": [], "data_offsets": [False, 4]}}, bytes(4)),
    "huge dimension": ({"a": _tensor(0, 4, [2**63])}, bytes(4)),
    "extra member": ({"a": {**_tensor(0, 4, [1]), "code": "x"}}, bytes(4)),
    "not a tensor": ({"a": 1}, b""),
    "not an object": ([], b""),
    "not JSON": (b"{", b""),
    "named twice": (b'{"a":%b,"a":%b}' % ((json.dumps(_tensor(0, 4, [1])).encode(),) * 2), bytes(4)),
}


@pytest.mark.parametrize("name", LIES)
def test_refuses_a_header_that_lies(tmp_path: Path, name: str) -> None:
    header, data = LIES[name]
    with pytest.raises(Invalid) as refusal:
        read_header(_file(tmp_path, header, data))
    assert refusal.value.code == "bad_safetensors"


@pytest.mark.parametrize("length", [3, 2**40, 2**64 - 1])
def test_refuses_a_false_header_length(tmp_path: Path, length: int) -> None:
    with pytest.raises(Invalid):
        read_header(_file(tmp_path, {"a": _tensor(0, 4, [1])}, bytes(4), length=length))


@given(st.binary(max_size=200), st.booleans())
def test_only_a_refusal_leaves_the_reader(data: bytes, framed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(data)) + data if framed else data)
        try:
            read_header(path)
        except Invalid as refusal:
            assert refusal.code == "bad_safetensors"
