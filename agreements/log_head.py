"""Log heads: what the log says of itself, signed. C2SP tlog-checkpoint inside C2SP signed-note.

    portal.example/log              origin
    20                              how many entries
    base64(32-byte root hash)

    — portal.example/log base64(4-byte key hash || Ed25519 signature)

A *verifier key* (vkey) is the text ``<name>+<key hash, 8 hex digits>+<base64(0x01 || public key)>``.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from agreements.canonical import MAX_INTEGER, b64decode, b64encode
from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.keys import PublicKey, SigningKey
from agreements.merkle import HASH_BYTES

MAX_NOTE_CHARS = 64 * 1024
MAX_NOTE_SIGNATURES = 100
MAX_LOG_SIZE = MAX_INTEGER

_ED25519 = 0x01
_KEY_HASH_BYTES = 4
_SIGNATURE_MARK = "— "
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_VKEY = re.compile(r"(?P<name>[^+]+)\+(?P<hash>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class NoteVerifier:
    """A named public key: who signs notes, and how to tell."""

    name: str
    key: PublicKey

    def __post_init__(self) -> None:
        """Raises Invalid ``bad_note_name`` for an empty name, or one with white space, control characters or ``+``."""
        if not self.name or len(self.name) > 200 or "+" in self.name or not _is_plain(self.name):
            raise Invalid("bad_note_name", "The name of a note's signer has no white space, control character or '+'.")

    @classmethod
    def parse(cls, vkey: str) -> "NoteVerifier":
        """The verifier of a vkey text. Raises Invalid ``bad_vkey``."""
        match = _VKEY.fullmatch(vkey)
        if match is None:
            raise _bad_vkey()
        try:
            kind, *raw = b64decode(match["key"])
            verifier = cls(match["name"], PublicKey.from_raw(bytes(raw)))
        except (ConcordatError, ValueError):
            raise _bad_vkey() from None
        if kind != _ED25519 or verifier.key_hash.hex() != match["hash"]:
            raise _bad_vkey()
        return verifier

    @property
    def vkey(self) -> str:
        """The verifier as text."""
        return f"{self.name}+{self.key_hash.hex()}+{b64encode(self._typed_key)}"

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes by which a signature line names its key besides the name; no security rests on them."""
        return hashlib.sha256(f"{self.name}\n".encode() + self._typed_key).digest()[:_KEY_HASH_BYTES]

    @property
    def _typed_key(self) -> bytes:
        return bytes([_ED25519]) + self.key.raw


class NoteSigner:
    """A named key that signs notes."""

    def __init__(self, name: str, key: SigningKey) -> None:
        """Raises Invalid ``bad_note_name``."""
        self._key = key
        self._verifier = NoteVerifier(name, key.public)

    @property
    def name(self) -> str:
        """The name in the signature line; for a log also its origin."""
        return self._verifier.name

    @property
    def verifier(self) -> NoteVerifier:
        """Who checks what this signer signs."""
        return self._verifier

    @property
    def vkey(self) -> str:
        """The verifier as text, to be given to whoever checks."""
        return self._verifier.vkey

    def sign(self, text: str) -> str:
        """The note: ``text`` (ends in a line feed) and one signature line. Raises Invalid ``bad_note_text``."""
        if not _is_note_text(text):
            raise Invalid("bad_note_text", "A note's text ends in a line feed and has no other control character.")
        signature = self._verifier.key_hash + self._key.sign(text.encode())
        return f"{text}\n{_SIGNATURE_MARK}{self.name} {b64encode(signature)}\n"


class LogHead(Value):
    """The size and root of a log at one moment. ``root`` is the 32-byte RFC 6962 root over ``size`` leaves."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    origin: Annotated[str, Field(min_length=1, max_length=200)]
    size: Annotated[int, Field(ge=0, le=MAX_LOG_SIZE)]
    root: Annotated[bytes, Field(min_length=HASH_BYTES, max_length=HASH_BYTES)]

    def text(self) -> str:
        """The note text: three lines."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "LogHead":
        """The head of a note text. Raises Invalid ``bad_log_head``.

        Only the one spelling is read: no leading zeros, canonical base64, no extension lines (no log here has any).
        """
        origin, size, root, rest = [*text.split("\n", 3), "", "", ""][:4]
        try:
            head = cls(origin=origin, size=int(size) if _SIZE.fullmatch(size) else -1, root=b64decode(root))
        except (ConcordatError, ValidationError):
            raise _bad_head() from None
        if rest or head.text() != text:
            raise _bad_head()
        return head


