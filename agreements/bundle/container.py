"""The file of a bundle: a ZIP that every computer opens, accepted only in the one spelling that this module writes.

Parts are stored uncompressed, sorted by name, with one fixed time. The reader walks the parts and has the standard
library write them anew; bytes that differ were not written here. So nothing can hide between the parts, two readers
cannot disagree about them, and nothing is ever decompressed.
"""

import io
import re
import struct
import zipfile
from collections.abc import Mapping

from agreements.errors import Invalid, TooLarge

CONTAINER = "container"
"""What a refusal names where the file as such, and none of its parts, is at fault."""
MAX_BUNDLE_BYTES = 32 * 2**20
MAX_PARTS = 2000
MAGIC = b"PK\x03\x04"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*(/[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*){0,4}")
_MAX_NAME = 200
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""APPNOTE.TXT 4.3.7: signature, version, flags, method, time, date, CRC-32, sizes packed and plain, lengths."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_VERSION = 20
_READABLE = 0o100644 << 16


def pack(parts: Mapping[str, bytes]) -> bytes:
    """The one spelling of ``parts`` (name → content). Raises Invalid ``bad_part_name`` or TooLarge."""
    if len(parts) > MAX_PARTS or sum(map(len, parts.values())) > MAX_BUNDLE_BYTES:
        raise _too_large()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            if not _is_name(name):
                raise Invalid("bad_part_name", f"{name[:80]!r} is no name for a part of a bundle.", param=CONTAINER)
            info = zipfile.ZipInfo(name, _EPOCH)
            # Whatever the library would take from the machine it runs on is said here.
            info.create_system, info.create_version, info.extract_version = _UNIX, _VERSION, _VERSION
            info.external_attr = _READABLE
            archive.writestr(info, parts[name])
    data = file.getvalue()
    if len(data) > MAX_BUNDLE_BYTES:
        raise _too_large()
    return data


def unpack(data: bytes) -> dict[str, bytes]:
    """The parts by name, cut out as their headers say; only ``is_canonical`` tells whether the file is sound.

    Kept apart so that a changed part can be named before the file is refused as a whole. Raises TooLarge
    ``bundle_too_large``, Invalid ``not_a_bundle`` for what cannot be walked: cut short, names that repeat, are out of
    order or lead elsewhere, more parts than a bundle has.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise _too_large()
    parts: dict[str, bytes] = {}
    place, last = 0, ""
    while data[place : place + len(MAGIC)] == MAGIC:
        start = place + _LOCAL_HEADER.size
        if len(parts) == MAX_PARTS or start > len(data):
            raise not_a_bundle()
        *_, packed, plain, name_length, extra_length = _LOCAL_HEADER.unpack_from(data, place)
        name = data[start : start + name_length].decode("ascii", errors="replace")
        content = start + name_length
        place = content + packed
        if packed != plain or extra_length or place > len(data) or not _is_name(name) or name <= last:
            raise not_a_bundle()
        parts[name] = data[content:place]
        last = name
    if not parts:
        raise not_a_bundle()
    return parts


def is_canonical(data: bytes, parts: Mapping[str, bytes]) -> bool:
    """Whether ``data`` is the one spelling of ``parts``."""
    return pack(parts) == data


def not_a_bundle() -> Invalid:
    """The refusal of a file that is no bundle, or is one no more."""
    return Invalid(
        "not_a_bundle",
        "The file is no bundle as a portal writes it: damaged, cut short, or packed anew by another program.",
        hint="Take the file as it was downloaded; do not unpack and repack it.",
        param=CONTAINER,
    )


def _is_name(name: str) -> bool:
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def _too_large() -> TooLarge:
    return TooLarge(
        "bundle_too_large", f"A bundle has at most {MAX_BUNDLE_BYTES} bytes and {MAX_PARTS} parts.", param=CONTAINER
    )
