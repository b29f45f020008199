"""One spelling per value: RFC 8785 vectors, strict base64 (RFC 4648 section 3.5), strict JSON (RFC 7493)."""

import hashlib
import json
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agreements.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    b64decode,
    b64encode,
    canonical_bytes,
    digest_of,
    parse_json,
    sha256_hex,
)
from agreements.errors import ConcordatError, Invalid, TooLarge

LIMIT = 1_000_000

numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

RFC_8785_INPUT = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
RFC_8785_HEX = (
    "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e33333333"
    "3333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c"
    "5c5c5c5c222f227d"
)

RFC_8785_NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


def test_the_sample_of_rfc_8785_section_3_2() -> None:
    assert canonical_bytes(parse_json(RFC_8785_INPUT, LIMIT)).hex() == RFC_8785_HEX


@pytest.mark.parametrize(("bits", "text"), RFC_8785_NUMBERS.items())
def test_the_numbers_of_rfc_8785_appendix_b(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_bytes(number) == text.encode()
    assert canonical_bytes(parse_json(text.encode(), LIMIT)) == text.encode()


def test_members_are_ordered_by_utf_16_code_units() -> None:
    # RFC 8785 section 3.2.3: the emoji's surrogates sort before U+FB33 although its code point is larger.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = list(json.loads(canonical_bytes(dict.fromkeys(names, 0))))
    assert ordered == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@given(json_values)
def test_reading_canonical_bytes_and_writing_them_again_changes_nothing(value: JsonValue) -> None:
    spelled = canonical_bytes(value)
    assert canonical_bytes(parse_json(spelled, LIMIT)) == spelled


@given(json_values)
def test_the_same_value_written_otherwise_has_the_same_digest(value: JsonValue) -> None:
    loose = json.dumps(value, indent=3, ensure_ascii=True).encode()
    assert digest_of(parse_json(loose, LIMIT)) == digest_of(value)


def test_a_digest_is_the_sha_256_of_the_canonical_bytes() -> None:
    assert digest_of({"b": 1.0, "a": []}) == "sha256:" + hashlib.sha256(b'{"a":[],"b":1}').hexdigest()
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, -(2**53), {1: 2}, "\ud800", {"\udfff": 0}, b"x", type, {1, 2}],
    ids=repr,
)
def test_values_without_canonical_form_are_refused(value: JsonValue) -> None:
    with pytest.raises(Invalid) as refused:
        canonical_bytes({"member": [value]})
    assert refused.value.code == "not_canonical"


def test_endless_nesting_is_refused() -> None:
    loop: list[JsonValue] = []
    loop.append(loop)
    with pytest.raises(Invalid):
        canonical_bytes(loop)


@given(st.binary())
def test_base64_round_trips(data: bytes) -> None:
    assert b64decode(b64encode(data)) == data


@pytest.mark.parametrize(
    "text",
    ["Zg", "Zg=", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm9v=", "Zg==Zg==", "Zm-v", "Zm_v", "====", "é", "\ud800"],
    ids=ascii,
)
def test_other_spellings_of_base64_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        b64decode(text)
    assert refused.value.code == "bad_base64"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{'a':1}",
        b'{"a":1,}',
        b"01",
        b"1 2",
        b"\xff",
        b"\xef\xbb\xbf1",
        b'"\x00"',
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b"NaN",
        b"[-Infinity]",
        b"1e400",
        b"9" * 5000,
        b"1152921504606846977",
        b'"\\ud83d"',
        b'{"\\udc00":1}',
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    ],
    ids=lambda data: ascii(data[:24]),
)
def test_ambiguous_json_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(data, LIMIT)
    assert refused.value.code == "bad_json"


def test_the_limits_of_json_themselves_are_allowed() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert canonical_bytes(parse_json(deepest, len(deepest))) == deepest
    with pytest.raises(TooLarge) as refused:
        parse_json(deepest, len(deepest) - 1)
    assert refused.value.code == "json_too_large"
    assert parse_json(b"[9007199254740991,-9007199254740991]", LIMIT) == [MAX_INTEGER, -MAX_INTEGER]
    assert parse_json(b'"\\ud83d\\ude00"', LIMIT) == "\U0001f600"


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_only_refusals_leave_the_readers(data: bytes) -> None:
    with suppress(ConcordatError):
        parse_json(data, 150)
    with suppress(ConcordatError):
        b64decode(data.decode("latin-1"))
