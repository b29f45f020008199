"""Embeddings on their way: the base64 of little-endian float32 numbers, which is also what receipts digest."""

import binascii
import math
import struct
from base64 import b64decode
from collections.abc import Sequence

from agreements.errors import Invalid

MOST_NUMBERS = 1 << 16


def text_of(vector: Sequence[float]) -> str:
    """The text of a vector of float32 numbers."""
    return binascii.b2a_base64(struct.pack(f"<{len(vector)}f", *vector), newline=False).decode()


def vector_of(text: str) -> tuple[float, ...]:
    """The vector of a text. Raises Invalid ``bad_embedding`` where it is none, or a number of it is not finite."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    count, rest = divmod(len(raw), 4)
    if rest or not 1 <= count <= MOST_NUMBERS:
        raise Invalid("bad_embedding", "The text is no embedding.")
    vector = struct.unpack(f"<{count}f", raw)
    if not all(map(math.isfinite, vector)):
        raise Invalid("bad_embedding", "A number of the embedding is not finite.")
    return vector
