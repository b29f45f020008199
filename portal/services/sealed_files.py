"""Contents that are kept for a while, encrypted: one sealed file each, and spools that grow record by record.

Each file has a key of its own, derived (HKDF-SHA256) from the portal's key and a random salt in the file; every record
is AES-256-GCM over its place and its kind, so that none can be moved, left out before another, or taken for a whole
file. A backup of the database holds none of them.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agreements.errors import NotFound, Unavailable
from portal import durable
from portal.keyring import Keyring
from portal.services.sealing_keys import master_key

KEY_NAME: Final = "files"

_MAGIC: Final = b"concordat-sealed/1\n"
_SALT_BYTES: Final = 32
_HEADER_BYTES: Final = len(_MAGIC) + _SALT_BYTES
_NONCE_BYTES: Final = 12
_LENGTH_BYTES: Final = 8
_WHOLE: Final = b"whole"
_SPOOL: Final = b"spool"


class SealedFiles:
    """The folder of sealed files. Their ids are drawn by the portal itself."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        """The folder is made, readable by the operator alone. Raises Unavailable ``files_unusable``."""
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable("files_unusable", f"The folder {folder} cannot be used", error) from None
        self._keyring = keyring

    def put(self, file_id: str, content: bytes) -> None:
        """Seal a whole file; durable on return. Raises Unavailable ``file_not_written``."""
        salt = secrets.token_bytes(_SALT_BYTES)
        sealed = _MAGIC + salt + _sealed(self.key(file_id, salt), _WHOLE, 0, content)
        try:
            durable.write(self.path(file_id), sealed)
        except OSError as error:
            raise _unusable("file_not_written", "The file cannot be written", error) from None

    def read(self, file_id: str) -> bytes:
        """What was sealed. Raises NotFound ``file_not_there`` or Unavailable ``file_unreadable``."""
        records = list(self._records(file_id, _WHOLE))
        if len(records) != 1:
            raise _unreadable()
        return records[0]

    def spool(self, spool_id: str) -> "Spool":
        """A spool to add records to; one writer at a time. Raises Unavailable ``file_not_written``."""
        return Spool(self, spool_id)

    def records(self, spool_id: str) -> list[bytes]:
        """The whole records of a spool; none where there is no spool. Raises Unavailable ``file_unreadable``."""
        try:
            return list(self._records(spool_id, _SPOOL))
        except NotFound:
            return []

    def destroy(self, file_id: str) -> None:
        """Take the contents away; what is not there is no error. Raises Unavailable ``file_not_destroyed``."""
        try:
            self.path(file_id).unlink(missing_ok=True)
            self.sync()
        except OSError as error:
            raise _unusable("file_not_destroyed", "The file cannot be removed", error) from None

    def ids(self) -> frozenset[str]:
        """Everything that lies in the folder."""
        try:
            return frozenset(path.name for path in self._folder.iterdir())
        except OSError as error:
            raise _unusable("files_unusable", "The folder cannot be read", error) from None

    def key(self, file_id: str, salt: bytes) -> AESGCM:
        """The key of one file."""
        derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"concordat file " + file_id.encode())
        return AESGCM(derived.derive(self._master()))

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self._folder / name

    def sync(self) -> None:
        """Make durable which files there are."""
        durable.sync(self._folder)

    def _records(self, file_id: str, kind: bytes) -> Iterator[bytes]:
        try:
            found = self.path(file_id).read_bytes()
        except FileNotFoundError:
            raise NotFound(
                "file_not_there",
                "The contents of the file are not there.",
                hint="Their time may be over: hand the file in again, or run the batch again.",
            ) from None
        except OSError as error:
            raise _unusable("file_unreadable", "The file cannot be read", error) from None
        if found[: len(_MAGIC)] != _MAGIC:
            raise _unreadable()
        cipher = self.key(file_id, found[len(_MAGIC) : _HEADER_BYTES])
        place = _HEADER_BYTES
        for number, end in enumerate(_ends(found)):
            nonce = found[place + _LENGTH_BYTES : place + _LENGTH_BYTES + _NONCE_BYTES]
            sealed = found[place + _LENGTH_BYTES + _NONCE_BYTES : end]
            try:
                yield cipher.decrypt(nonce, sealed, _about(kind, number))
            except InvalidTag:
                raise _unreadable() from None
            place = end

    def _master(self) -> bytes:
        return master_key(self._keyring, KEY_NAME, in_use=lambda: bool(self.ids()))


class Spool:
    """A sealed file that grows. Thread-safe; what a crash left of a record is cut off when it is opened."""

    def __init__(self, files: SealedFiles, spool_id: str) -> None:
        """Use ``SealedFiles.spool``."""
        self._path = files.path(spool_id)
        self._lock = threading.Lock()  # a record's number and its place belong together
        try:
            found = self._path.read_bytes() if self._path.exists() else b""
            if len(found) < _HEADER_BYTES:
                found = _MAGIC + secrets.token_bytes(_SALT_BYTES)
                self._cipher = files.key(spool_id, found[len(_MAGIC) :])
                self._write(0, found)
                files.sync()
            else:
                self._cipher = files.key(spool_id, found[len(_MAGIC) : _HEADER_BYTES])
        except OSError as error:
            raise _unusable("file_not_written", "The answers cannot be written", error) from None
        ends = list(_ends(found))
        self._number, self._end = len(ends), ends[-1] if ends else _HEADER_BYTES

    def append(self, content: bytes) -> None:
        """Add a record; durable on return. Raises Unavailable ``file_not_written``."""
        with self._lock:
            record = _sealed(self._cipher, _SPOOL, self._number, content)
            try:
                self._write(self._end, record)
            except OSError as error:
                raise _unusable("file_not_written", "The answer cannot be written", error) from None
            self._number, self._end = self._number + 1, self._end + len(record)

    def _write(self, place: int, content: bytes) -> None:
        with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            file.seek(place)
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())


def _sealed(cipher: AESGCM, kind: bytes, number: int, content: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + cipher.encrypt(nonce, content, _about(kind, number))
    return len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed


def _ends(found: bytes) -> Iterator[int]:
    """Where each whole record ends; one that was cut off by a crash is none."""
    place = _HEADER_BYTES
    while len(found) >= place + _LENGTH_BYTES:
        place += _LENGTH_BYTES + int.from_bytes(found[place : place + _LENGTH_BYTES], "big")
        if place > len(found):
            return
        yield place


def _about(kind: bytes, number: int) -> bytes:
    return kind + number.to_bytes(8, "big")


def _unreadable() -> Unavailable:
    return Unavailable(
        "file_unreadable",
        "The file was changed, or belongs to another portal: it cannot be opened.",
        hint="Tell the portal's operator.",
    )


def _unusable(code: str, what: str, error: OSError) -> Unavailable:
    return Unavailable(code, f"{what} ({error.strerror}).", hint="Check the disk's free space and who owns the folder.")
