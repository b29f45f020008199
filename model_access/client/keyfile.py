"""A key in a file that only its owner can read."""

import os
from pathlib import Path
from typing import Self

from joserfc.jwk import OKPKey

from agreements.errors import Conflict, Unavailable
from agreements.jwks import thumbprint_of
from agreements.keys import SigningKey


class KeyFile:
    """An Ed25519 key. Nothing shows its private half."""

    def __init__(self, key: SigningKey) -> None:
        """Wrap a key."""
        self.key = OKPKey.import_key(key.to_pem())

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key of a PEM file. Raises Invalid ``bad_key``, Unavailable ``key_unreadable``."""
        try:
            return cls(SigningKey.from_pem(path.read_bytes()))
        except OSError as error:
            raise Unavailable("key_unreadable", f"The key file cannot be read ({error.strerror}).") from None

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new key, written where nothing is yet and only its owner can read. Raises Conflict or Unavailable."""
        key = SigningKey.generate()
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key.to_pem())
        except FileExistsError:
            raise Conflict(
                "file_exists", f"There is something at {path} already.", hint="Choose another name."
            ) from None
        except OSError as error:
            raise Unavailable("key_not_written", f"The key file cannot be written ({error.strerror}).") from None
        return cls(key)

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint of the public half."""
        return thumbprint_of(self.key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.thumbprint})"
