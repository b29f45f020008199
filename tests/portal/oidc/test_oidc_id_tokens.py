"""ID tokens that must not count: each is refused by name, and nothing but a refusal leaves."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from agreements.errors import Unavailable, VerificationError
from portal.oidc.id_token import ALGORITHMS, IdClaims, verify
from portal.oidc.metadata import signing_keys

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
ISSUER, CLIENT, NONCE = "https://login.north.example", "portal", "n-1"
KEYS = signing_keys(
    {"keys": [{**KEY.as_dict(private=False), "kid": "k1"}, {**RSA.as_dict(private=False), "kid": "r1"}]}
)
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "wes",
    "nonce": NONCE,
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 300,
    "email": "wes@north.example",
    "email_verified": True,
}


def _same(keys: Any, _anew: bool) -> Any:
    """The provider's keys, however they are asked for."""
    return keys


def signed(claims: dict[str, Any], key: Any = KEY, **header: Any) -> str:
    made = {"alg": "ES256", "kid": "k1", **header}
    return jwt.encode({**made}, claims, key, algorithms=[made["alg"]])


def read(token: str) -> IdClaims:
    return verify(token, lambda _: KEYS, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, now=NOW)


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_good_token_says_who_it_is() -> None:
    assert read(signed(GOOD)) == IdClaims(subject="wes", email="wes@north.example", email_verified=True)
    assert read(signed({**GOOD, "aud": [CLIENT], "azp": CLIENT})).subject == "wes"
    assert read(signed(GOOD, RSA, alg="RS256", kid="r1")).subject == "wes"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"iss": "https://login.north.example/"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"aud": "another"}, "wrong_audience"),
        ({"aud": [CLIENT, "another"]}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"azp": "another"}, "wrong_audience"),
        ({"nonce": "n-2"}, "wrong_nonce"),
        ({"nonce": None}, "wrong_nonce"),
        ({"nonce": ["n-1"]}, "wrong_nonce"),
        ({"exp": int(NOW.timestamp()) - 61}, "id_token_expired"),
        ({"exp": None}, "id_token_malformed"),
        ({"exp": "tomorrow"}, "id_token_malformed"),
        ({"exp": 1e300}, "id_token_malformed"),
        ({"iat": int(NOW.timestamp()) + 61}, "id_token_not_yet_valid"),
        ({"nbf": int(NOW.timestamp()) + 61}, "id_token_not_yet_valid"),
        ({"iat": True}, "id_token_malformed"),
        ({"sub": ""}, "id_token_malformed"),
        ({"sub": 7}, "id_token_malformed"),
        ({"sub": "x" * 256}, "id_token_malformed"),
    ],
)
def test_what_is_not_for_this_sign_in_is_refused(changed: dict[str, Any], code: str) -> None:
    with pytest.raises(VerificationError) as refusal:
        read(signed({**GOOD, **changed}))
    assert refusal.value.code == code


def test_clocks_may_differ_by_a_minute() -> None:
    early, late = int(NOW.timestamp()) - 59, int(NOW.timestamp()) + 59
    assert read(signed({**GOOD, "exp": early})).subject == "wes"
    assert read(signed({**GOOD, "iat": late})).subject == "wes"


def _forged() -> dict[str, tuple[str, str]]:
    payload = part(GOOD)
    symmetric = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{payload}"
    mac = hmac.digest(KEY.as_pem(private=False), symmetric.encode(), "sha256")
    as_secret = f"{symmetric}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    return {
        "no algorithm": (f"{part({'alg': 'none'})}.{payload}.", "id_token_algorithm"),
        "None in capitals": (f"{part({'alg': 'None', 'kid': 'k1'})}.{payload}.", "id_token_algorithm"),
        "the public key as a secret": (as_secret, "id_token_algorithm"),
        "another's key": (signed(GOOD, OTHER), "id_token_signature"),
        "another's key inside": (signed(GOOD, OTHER, jwk=OTHER.as_dict(private=False)), "id_token_signature"),
        "an unknown key": (signed(GOOD, OTHER, kid="k9"), "id_token_key_unknown"),
        "no key named, and two there are": (
            jwt.encode({"alg": "ES256"}, GOOD, KEY, algorithms=["ES256"]),
            "id_token_key_unknown",
        ),
        "a key of another kind": (
            f"{part({'alg': 'RS256', 'kid': 'k1'})}.{payload}.{part('x')}",
            "id_token_signature",
        ),
        "an extension nobody knows": (
            f"{part({'alg': 'ES256', 'kid': 'k1', 'crit': ['x'], 'x': 1})}.{payload}.{part('x')}",
            "id_token_signature",
        ),
        "too large": ("a" * 20_000, "id_token_malformed"),
        "nothing": ("", "id_token_malformed"),
        "a header that is none": (f"{part([1])}.{payload}.x", "id_token_malformed"),
        "a key id that is none": (f"{part({'alg': 'ES256', 'kid': 7})}.{payload}.x", "id_token_malformed"),
    }


