"""Keys in files, for people who sign and check away from the portal."""

import os
from pathlib import Path

import typer

from agreements.errors import ConcordatError, Conflict, Invalid, NotFound
from agreements.keys import RAW_KEY_BYTES, PublicKey, SigningKey

PASSPHRASE_VARIABLE = "CONCORDAT_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises NotFound ``no_such_file`` or Invalid ``unreadable_file``."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("no_such_file", f"There is no file {path}.", hint="Check the path.") from None
    except OSError as error:
        raise Invalid(
            "unreadable_file", f"{path} cannot be read: {error.strerror}.", hint="Check the path and who may read it."
        ) from None


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file that does not exist yet. Raises Conflict ``file_exists`` or Invalid ``unwritable_file``."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Conflict("file_exists", f"{path} exists; nothing is overwritten.", hint="Choose another name.") from None
    except OSError as error:
        raise Invalid(
            "unwritable_file", f"{path} cannot be written: {error.strerror}.", hint="Choose another place."
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        # Half a key would stand in the way of the next try.
        path.unlink(missing_ok=True)
        raise Invalid(
            "unwritable_file", f"{path} cannot be written: {error.strerror}.", hint="Choose another place."
        ) from None


def write_out(path: Path, data: bytes) -> None:
    """Write an export, replacing an earlier one. Raises Invalid ``unwritable_file``."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Invalid(
            "unwritable_file", f"{path} cannot be written: {error.strerror}.", hint="Choose another place."
        ) from None


def signing_key(path: Path) -> SigningKey:
    """The private key in a PEM file; for an encrypted one the passphrase is asked for, or read from the environment.

    Raises NotFound, or Invalid ``bad_key``.
    """
    pem = read_bytes(path)
    passphrase = None
    if _ENCRYPTED in pem:
        passphrase = os.environ.get(PASSPHRASE_VARIABLE) or typer.prompt("Passphrase", hide_input=True, err=True)
    # The environment is bytes, and those that are no UTF-8 come back as they were.
    return SigningKey.from_pem(pem, os.fsencode(passphrase) if passphrase else None)


def public_key(given: str) -> PublicKey:
    """The public key somebody named: 64 hex digits, or a PEM file. Raises Invalid ``bad_key`` or NotFound."""
    if len(given) == 2 * RAW_KEY_BYTES:
        try:
            return PublicKey.from_raw(bytes.fromhex(given))
        except ValueError:
            pass
    pem = read_bytes(Path(given))
    try:
        return PublicKey.from_pem(pem)
    except ConcordatError:
        if b"PRIVATE KEY" in pem:
            raise Invalid(
                "private_key_given",
                "This is a private key; the public half is needed here.",
                hint="concordat institution key proof prints it.",
            ) from None
        raise
