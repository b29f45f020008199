"""Programs, keys and forms for tests of the token endpoint."""

import json
from datetime import datetime
from typing import Any

from joserfc.jwk import ECKey, OKPKey

from agreements.actors import Actor
from agreements.canonical import canonical_bytes
from agreements.grants import DelegateGrant, Grant, Holder, HolderKind, ReceiveGrant
from agreements.ids import new_id
from agreements.jose import Key, algorithm_of, sign
from agreements.jwks import public_members, thumbprint_of
from agreements.programs import Program
from agreements.proofs import ASSERTION_TYPE, access_token_hash
from portal.composition import Portal
from portal.services.aggregates import GRANTS
from portal.services.kernel import Step
from portal.services.oauth import ACCESS_TOKEN_TYPE, EXCHANGE

_count = 0


def fresh_jti() -> str:
    """A name that was not used before."""
    global _count
    _count += 1
    return f"jti-{_count:08}"


def new_key(kind: str = "Ed25519") -> Key:
    """A private key."""
    return OKPKey.generate_key("Ed25519") if kind == "Ed25519" else ECKey.generate_key("P-256")


def jwks_of(*keys: Key) -> dict[str, Any]:
    """The public halves as a JWK set."""
    return {"keys": [public_members(key) for key in keys]}


def assertion(key: Key, client_id: str, audience: str, now: datetime, **changes: Any) -> str:
    """A client assertion, with other claims or header members where said (``header_…``)."""
    moment = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": moment,
        "exp": moment + 60,
        "jti": fresh_jti(),
    }
    header = {"alg": algorithm_of(key), "typ": "JWT", "kid": thumbprint_of(key)}
    said = {name: value for name, value in changes.items() if not name.startswith("header_")}
    header |= {name.removeprefix("header_"): value for name, value in changes.items() if name.startswith("header_")}
    claims = {name: value for name, value in {**claims, **said}.items() if value is not None}
    return sign(header, canonical_bytes(claims), key)


def proof(key: Key, method: str, url: str, now: datetime, *, token: str | None = None, **changes: Any) -> str:
    """A DPoP proof."""
    claims: dict[str, Any] = {"jti": fresh_jti(), "htm": method, "htu": url, "iat": int(now.timestamp())}
    if token is not None:
        claims["ath"] = access_token_hash(token)
    header = {"typ": "dpop+jwt", "alg": algorithm_of(key), "jwk": public_members(key)}
    header |= {name.removeprefix("header_"): value for name, value in changes.items() if name.startswith("header_")}
    claims |= {name: value for name, value in changes.items() if not name.startswith("header_")}
    claims = {name: value for name, value in claims.items() if value is not None}
    return sign(header, canonical_bytes(claims), key)


def by_program(program: Program, key: Key, audience: str, now: datetime, **form: Any) -> dict[str, str]:
    """The form of a program that authenticates."""
    return {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(key, program.id, audience, now),
        **as_form(form),
    }


def delegated(portal: Portal, actor: Actor, grant: Grant, kind: HolderKind, holder_id: str) -> Grant:
    """A grant of everything under ``grant``, held by a person or a program."""
    assert grant.scope is not None
    child_id, holder = new_id("grt"), Holder(kind=kind, id=holder_id)
    shared: dict[str, Any] = {"holder": holder, "scope": grant.scope, "agreement_digest": grant.agreement_digest}
    receive = ReceiveGrant(
        **shared,
        grant_id=child_id,
        institution_id=grant.institution_id,
        agreement_id=grant.agreement_id,
        label="Passed on",
        parent_id=grant.id,
        depth=grant.depth + 1,
    )
    steps = [Step(GRANTS, grant.id, DelegateGrant(**shared, child_id=child_id)), Step(GRANTS, child_id, receive)]
    portal.kernel.execute_all(steps, actor)
    return portal.kernel.state(GRANTS, child_id)


def exchange(token: str, **form: Any) -> dict[str, str]:
    """The form of a token exchange."""
    return {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        **as_form(form),
    }


def as_form(fields: dict[str, Any]) -> dict[str, str]:
    """Values as forms hold them: text, or JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def details(**said: Any) -> list[dict[str, Any]]:
    """One authorization detail."""
    return [{"type": "concordat-access/v1", **said}]
