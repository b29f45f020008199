"""Ed25519 keys (RFC 8032): PEM in and out, key ids, signing and verification."""

from typing import Self

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agreements.canonical import sha256_hex
from agreements.errors import Invalid, VerificationError

RAW_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_FIELD_PRIME = 2**255 - 19
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)
"""The y coordinates of the eight points whose order divides 8."""


_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, InternalError)
"""What cryptography makes of bytes that are no key. The last is of a key of another curve than its length."""


class PublicKey:
    """The half of a key that everybody may have. Equal keys have equal raw bytes."""

    __slots__ = ("_key", "_raw")

    def __init__(self, key: Ed25519PublicKey) -> None:
        """Wrap a key of the ``cryptography`` library. Raises Invalid ``weak_key``, see ``from_raw``."""
        self._key = key
        self._raw = key.public_bytes_raw()
        _refuse_weak(self._raw)

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """The key of 32 raw bytes (RFC 8032 section 5.1.5).

        Raises Invalid ``bad_key`` for another length, ``weak_key`` for a point of small order, under which one
        signature fits many messages, and for a point that is not spelled in its canonical form.
        """
        try:
            key = Ed25519PublicKey.from_public_bytes(raw)
        except (ValueError, TypeError):
            raise Invalid(
                "bad_key", f"An Ed25519 public key has {RAW_KEY_BYTES} bytes; these are not such a key."
            ) from None
        return cls(key)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """The key of a ``PUBLIC KEY`` PEM block (RFC 8410). Raises Invalid ``bad_key`` or ``weak_key``."""
        try:
            key = serialization.load_pem_public_key(pem)
        except _UNREADABLE:
            raise _bad_pem("public") from None
        if not isinstance(key, Ed25519PublicKey):
            raise _bad_pem("public")
        return cls(key)

    def to_pem(self) -> bytes:
        """The key as a ``PUBLIC KEY`` PEM block."""
        return self._key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def raw(self) -> bytes:
        """The 32 raw bytes."""
        return self._raw

    @property
    def key_id(self) -> str:
        """``sha256:<hex>`` of the raw bytes: the ``keyid`` of envelopes and the ``kid`` of tokens."""
        return f"sha256:{sha256_hex(self._raw)}"

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if the 64-byte signature is this key's over ``message``; else VerificationError ``bad_signature``."""
        try:
            self._key.verify(signature, message)
        except (InvalidSignature, ValueError, TypeError):
            raise VerificationError(
                "bad_signature",
                "The signature was not made over these bytes with this key.",
                hint="Check that the file is complete and unchanged and that the key is the signer's.",
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.key_id})"


class SigningKey:
    """The secret half. Its bytes leave only through ``to_pem``."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Wrap a key of the ``cryptography`` library."""
        self._key = key
        self._public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> Self:
        """A new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of a 32-byte secret (RFC 8032 section 5.1.5). Raises Invalid ``bad_key``."""
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(seed))
        except (ValueError, TypeError):
            raise Invalid("bad_key", f"An Ed25519 secret has {RAW_KEY_BYTES} bytes; these are not.") from None

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """The key of a PKCS #8 PEM block, decrypted with ``password`` if encrypted. Raises Invalid ``bad_key``."""
        try:
            key = serialization.load_pem_private_key(pem, password=password)
        except _UNREADABLE:
            raise _bad_pem("private") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _bad_pem("private")
        return cls(key)

    def to_pem(self, password: bytes | None = None) -> bytes:
        """The key as a PKCS #8 PEM block, encrypted if a password is given. Raises Invalid ``bad_password``."""
        try:
            encryption = (
                serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
            )
            return self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        except ValueError:
            raise Invalid("bad_password", "A key cannot be encrypted with that password.") from None

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over ``message``."""
        return self._key.sign(message)

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    def __repr__(self) -> str:
        return f"SigningKey(public={self._public.key_id})"


def _refuse_weak(raw: bytes) -> None:
    # The top bit is the sign of x; both signs of a weak y are weak.
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y in _SMALL_ORDER_Y or y >= _FIELD_PRIME:
        raise Invalid("weak_key", "Signatures under this public key prove nothing.", hint="Generate a new key.")


def _bad_pem(kind: str) -> Invalid:
    return Invalid(
        "bad_key",
        f"This is not an Ed25519 {kind} key in PEM form, or its password is missing or wrong.",
        hint="Generate one with: openssl genpkey -algorithm ed25519",
    )