@pytest.mark.parametrize("name", list(_forged()))
def test_forgeries_are_refused(name: str) -> None:
    token, code = _forged()[name]
    with pytest.raises(VerificationError) as refusal:
        read(token)
    assert refusal.value.code == code


@given(st.text(max_size=300) | st.lists(st.text(max_size=40), min_size=3, max_size=3).map(".".join))
def test_only_refusals_leave(token: str) -> None:
    with pytest.raises(VerificationError):
        read(token)


def test_symmetric_and_encrypting_keys_sign_nothing() -> None:
    symmetric = OctKey.generate_key(256).as_dict(private=True)
    listed = [symmetric, {**KEY.as_dict(private=False), "use": "enc"}, {"kty": "EC"}, "x", {**KEY.as_dict(), "kid": 1}]
    assert signing_keys({"keys": listed}) == {}
    (kept,) = signing_keys({"keys": [{**KEY.as_dict(private=True), "kid": "k"}]}).values()
    assert not kept.is_private
    none: list[dict[str, Any]] = [{}, {"keys": {}}, {"keys": [{}] * 51}]
    for wrong in none:
        with pytest.raises(Unavailable):
            signing_keys(wrong)


def test_time_passes() -> None:
    token = signed(GOOD)
    with pytest.raises(VerificationError):
        verify(token, lambda _: KEYS, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, now=NOW + timedelta(minutes=6))


def test_keys_that_cannot_sign_so_are_refused_and_nothing_else() -> None:
    """Whatever key a provider publishes under the id that its token names."""
    listed: list[OKPKey | ECKey] = [
        OKPKey.generate_key("X25519"),
        OKPKey.generate_key("Ed25519"),
        OKPKey.generate_key("Ed448"),
        ECKey.generate_key("P-521"),
        ECKey.generate_key("secp256k1"),
    ]
    odd: list[dict[str, Any]] = [
        {"kty": "RSA", "n": "AQ", "e": "AQ"},
        {"kty": "RSA", "n": urlsafe_b64encode(b"\xff" * 128).decode(), "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 100_000, "e": "AQAB"},
        {"kty": "RSA", "n": urlsafe_b64encode(b"\xff" * 4096).decode(), "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "EC", "crv": ["P-256"], "x": {}, "y": 7},
        {**KEY.as_dict(private=False), "alg": 7, "key_ops": "sign", "x5c": {}},
        {**KEY.as_dict(private=False), "key_ops": ["encrypt"]},
        {**KEY.as_dict(private=False), "alg": "RS256"},
    ]
    for key in [*(one.as_dict(private=False) for one in listed), *odd]:
        found = signing_keys({"keys": [{**key, "kid": "k1"}]})
        for algorithm in ALGORITHMS:
            header = {"alg": algorithm, "kid": "k1"}
            token = f"{part(header)}.{part(GOOD)}.{urlsafe_b64encode(bytes(64)).rstrip(b'=').decode()}"
            with pytest.raises(VerificationError):
                verify(token, partial(_same, found), issuer=ISSUER, client_id=CLIENT, nonce=NONCE, now=NOW)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
_MEMBERS = st.sampled_from(["kty", "kid", "use", "crv", "n", "e", "x", "y", "alg", "key_ops", "x5c", "x5t", "d"])


@given(
    st.dictionaries(_MEMBERS, _JSON | st.sampled_from(["RSA", "EC", "OKP", "sig", "P-256", "Ed25519", "AQAB"])),
    st.sampled_from([KEY.as_dict(private=False), RSA.as_dict(private=False), {}]),
)
def test_only_refusals_leave_a_key_set(changed: dict[str, Any], key: dict[str, Any]) -> None:
    assert all(isinstance(name, str) for name in signing_keys({"keys": [{**key, **changed}]}))


@pytest.mark.parametrize(
    "payload",
    ["[" * 5_000 + "]" * 5_000, '{"a":' * 2_000 + "1" + "}" * 2_000, "[]", "7", "", "{", '{"sub": "a", "sub": "b"}'],
)
def test_what_a_provider_signs_need_not_be_claims(payload: str) -> None:
    token = jws.serialize_compact({"alg": "ES256", "kid": "k1"}, payload, KEY)
    with pytest.raises(VerificationError):
        read(token)


@given(st.dictionaries(st.sampled_from([*GOOD, "azp", "nbf"]), _JSON, max_size=3))
def test_only_refusals_leave_claims(changed: dict[str, Any]) -> None:
    try:
        assert isinstance(read(signed({**GOOD, **changed})), IdClaims)
    except VerificationError as refusal:
        assert refusal.hint
