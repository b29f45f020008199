"""Keys, proofs and assertions: whatever is sent, only our errors escape."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import ConcordatError, Invalid, Limited, Unauthenticated
from agreements.jwks import public_members, read_jwk, read_jwks, thumbprint_of
from agreements.proofs import Proven, read_assertion, verify_assertion, verify_proof
from portal.services.replays import OnceOnly
from tests.portal.services.token_world import assertion, jwks_of, new_key, proof
from tests.token_attacks import b64

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
URL = "https://portal.example/v1/completions"
KEY = new_key()
PROOF = proof(KEY, "POST", URL, NOW)
ASSERTION = assertion(KEY, "prg_x", "https://portal.example", NOW)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def checked(text: str, url: str = URL) -> Proven:
    """A proof, verified."""
    return verify_proof(text, method="POST", urls=frozenset({url}), now=NOW)


def test_a_proof_names_the_key_that_made_it() -> None:
    assert checked(PROOF).by == thumbprint_of(KEY)
    assert checked(proof(new_key("P-256"), "POST", URL, NOW)).jti


@pytest.mark.parametrize(
    ("made_for", "asked", "same"),
    [
        ("https://portal.example/x", "https://PORTAL.example:443/x", True),
        ("https://portal.example/x?y=1#z", "https://portal.example/x", True),
        ("https://portal.example", "https://portal.example/", True),
        ("http://portal.example/x", "https://portal.example/x", False),
        ("https://portal.example/x/", "https://portal.example/x", False),
        ("https://portal.example:8443/x", "https://portal.example/x", False),
        ("https://portal.example@evil.example/x", "https://portal.example/x", False),
        ("https://portal.example:no/x", "https://portal.example/x", False),
    ],
)
def test_addresses_are_compared_as_the_standard_says(made_for: str, asked: str, same: bool) -> None:
    made = proof(KEY, "POST", made_for, NOW)
    if same:
        assert checked(made, asked).by == thumbprint_of(KEY)
    else:
        with pytest.raises(Unauthenticated):
            checked(made, asked)


@given(st.text(max_size=200) | st.builds(lambda a, b: PROOF[:a] + b + PROOF[a + 1 :], st.integers(0, 500), st.text()))
def test_only_our_error_escapes_from_a_proof(text: str) -> None:
    try:
        assert checked(text) == checked(PROOF)
    except Unauthenticated as error:
        assert error.code == "invalid_proof"


@given(st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "header_jwk", "header_typ"]), JSON)
def test_only_our_error_escapes_whatever_a_proof_says(name: str, value: Any) -> None:
    if name.startswith("header_"):
        header = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": public_members(KEY), name.removeprefix("header_"): value}
        made = f"{b64(header)}.{PROOF.partition('.')[2]}"
    else:
        try:
            made = proof(KEY, "POST", URL, NOW, **{name: value})
        except ConcordatError:
            return  # it has no canonical form
    try:
        checked(made)
    except Unauthenticated as error:
        assert error.code == "invalid_proof"


@given(
    st.text(max_size=200)
    | st.builds(lambda a, b: ASSERTION[:a] + b + ASSERTION[a + 1 :], st.integers(0, 500), st.text())
)
def test_only_our_error_escapes_from_an_assertion(text: str) -> None:
    keys = read_jwks(jwks_of(KEY))
    try:
        compact = read_assertion(text)
        verify_assertion(
            compact, client_id="prg_x", keys=keys, audiences=frozenset({"https://portal.example"}), now=NOW
        )
    except Unauthenticated as error:
        assert error.code == "invalid_client"


@given(JSON | st.fixed_dictionaries({"keys": st.lists(JSON, max_size=3)}))
def test_only_our_error_escapes_from_a_key_set(value: object) -> None:
    with pytest.raises(Invalid) as refusal:
        read_jwks(value)
    assert refusal.value.code in {"bad_jwk", "private_key_sent"}


@pytest.mark.parametrize(
    "value",
    [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
        {"kty": "EC", "crv": "P-384", "x": "A" * 64, "y": "A" * 64},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43},
        {"kty": ["OKP"], "crv": {"a": 1}},
        {**public_members(KEY), "kid": "x" * 200},
        {**public_members(KEY), "kid": "a b"},
    ],
)
def test_keys_that_prove_nothing_are_not_taken(value: object) -> None:
    with pytest.raises(Invalid):
        read_jwk(value)


def test_a_private_key_is_recognised_and_not_repeated() -> None:
    secret = KEY.as_dict(private=True)
    with pytest.raises(Invalid) as refusal:
        read_jwk(secret)
    assert refusal.value.code == "private_key_sent"
    assert str(secret["d"]) not in str(refusal.value)


def test_two_keys_of_one_name_are_not_told_apart_and_not_taken() -> None:
    one, other = public_members(KEY), public_members(new_key())
    for pair in ([one, one], [{**one, "kid": "a"}, {**other, "kid": "a"}]):
        with pytest.raises(Invalid):
            read_jwks(json.loads(json.dumps({"keys": pair})))


def proven(jti: str, by: str = "k", *, made: datetime = NOW) -> Proven:
    """A proof that was verified."""
    return Proven(by=by, jti=jti, made_at=made, ends_at=made + timedelta(seconds=70))


def test_a_proof_is_taken_once_and_forgotten_when_it_is_good_for_nothing() -> None:
    once = OnceOnly(NOW)
    once.take(proven("a"), NOW)
    once.take(proven("a", "other"), NOW)
    with pytest.raises(Unauthenticated):
        once.take(proven("a"), NOW + timedelta(seconds=69))
    later = NOW + timedelta(seconds=71)
    once.take(proven("a", made=later), later)


def test_what_was_made_before_the_portal_started_is_not_taken() -> None:
    with pytest.raises(Unauthenticated):
        OnceOnly(NOW).take(proven("a", made=NOW - timedelta(seconds=1)), NOW)


def test_one_key_does_not_fill_the_memory_for_others() -> None:
    once = OnceOnly(NOW, most=5, most_of_one=3)
    for number in range(3):
        once.take(proven(str(number)), NOW)
    with pytest.raises(Limited):
        once.take(proven("4"), NOW)
    once.take(proven("1", "other"), NOW)
    once.take(proven("2", "other"), NOW)
    with pytest.raises(Limited):
        once.take(proven("3", "third"), NOW)
    once.take(proven("3", "third", made=NOW + timedelta(minutes=2)), NOW + timedelta(minutes=2))
