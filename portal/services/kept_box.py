"""What is kept of runs, sealed: each text under a key of its own, which lies wrapped in another folder.

A text is AES-256-GCM under a key drawn for it, a key AES-256-GCM under one derived (HKDF-SHA256) from the portal's
``kept.secret``; the run's id is bound to both. Destroying overwrites the wrapped key first: from then on no copy of the
sealed text opens, wherever it is. A backup of the portal holds neither.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agreements.errors import Conflict, Fixer, Unavailable
from portal import durable
from portal.keyring import Keyring
from portal.services.sealing_keys import master_key

KEY_NAME: Final = "kept"

_MAGIC: Final = b"concordat-kept/1\n"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_TEXT: Final = b"concordat kept text "
_KEY: Final = b"concordat kept key "


class KeptBox:
    """The folder of sealed texts, and the folder of their keys below it. Names are run ids, which the portal draws."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        """The folders are made, readable by the operator alone. Raises Unavailable ``kept_unusable``."""
        self._folder, self._keys = folder, folder / "keys"
        self._keyring = keyring
        try:
            for each in (self._folder, self._keys):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable("kept_unusable", f"The folder {folder} cannot be used", error) from None

    def seal(self, run_id: str, content: bytes) -> int:
        """Seal a text; durable on return. Returns its size, sealed. Raises Unavailable ``text_not_written``."""
        key = AESGCM.generate_key(_KEY_BYTES * 8)
        sealed = _MAGIC + _encrypt(key, content, _TEXT + run_id.encode())
        wrapped = _MAGIC + _encrypt(self._wrapping(), key, _KEY + run_id.encode())
        try:
            durable.write(self._keys / run_id, wrapped)
            durable.write(self._folder / run_id, sealed)
        except OSError as error:
            self.shred(run_id)
            raise _unusable("text_not_written", "Prompt and answer cannot be kept", error) from None
        return len(sealed)

    def open(self, run_id: str) -> bytes:
        """What was sealed. Raises Conflict ``text_not_there`` or Unavailable ``text_unreadable``."""
        try:
            wrapped, sealed = (self._keys / run_id).read_bytes(), (self._folder / run_id).read_bytes()
        except FileNotFoundError:
            raise Conflict(
                "text_not_there",
                "What was kept is not there: a portal that was restored from a backup has none of it.",
                hint="Ask whoever made the run for its prompt.",
                fixer=Fixer.NOBODY,
            ) from None
        except OSError as error:
            raise _unusable("text_unreadable", "What was kept cannot be read", error) from None
        try:
            key = _decrypt(self._wrapping(), wrapped, _KEY + run_id.encode())
            return _decrypt(key, sealed, _TEXT + run_id.encode())
        except (InvalidTag, ValueError):
            raise Unavailable(
                "text_unreadable",
                "What was kept was changed, or belongs to another portal: it cannot be opened.",
                hint="Tell the portal's operator.",
            ) from None

    def shred(self, run_id: str) -> None:
        """Destroy a text: its key is overwritten, then both are removed. Raises Unavailable ``text_not_destroyed``."""
        key = self._keys / run_id
        try:
            if key.exists():
                with key.open("r+b") as file:
                    file.write(secrets.token_bytes(max(key.stat().st_size, 1)))
                    file.flush()
                    os.fsync(file.fileno())
            for path in (key, self._folder / run_id):
                path.unlink(missing_ok=True)
                durable.sync(path.parent)
        except OSError as error:
            raise _unusable("text_not_destroyed", "What was kept cannot be removed", error) from None

    def holds(self, run_id: str) -> bool:
        """Whether anything lies there for the run."""
        return (self._keys / run_id).exists() or (self._folder / run_id).exists()

    def names(self) -> frozenset[str]:
        """Everything that lies in either folder, but for the folder of keys."""
        try:
            lying = (path.name for folder in (self._folder, self._keys) for path in folder.iterdir() if path.is_file())
            return frozenset(lying)
        except OSError as error:
            raise _unusable("kept_unusable", "The folder cannot be read", error) from None

    def _wrapping(self) -> bytes:
        master = master_key(self._keyring, KEY_NAME, in_use=lambda: bool(self.names()))
        return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"concordat kept keys").derive(master)


def _encrypt(key: bytes, content: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, about)


def _decrypt(key: bytes, found: bytes, about: bytes) -> bytes:
    """Raises InvalidTag or ValueError."""
    if not found.startswith(_MAGIC):
        raise ValueError("not sealed here")
    sealed = found[len(_MAGIC) :]
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)


def _unusable(code: str, what: str, error: OSError) -> Unavailable:
    return Unavailable(code, f"{what} ({error.strerror}).", hint="Check the disk's free space and who owns the folder.")
