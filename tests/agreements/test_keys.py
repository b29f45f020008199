"""Ed25519 keys: RFC 8032 and RFC 8410 vectors, weak keys, secrets that stay secret."""

import pickle
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given
from hypothesis import strategies as st

from agreements.canonical import sha256_hex
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.keys import PublicKey, SigningKey

RFC_8032 = [
    pytest.param(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
        id="test 1",
    ),
    pytest.param(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
        id="test 2",
    ),
]

RFC_8410_PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
RFC_8410_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
FIELD_PRIME = 2**255 - 19


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey.from_seed(bytes.fromhex(seed))
    assert key.public.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    PublicKey.from_raw(bytes.fromhex(public)).verify(bytes.fromhex(signature), bytes.fromhex(message))


def test_the_pem_blocks_of_rfc_8410() -> None:
    key = SigningKey.from_pem(RFC_8410_PRIVATE)
    assert key.to_pem() == RFC_8410_PRIVATE
    assert key.public.to_pem() == RFC_8410_PUBLIC
    assert PublicKey.from_pem(RFC_8410_PUBLIC) == key.public


@given(st.binary(max_size=64), st.integers(0, 511))
def test_a_signature_with_any_bit_changed_does_not_hold(message: bytes, bit: int) -> None:
    key = SigningKey.from_seed(bytes(32))
    signature = bytearray(key.sign(message))
    key.public.verify(bytes(signature), message)
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError) as refused:
        key.public.verify(bytes(signature), message)
    assert refused.value.code == "bad_signature"


def test_the_other_spelling_of_a_signature_does_not_hold() -> None:
    # RFC 8032 section 5.1.7: S must be below the group order, else every signature has a twin.
    key = SigningKey.generate()
    signature = key.sign(b"message")
    twin = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    with pytest.raises(VerificationError):
        key.public.verify(signature[:32] + twin.to_bytes(32, "little"), b"message")


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_does_not_hold(length: int) -> None:
    with pytest.raises(VerificationError):
        SigningKey.generate().public.verify(bytes(length), b"message")


def square_roots(number: int) -> list[int]:
    """The square roots of ``number`` modulo the field prime, which is 5 modulo 8."""
    candidate = pow(number, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
    roots = (candidate, candidate * pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME) % FIELD_PRIME)
    return [one for root in roots if (root * root - number) % FIELD_PRIME == 0 for one in (root, FIELD_PRIME - root)]


def weak_points() -> list[bytes]:
    """Every spelling of the points of order 1, 2, 4 and 8, found by algebra instead of from a list.

    The point with y = 1 has order 1, y = -1 order 2, y = 0 order 4. One of order 8 doubles to y = 0, hence y^2 = -x^2,
    and with the curve's equation d y^4 + 2 y^2 - 1 = 0.
    """
    d = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME
    squares = [(root - 1) * pow(d, -1, FIELD_PRIME) % FIELD_PRIME for root in square_roots(1 + d)]
    of_order_8 = [y for square in squares for y in square_roots(square)]
    assert len(of_order_8) == 2
    # Two of them have a second spelling, not reduced modulo the prime.
    coordinates = [0, 1, FIELD_PRIME - 1, FIELD_PRIME, FIELD_PRIME + 1, *of_order_8]
    return [(y | sign << 255).to_bytes(32, "little") for y in coordinates for sign in (0, 1)]


@pytest.mark.parametrize("raw", weak_points(), ids=bytes.hex)
def test_keys_of_small_order_are_refused(raw: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        PublicKey.from_raw(raw)
    assert refused.value.code == "weak_key"


def test_without_that_check_one_signature_would_fit_many_messages() -> None:
    neutral, nothing = (1).to_bytes(32, "little"), bytes(32)
    library_key = Ed25519PublicKey.from_public_bytes(neutral)
    for message in (b"one", b"another"):
        library_key.verify(neutral + nothing, message)


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)], ids=len)
def test_a_public_key_of_another_length_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        PublicKey.from_raw(raw)
    assert refused.value.code == "bad_key"


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(Invalid):
        SigningKey.from_seed(bytes(31))


def test_an_encrypted_key_opens_with_its_password_only() -> None:
    key = SigningKey.generate()
    pem = key.to_pem(b"open sesame")
    assert SigningKey.from_pem(pem, b"open sesame").public == key.public
    for password in (None, b"", b"open barley"):
        with pytest.raises(Invalid) as refused:
            SigningKey.from_pem(pem, password)
        assert refused.value.code == "bad_key"
    with pytest.raises(Invalid):
        SigningKey.from_pem(key.to_pem(), b"a password that the file does not need")


def test_an_empty_password_encrypts_nothing() -> None:
    with pytest.raises(Invalid) as refused:
        SigningKey.generate().to_pem(b"")
    assert refused.value.code == "bad_password"


def test_keys_of_other_kinds_are_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    private = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(Invalid):
        SigningKey.from_pem(private)
    with pytest.raises(Invalid):
        PublicKey.from_pem(public)
    with pytest.raises(Invalid):
        SigningKey.from_pem(RFC_8410_PUBLIC)
    with pytest.raises(Invalid):
        PublicKey.from_pem(RFC_8410_PRIVATE)


def test_the_secret_does_not_show() -> None:
    key = SigningKey.from_seed(bytes(range(32)))
    shown = f"{key!r} {key} {key.public!r}"
    assert bytes(range(32)).hex() not in shown
    assert key.public.key_id in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_keys_are_equal_by_their_bytes_and_named_by_them() -> None:
    key = SigningKey.generate().public
    again = PublicKey.from_raw(key.raw)
    assert (again, hash(again)) == (key, hash(key))
    assert key != SigningKey.generate().public
    assert key != key.raw
    assert key.key_id == "sha256:" + sha256_hex(key.raw)


def test_a_key_of_another_curve_than_its_length_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        SigningKey.from_pem(RFC_8410_PRIVATE.replace(b"K2Vw", b"K2Vv"))  # X448, which has 56 bytes
    assert refusal.value.code == "bad_key"


@example(data=b"", place=43, change=1)
@given(st.binary(max_size=200), st.integers(0, 150), st.integers(1, 255))
def test_only_refusals_leave_the_readers(data: bytes, place: int, change: int) -> None:
    for pem in (RFC_8410_PUBLIC, RFC_8410_PRIVATE):
        changed = bytearray(pem)
        changed[place % len(pem)] ^= change
        for text in (data, bytes(changed)):
            with suppress(ConcordatError):
                SigningKey.from_pem(text, data)
            with suppress(ConcordatError):
                PublicKey.from_pem(text)
    with suppress(ConcordatError):
        PublicKey.from_raw(data)
    with suppress(ConcordatError):
        PublicKey.from_raw(data[:32].ljust(32, b"\x01")).verify(data, data)