def sign_head(head: LogHead, signer: NoteSigner) -> str:
    """The signed head. Raises Invalid ``other_origin`` unless the signer carries the log's origin as its name."""
    if head.origin != signer.name:
        raise Invalid("other_origin", f"{signer.name} does not sign heads of {head.origin}.")
    return signer.sign(head.text())


def open_note(note: str, vkey: str) -> str:
    """The text of a note that the key of ``vkey`` signed; signatures by others are left unread.

    Raises Invalid ``bad_vkey`` or ``bad_note``; VerificationError ``note_unsigned`` if no line is by this key,
    ``bad_signature`` if one is and does not hold.
    """
    verifier = NoteVerifier.parse(vkey)
    text, lines = _split_note(note)
    mine = [line.signature for line in lines if (line.name, line.key_hash) == (verifier.name, verifier.key_hash)]
    if not mine:
        raise VerificationError("note_unsigned", f"The note carries no signature by {verifier.name} with this key.")
    for signature in mine:
        verifier.key.verify(signature, text.encode())
    return text


def open_head(note: str, vkey: str) -> LogHead:
    """The log head in a note signed by its own log. Raises what ``open_note`` and ``LogHead.parse`` raise.

    VerificationError ``other_origin`` if the head names another log than the key does.
    """
    head = LogHead.parse(open_note(note, vkey))
    if head.origin != NoteVerifier.parse(vkey).name:
        raise VerificationError("other_origin", f"The head is of the log {head.origin!r}, not of the key's.")
    return head


def signature_count(note: str) -> int:
    """How many signature lines a note has, whosever they are. Raises Invalid ``bad_note``."""
    return len(_split_note(note)[1])


@dataclass(frozen=True)
class _SignatureLine:
    name: str
    key_hash: bytes
    signature: bytes


def _split_note(note: str) -> tuple[str, Sequence[_SignatureLine]]:
    if len(note) > MAX_NOTE_CHARS or not _is_note_text(note):
        raise _bad_note("it is too long, has control characters or does not end in a line feed")
    text, gap, block = note.rpartition("\n\n")
    lines = block.removesuffix("\n").split("\n")
    if not gap or not 0 < len(lines) <= MAX_NOTE_SIGNATURES:
        raise _bad_note("a blank line and signature lines must follow the text")
    return f"{text}\n", [_signature_line(line) for line in lines]


def _signature_line(line: str) -> _SignatureLine:
    name, gap, encoded = line.removeprefix(_SIGNATURE_MARK).partition(" ")
    if not line.startswith(_SIGNATURE_MARK) or not gap or not name or "+" in name or not _is_plain(name):
        raise _bad_note("a signature line is malformed")
    try:
        data = b64decode(encoded)
    except ConcordatError:
        raise _bad_note("a signature is not canonical base64") from None
    if len(data) <= _KEY_HASH_BYTES:
        raise _bad_note("a signature is empty")
    return _SignatureLine(name, data[:_KEY_HASH_BYTES], data[_KEY_HASH_BYTES:])


def _is_note_text(text: str) -> bool:
    return text.endswith("\n") and all(_is_printed(char) or char == "\n" for char in text)


def _is_plain(name: str) -> bool:
    return not any(char.isspace() or not _is_printed(char) for char in name)


def _is_printed(char: str) -> bool:
    # signed-note rules out ASCII control characters; half a surrogate pair is no Unicode text at all.
    return char >= " " and char != "\x7f" and not "\ud800" <= char <= "\udfff"


def _bad_vkey() -> Invalid:
    return Invalid(
        "bad_vkey",
        "This is not the verifier key of an Ed25519 note signer.",
        hint="Copy the whole line: name, '+', eight hex digits, '+', base64.",
    )


def _bad_note(why: str) -> Invalid:
    return Invalid("bad_note", f"This is not a signed note: {why}.")


def _bad_head() -> Invalid:
    return Invalid("bad_log_head", "The note's text is not a log head: origin, size and root, one line each.")
