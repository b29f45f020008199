"""Attacks on access tokens as data: each a string that no portal may take, made from what an attacker could have.

Most are even signed with the portal's own key, so that nothing but the reading of them stands in the way.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from agreements.keys import SigningKey
from agreements.tokens import AccessClaims, TokenIssuer, token_kid

HUGE = 10_000_000


def b64(value: object) -> str:
    """Base64url of a JSON value, or of bytes as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def as_jwk(key: SigningKey) -> OKPKey:
    """The key as a JWK that signs."""
    return OKPKey.import_key(key.to_pem())


def signed(key: SigningKey, header: Mapping[str, Any], payload: object) -> str:
    """Any header over any payload, validly signed."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    part = f"{b64(dict(header))}.{b64(data)}"
    return f"{part}.{b64(key.sign(part.encode()))}"


def by_hmac(header: Mapping[str, Any], text: str, secret: bytes) -> str:
    """Signed with a secret, as libraries that mind it no longer do."""
    part = f"{b64(dict(header))}.{b64(text.encode())}"
    return f"{part}.{b64(hmac.digest(secret, part.encode(), 'sha256'))}"


def attacks(key: SigningKey, issuer: TokenIssuer, claims: AccessClaims, now: datetime) -> dict[str, str]:
    """Every attack on tokens of the portal whose key and claims these are, by name."""
    header = {"kid": token_kid(key.public), "typ": "at+jwt", "alg": "Ed25519"}
    body = claims.model_dump(mode="json", exclude_none=True)
    good = issuer.encode(claims)
    first, second, third = good.split(".")
    other, public = SigningKey.generate(), as_jwk(key).as_dict(private=False)
    moment = int(now.timestamp())
    text = json.dumps(body)
    twice = json.dumps(header)[:-1].encode() + b', "alg": "none"}'
    deep = b'{"kid":' * 150 + b"1" + b"}" * 150

    def head(**changes: object) -> str:
        return signed(key, {**header, **changes}, body)

    def said(**changes: object) -> str:
        return signed(key, header, {**body, **changes})

    return {
        "alg none": f"{b64({**header, 'alg': 'none'})}.{second}.",
        "alg none with a signature": f"{b64({**header, 'alg': 'none'})}.{second}.{third}",
        "alg confusion: public key as HMAC secret": by_hmac({**header, "alg": "HS256"}, text, key.public.raw),
        "alg confusion: PEM as HMAC secret": by_hmac({**header, "alg": "HS256"}, text, key.public.to_pem()),
        "alg ES256 by another key": jws.serialize_compact(
            {**header, "alg": "ES256"}, text, ECKey.generate_key("P-256"), algorithms=["ES256"]
        ),
        "alg EdDSA": f"{b64({**header, 'alg': 'EdDSA'})}.{second}.{third}",
        "alg list": f"{b64({**header, 'alg': ['Ed25519']})}.{second}.{third}",
        "other portal's key": signed(other, {**header, "kid": token_kid(other.public)}, body),
        "other portal's key under our kid": signed(other, header, body),
        "kid unknown": head(kid="concordat-nobody"),
        "kid path": head(kid="../../../../dev/null"),
        "kid sql": head(kid="x' UNION SELECT '0"),
        "kid null": head(kid=None),
        "kid object": f"{b64({**header, 'kid': {'a': 1}})}.{second}.{third}",
        "kid missing": signed(key, {"typ": "at+jwt", "alg": "Ed25519"}, body),
        "jku": head(jku="https://attacker.example/keys"),
        "x5u": head(x5u="https://attacker.example/certificate"),
        "x5c": head(x5c=["AAAA"]),
        "embedded jwk": signed(other, {**header, "jwk": as_jwk(other).as_dict(private=False)}, body),
        "our own jwk embedded": head(jwk=public),
        "crit": f"{b64({**header, 'crit': ['exp']})}.{second}.{third}",
        "b64 false": f"{b64({**header, 'b64': False, 'crit': ['b64']})}.{second}.{third}",
        "typ JWT": head(typ="JWT"),
        "typ of a DPoP proof": head(typ="dpop+jwt"),
        "typ missing": signed(key, {"kid": header["kid"], "alg": "Ed25519"}, body),
        "expired": said(exp=moment),
        "expired long ago": said(exp=1),
        "not valid yet": said(iat=int((now + timedelta(hours=1)).timestamp())),
        "wrong audience": said(aud="other"),
        "audience list": said(aud=[claims.aud]),
        "wrong issuer": said(iss="https://other.example"),
        "issuer with a slash": said(iss=claims.iss + "/"),
        "no jti": signed(key, header, {name: value for name, value in body.items() if name != "jti"}),
        "another jti": said(jti="tok_of_nobody_here"),
        "extra claim": said(admin=True),
        "scope list": said(scope=["read"]),
        "bound to a bad key": said(cnf={"jkt": "short"}),
        "no details": said(authorization_details=[]),
        "two details": said(authorization_details=[{}, {}]),
        "details of another type": said(authorization_details=[{"type": "payment"}]),
        "string exp": said(exp="never"),
        "exp as numeric string": said(exp=str(claims.exp)),
        "exp as float": said(exp=claims.exp + 0.5),
        "exp beyond all years": said(exp=10**15),
        "exp null": said(exp=None),
        "exp true": said(exp=True),
        "NaN": signed(key, header, text.replace(str(claims.exp), "NaN", 1).encode()),
        "Infinity": signed(key, header, text.replace(str(claims.exp), "1e999", 1).encode()),
        "duplicate claim": signed(key, header, (text[:-1] + ', "sub": "per_somebody_else"}').encode()),
        "duplicate claim inside": signed(
            key, header, text.replace('"type"', '"grant_id": "grt_other", "type"', 1).encode()
        ),
        "duplicate header": f"{b64(twice)}.{second}.{third}",
        "half a surrogate pair": signed(key, header, text.replace("tok_", "\\ud800", 1).encode()),
        "byte order mark": signed(key, header, b"\xef\xbb\xbf" + text.encode()),
        "nested payload": signed(key, header, b"[" * 900 + b"]" * 900),
        "nested claim": signed(key, header, (text[:-1] + ', "act": ' + '{"act":' * 400 + "1" + "}" * 401).encode()),
        "nested header": f"{b64(deep)}.{second}.{third}",
        "huge header": f"{b64({**header, 'kid': 'k' * 5000})}.{second}.{third}",
        "oversized": "A" * HUGE,
        "oversized with parts": f"{first}.{'A' * HUGE}.{third}",
        "many parts": "." * 5000,
        "one part": first,
        "two parts": f"{first}.{second}",
        "four parts": f"{good}.AA",
        "five parts, as if encrypted": f"{first}.{second}.{third}.AA.AA",
        "no signature": f"{first}.{second}.",
        "truncated signature": good[:-4],
        "flipped signature": f"{first}.{second}.{'A' * len(third)}",
        "malformed base64": good[:-1] + "!",
        "standard base64": f"{first}.{second}.{third[:-2]}+/",
        "padded base64": f"{first}=.{second}.{third}",
        "white space inside": f"{first}.\n{second}.{third}",
        "trailing bits": f"{first}.{second}.{third[:-1]}{chr(ord(third[-1]) ^ 1)}"
        if third[-1] in "AQgw"
        else good[:-1],
        "not ASCII": good[:-1] + "é",
        "NUL": good[:-1] + "\x00",
        "list payload": signed(key, header, b"[1,2]"),
        "string payload": signed(key, header, b'"hello"'),
        "not json": signed(key, header, b"hello"),
        "not utf-8": signed(key, header, b"\xff\xfe"),
        "empty payload": signed(key, header, b""),
        "empty": "",
        "dots": "..",
    }
