"""An access log as a file: CSV for spreadsheets, JSON Lines for programs, with the digest of exactly these bytes.

Written to a spool first, in memory while it is small, so that the digest is known before the first byte is sent.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from portal.services.access_log_views import AccessEntry
from portal.spreadsheets import csv_row

_IN_MEMORY_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class FileFormat(StrEnum):
    """How the file is written."""

    CSV = "csv"
    JSONL = "jsonl"

    @property
    def media_type(self) -> str:
        """The media type by which it is sent."""
        return {FileFormat.CSV: "text/csv; charset=utf-8", FileFormat.JSONL: "application/jsonl"}[self]


COLUMNS: Final = tuple(AccessEntry.model_fields)


class LogFile:
    """A written log. ``chunks`` reads it once and lets go of it."""

    def __init__(self, spool: IO[bytes], sha256: bytes, entries: int) -> None:
        """Use ``write``."""
        self._spool = spool
        self._sha256 = sha256
        self.entries = entries

    @property
    def sha256(self) -> str:
        """The digest in hex."""
        return self._sha256.hex()

    @property
    def repr_digest(self) -> str:
        """The digest as the header ``Repr-Digest`` (RFC 9530) has it."""
        return f"sha-256=:{base64.b64encode(self._sha256).decode()}:"

    def chunks(self) -> Iterator[bytes]:
        """The bytes, piece by piece."""
        with self._spool:
            self._spool.seek(0)
            while piece := self._spool.read(_CHUNK_BYTES):
                yield piece


def write(entries: Iterable[AccessEntry], file_format: FileFormat) -> LogFile:
    """The entries as a file. An error on the way leaves no file behind."""
    spool: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by who reads it
    digest, count = hashlib.sha256(), 0
    lines = _csv if file_format is FileFormat.CSV else _jsonl
    try:
        for line in lines(entries):
            digest.update(line)
            spool.write(line)
            count += 1
    except BaseException:
        spool.close()
        raise
    return LogFile(spool, digest.digest(), count - (file_format is FileFormat.CSV))


def _csv(entries: Iterable[AccessEntry]) -> Iterator[bytes]:
    yield csv_row(COLUMNS).encode()
    for entry in entries:
        said = entry.model_dump(mode="json")
        yield csv_row([_cell(said[column]) for column in COLUMNS]).encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _jsonl(entries: Iterable[AccessEntry]) -> Iterator[bytes]:
    for entry in entries:
        yield json.dumps(entry.model_dump(mode="json"), ensure_ascii=False).encode() + b"\n"
