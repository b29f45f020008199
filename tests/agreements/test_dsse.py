"""DSSE envelopes: the specification's vector, a second implementation and what must not verify."""

import copy
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse as second
from securesystemslib.signer import CryptoSigner, SSlibKey

from agreements.canonical import b64decode, b64encode
from agreements.dsse import MAX_SIGNATURES, Envelope, add_signature, pae, sign, verify
from agreements.errors import ConcordatError, Conflict, Invalid, VerificationError
from agreements.keys import PublicKey, SigningKey

TYPE = "application/vnd.example+json"
ALICE, BOB, MALLORY = (SigningKey.from_seed(bytes([seed]) * 32) for seed in (1, 2, 3))

payload_types = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


def test_the_vector_of_the_specification() -> None:
    # protocol.md, "Test Vectors": an ECDSA signature, which binds the encoding although no key here is of that kind.
    message = pae("http://example.com/HelloWorld", b"hello world")
    assert message == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    point = ec.EllipticCurvePublicNumbers(
        x=46950820868899156662930047687818585632848591499744589407958293238635476079160,
        y=5640078356564379163099075877009565129882514886557779369047442380624545832820,
        curve=ec.SECP256R1(),
    )
    raw = b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    halves = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point.public_key().verify(encode_dss_signature(*halves), message, ec.ECDSA(hashes.SHA256()))


@given(payload_types, st.binary())
def test_what_is_signed_verifies_here_and_in_securesystemslib(payload_type: str, payload: bytes) -> None:
    envelope = sign(payload_type, payload, ALICE)
    assert verify(envelope, [BOB.public, ALICE.public]) == payload
    theirs = second.Envelope.from_dict(copy.deepcopy(envelope.to_json()))
    assert theirs.pae() == pae(payload_type, payload)
    theirs.verify([_their_key(ALICE, ALICE.public.key_id)], threshold=1)


@given(payload_types, st.binary())
def test_what_securesystemslib_signs_verifies_here(payload_type: str, payload: bytes) -> None:
    private = load_pem_private_key(ALICE.to_pem(), None)
    theirs = second.Envelope(payload, payload_type, {})
    theirs.sign(CryptoSigner(private, _their_key(ALICE, "their-own-key-id")))
    envelope = Envelope.from_json(theirs.to_dict())
    assert envelope.signatures[0].keyid == "their-own-key-id"
    assert (envelope.payload_type, verify(envelope, [ALICE.public])) == (payload_type, payload)


def _their_key(key: SigningKey, keyid: str) -> Any:
    public = serialization.load_pem_public_key(key.public.to_pem())
    return SSlibKey.from_crypto(public, keyid=keyid)


def test_two_signatures_over_one_payload() -> None:
    both = add_signature(sign(TYPE, b"terms", ALICE), BOB)
    assert [one.keyid for one in both.signatures] == [ALICE.public.key_id, BOB.public.key_id]
    for key in (ALICE, BOB):
        assert verify(both, [key.public]) == b"terms"
    with pytest.raises(Conflict) as refused:
        add_signature(both, ALICE)
    assert refused.value.code == "already_signed"


def test_an_envelope_takes_only_so_many_signatures() -> None:
    envelope = sign(TYPE, b"", SigningKey.generate())
    for _ in range(MAX_SIGNATURES - 1):
        envelope = add_signature(envelope, SigningKey.generate())
    with pytest.raises(Invalid) as refused:
        add_signature(envelope, SigningKey.generate())
    assert refused.value.code == "bad_envelope"
    assert Envelope.from_json(envelope.to_json()) == envelope


@pytest.mark.parametrize("keys", [[], [MALLORY.public], [MALLORY.public, BOB.public]], ids=len)
def test_other_keys_do_not_verify_it(keys: list[PublicKey]) -> None:
    with pytest.raises(VerificationError) as refused:
        verify(sign(TYPE, b"terms", ALICE), keys)
    assert refused.value.code == "bad_signature"


def test_the_key_id_is_a_hint_and_proves_nothing() -> None:
    honest = sign(TYPE, b"terms", ALICE).to_json()
    forged = sign(TYPE, b"terms", MALLORY).to_json()
    forged["signatures"][0]["keyid"] = ALICE.public.key_id
    with pytest.raises(VerificationError):
        verify(Envelope.from_json(forged), [ALICE.public])
    del honest["signatures"][0]["keyid"]
    assert verify(Envelope.from_json(honest), [ALICE.public]) == b"terms"


