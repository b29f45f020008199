"""Access tokens: what is ours and in time decodes, and everything else is refused by our own error."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import OctKey, OKPKey

from agreements.errors import Unauthenticated
from agreements.keys import SigningKey
from agreements.tokens import AccessClaims, AuthorizationDetails, TokenIssuer
from tests.agreements.parties import NOW

KEY = SigningKey.generate()
ISSUER = TokenIssuer(KEY, issuer="portal.example", audience="concordat")
CLAIMS = AccessClaims(
    iss="portal.example",
    aud="concordat",
    sub="per_ada",
    client_id="per_ada",
    iat=int(NOW.timestamp()),
    exp=int((NOW + timedelta(hours=1)).timestamp()),
    jti="tok_0123456789",
    authorization_details=(AuthorizationDetails(grant_id="grt_x", purpose="bias-analysis"),),
)
TOKEN = ISSUER.encode(CLAIMS)
HEADER: dict[str, Any] = {"alg": "Ed25519", "typ": "at+jwt", "kid": KEY.public.key_id}


def private(key: SigningKey = KEY) -> OKPKey:
    """The signing key as JWK."""
    return OKPKey.import_key(key.to_pem())


def signed(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: SigningKey = KEY) -> str:
    """A token with any header and claims, validly signed."""
    return jwt.encode(header or HEADER, claims or CLAIMS.model_dump(mode="json"), private(key), algorithms=["Ed25519"])


def b64(value: object) -> str:
    """Base64url of a JSON value."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_claims(**changes: object) -> str:
    """A validly signed token with other claims."""
    return signed(claims=CLAIMS.model_dump(mode="json") | changes)


def test_a_token_decodes_to_its_claims() -> None:
    assert ISSUER.decode(TOKEN, NOW) == CLAIMS


ATTACKS = {
    "alg none": f"{b64(HEADER | {'alg': 'none'})}.{TOKEN.split('.')[1]}.",
    "alg confusion": jwt.encode(
        HEADER | {"alg": "HS256"},
        CLAIMS.model_dump(mode="json"),
        OctKey.import_key(KEY.public.raw.hex()),
        algorithms=["HS256"],
    ),
    "another key": signed(key=SigningKey.generate()),
    "another key with our kid": signed(HEADER, key=SigningKey.generate()),
    "unknown kid": signed(HEADER | {"kid": "nobody"}),
    "no kid": signed({"alg": "Ed25519", "typ": "at+jwt"}),
    "embedded jwk": signed(HEADER | {"jwk": private().as_dict(private=False)}),
    "jku": signed(HEADER | {"jku": "https://attacker.example/keys"}),
    "x5u": signed(HEADER | {"x5u": "https://attacker.example/cert"}),
    "wrong typ": signed(HEADER | {"typ": "JWT"}),
    "expired": with_claims(exp=int(NOW.timestamp())),
    "not valid yet": with_claims(iat=int((NOW + timedelta(hours=1)).timestamp())),
    "wrong audience": with_claims(aud="other"),
    "audience list": with_claims(aud=["concordat"]),
    "wrong issuer": with_claims(iss="other"),
    "extra claim": with_claims(scope="everything"),
    "no details": with_claims(authorization_details=[]),
    "two details": with_claims(authorization_details=[{}, {}]),
    "string exp": with_claims(exp="never"),
    "NaN exp": TOKEN.split(".")[0] + "." + base64.urlsafe_b64encode(b'{"exp":NaN}').rstrip(b"=").decode() + ".AA",
    "two parts": ".".join(TOKEN.split(".")[:2]),
    "four parts": TOKEN + ".AA",
    "malformed base64": TOKEN[:-1] + "!",
    "truncated signature": TOKEN[:-4],
    "oversized": "A" * 10_000_000,
    "empty": "",
    "list payload": jws.serialize_compact(HEADER, b"[1,2]", private(), algorithms=["Ed25519"]),
    "deep payload": jws.serialize_compact(HEADER, b"[" * 900 + b"]" * 900, private(), algorithms=["Ed25519"]),
    "not json": jws.serialize_compact(HEADER, b"hello", private(), algorithms=["Ed25519"]),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_refused_by_our_error(attack: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        ISSUER.decode(ATTACKS[attack], NOW)
    assert refused.value.code in {"invalid_token", "token_expired"}
    assert TOKEN.split(".")[2] not in str(refused.value)


@given(
    st.text(max_size=200) | st.builds(lambda a, b: TOKEN[:a] + b + TOKEN[a + 1 :], st.integers(0, 400), st.characters())
)
def test_only_our_error_escapes_the_decoder(token: str) -> None:
    try:
        assert ISSUER.decode(token, NOW) == CLAIMS
    except Unauthenticated as error:
        assert token not in str(error) or len(token) < 20


@given(st.integers(0, len(TOKEN) - 1))
def test_any_changed_character_is_noticed_or_changes_nothing(place: int) -> None:
    changed = TOKEN[:place] + ("A" if TOKEN[place] != "A" else "B") + TOKEN[place + 1 :]
    try:
        assert ISSUER.decode(changed, NOW) == CLAIMS
    except Unauthenticated as error:
        assert error.code == "invalid_token"


def test_the_published_keys_are_public() -> None:
    keys = ISSUER.jwks()["keys"]
    assert [key["kid"] for key in keys] == [KEY.public.key_id]
    assert all("d" not in key for key in keys)
