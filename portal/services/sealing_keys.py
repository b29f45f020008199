"""The keys from which the keys of sealed contents are derived, or with which they are wrapped."""

import secrets
import threading
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from contextlib import suppress

from agreements.errors import NotFound, Unavailable
from portal.keyring import Keyring

_drawing = threading.Lock()
"""Two that came first at once would each draw a key, and what one of them sealed would never open again."""


def master_key(keyring: Keyring, name: str, *, in_use: Callable[[], bool]) -> bytes:
    """The 32 bytes kept under a name, drawn at the first use.

    ``in_use``: whether something is sealed already. Raises Unavailable ``file_key_lost`` where it is and the key is
    not there, or ``key_unreadable``.
    """
    try:
        kept = keyring.kept_secret(name)
    except NotFound:
        kept = _drawn(keyring, name, in_use)
    try:
        key = b64decode(kept, validate=True)
    except NotBase64:
        key = b""
    if len(key) != 32:
        raise Unavailable(
            "key_unreadable", "The key of the sealed files cannot be read.", hint="Restore it from the backup."
        )
    return key


def _drawn(keyring: Keyring, name: str, in_use: Callable[[], bool]) -> str:
    with _drawing:
        with suppress(NotFound):
            return keyring.kept_secret(name)
        if in_use():
            # A new key would make what lies there unreadable for good, and hide that a key was lost.
            raise Unavailable(
                "file_key_lost", "The key of the sealed files is not there.", hint="Restore it from the backup."
            )
        drawn = b64encode(secrets.token_bytes(32)).decode()
        keyring.keep_secret(name, drawn)
        return drawn