@given(st.binary(max_size=40), st.integers(0), st.integers(1, 255))
def test_a_changed_payload_or_signature_does_not_verify(payload: bytes, place: int, change: int) -> None:
    envelope = sign(TYPE, payload + b"!", ALICE)
    signature = envelope.signatures[0]
    for altered in (
        envelope.model_copy(update={"payload": _changed(envelope.payload, place, change)}),
        envelope.model_copy(
            update={
                "signatures": (signature.model_copy(update={"sig": _changed(signature.sig, place, change)}),),
            }
        ),
        envelope.model_copy(update={"payload_type": TYPE + "x"}),
    ):
        with pytest.raises(VerificationError):
            verify(altered, [ALICE.public])


def _changed(data: bytes, place: int, change: int) -> bytes:
    changed = bytearray(data)
    changed[place % len(data)] ^= change
    return bytes(changed)


def test_the_border_between_type_and_payload_is_signed() -> None:
    envelope = sign("a", b"1 b", ALICE)
    moved = envelope.model_copy(update={"payload_type": "a 1", "payload": b"b"})
    with pytest.raises(VerificationError):
        verify(moved, [ALICE.public])


@given(payload_types, st.binary())
def test_the_json_form_round_trips_and_so_does_a_command_that_holds_one(kind: str, payload: bytes) -> None:
    envelope = add_signature(sign(kind, payload, ALICE), BOB)
    assert Envelope.from_json(envelope.to_json()) == envelope
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope


def test_the_url_safe_alphabet_is_read_too() -> None:
    envelope = sign(TYPE, b"\xfb\xff\xfe", ALICE)
    form = envelope.to_json()
    form["payload"] = form["payload"].replace("+", "-").replace("/", "_")
    assert form["payload"] == "-__-"
    assert Envelope.from_json(form) == envelope


GOOD = sign(TYPE, b"\xfb\xff\xfe", ALICE).to_json()
SIGNATURE = GOOD["signatures"][0]


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        "text",
        {},
        {**GOOD, "extra": 1},
        {name: value for name, value in GOOD.items() if name != "payloadType"},
        {**GOOD, "payloadType": ""},
        {**GOOD, "payloadType": 7},
        {**GOOD, "payloadType": "\ud800"},
        {**GOOD, "payloadType": "x" * 201},
        {**GOOD, "payload": None},
        {**GOOD, "payload": "-+//"},
        {**GOOD, "payload": "Zg"},
        {**GOOD, "payload": "Zh=="},
        {**GOOD, "signatures": []},
        {**GOOD, "signatures": SIGNATURE},
        {**GOOD, "signatures": [SIGNATURE] * (MAX_SIGNATURES + 1)},
        {**GOOD, "signatures": [{"keyid": "k"}]},
        {**GOOD, "signatures": [{**SIGNATURE, "cert": "c"}]},
        {**GOOD, "signatures": [{**SIGNATURE, "keyid": 5}]},
        {**GOOD, "signatures": [{**SIGNATURE, "keyid": "k" * 201}]},
        {**GOOD, "signatures": [{**SIGNATURE, "sig": ""}]},
        {**GOOD, "signatures": [{**SIGNATURE, "sig": b64encode(bytes(1025))}]},
        {**GOOD, "signatures": ["sig"]},
        {1: 2},
    ],
    ids=lambda form: ascii(form)[:40],
)
def test_what_is_no_envelope_is_refused(form: object) -> None:
    with pytest.raises(Invalid) as refused:
        Envelope.from_json(form)
    assert refused.value.code == "bad_envelope"


@pytest.mark.parametrize("payload_type", ["", "x" * 201, "\udc80"], ids=ascii)
def test_nothing_is_signed_under_an_unusable_type(payload_type: str) -> None:
    with pytest.raises(Invalid):
        sign(payload_type, b"", ALICE)


@given(json_values, json_values, json_values, json_values)
def test_only_refusals_leave_the_reader(whole: Any, payload: Any, signatures: Any, one: Any) -> None:
    forms = [
        whole,
        {**GOOD, "payload": payload},
        {**GOOD, "signatures": signatures},
        {**GOOD, "signatures": [{**SIGNATURE, "sig": one}, one]},
        {**GOOD, "signatures": [{**SIGNATURE, "keyid": one}], "payloadType": one},
    ]
    for form in forms:
        with suppress(ConcordatError):
            verify(Envelope.from_json(form), [ALICE.public])
