"""OAuth over HTTP: tokens, proofs, areas, and attacks at every door."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.actors import Channel
from agreements.grants import HolderKind
from agreements.jose import Key
from agreements.jwks import thumbprint_of
from agreements.programs import Program
from portal.api.reach import AREAS, area_of
from portal.api.rest.application import create_api
from portal.services.aggregates import GRANTS
from tests.portal.api.api_stand import BASE_URL, CHECKPOINT, PARTNER, Stand
from tests.portal.services.token_world import by_program, delegated, details, exchange, jwks_of, new_key, proof
from tests.token_attacks import HUGE, attacks

BODY = {"model": CHECKPOINT, "prompt": "Raise a", "max_tokens": 1}
TOKEN_URL = f"{BASE_URL}/oauth/token"


def at_endpoint(stand: Stand, form: dict[str, str], dpop: str | None = None) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer of the token endpoint."""
    answer = stand.ask("POST", "/oauth/token", data=form, headers={"dpop": dpop} if dpop else {})
    return answer.status_code, answer.json()


def program_of(stand: Stand) -> tuple[Program, Key]:
    """A program of the partner, registered over HTTP."""
    key = new_key()
    answer = stand.ask(
        "POST",
        "/api/programs",
        as_="lead",
        json={"institution_id": PARTNER, "name": "Probes", "contact": "ben@partner.example", "jwks": jwks_of(key)},
    )
    assert answer.status_code == 201
    return Program.model_validate(answer.json()), key


def test_the_metadata_says_what_the_endpoint_does(stand: Stand) -> None:
    told = stand.ask("GET", "/.well-known/oauth-authorization-server").json()
    assert told["issuer"] == BASE_URL
    assert told["token_endpoint"] == TOKEN_URL
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
    assert set(told["dpop_signing_alg_values_supported"]) == {"Ed25519", "ES256"}


def test_a_token_is_narrowed_and_introspected(stand: Stand) -> None:
    said = details(operations=["score"], limits={"token_budget": 100})
    status, answer = at_endpoint(stand, exchange(stand.tokens["partner"], authorization_details=said))
    assert (status, answer["token_type"]) == (200, "Bearer")
    stand.tokens["narrow"] = answer["access_token"]
    refused = stand.ask("POST", "/v1/completions", as_="narrow", json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "token_narrowed")
    told = stand.ask("POST", "/oauth/introspect", as_="narrow", data={"token": answer["access_token"]}).json()
    assert told["authorization_details"][0]["operations"] == ["score"]
    assert told["authorization_details"][0]["limits"] == {"token_budget": 100}


def test_a_program_authenticates_and_introspects_its_own_token(stand: Stand) -> None:
    program, key = program_of(stand)
    now = stand.portal.kernel.clock()
    root = stand.portal.kernel.state(GRANTS, stand.grant_id)
    lead = stand.people["lead"].actor(Channel.API)
    grant = delegated(stand.portal, lead, root, HolderKind.PROGRAM, program.id)
    said = {"grant_type": "client_credentials", "authorization_details": details(grant_id=grant.id)}
    status, answer = at_endpoint(stand, by_program(program, key, TOKEN_URL, now, **said))
    assert status == 200
    form = {**by_program(program, key, TOKEN_URL, now), "token": answer["access_token"]}
    assert stand.ask("POST", "/oauth/introspect", data=form).json()["client_id"] == program.id


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "prg_x"}, 401, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "cdrt_x"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "invalid_grant"),
        (exchange("x.y.z"), 400, "invalid_grant"),
        ({**exchange("x.y.z"), "subject_token_type": "other"}, 400, "invalid_request"),
    ],
)
def test_refusals_are_in_oauths_words(stand: Stand, form: dict[str, str], status: int, error: str) -> None:
    found, body = at_endpoint(stand, form)
    assert (found, body["error"]) == (status, error)
    assert body["code"]


def test_details_beyond_the_token_are_refused_as_such(stand: Stand) -> None:
    form = exchange(stand.tokens["partner"], authorization_details=details(operations=["fine_tune"]))
    status, body = at_endpoint(stand, form)
    assert (status, body["error"], body["code"]) == (400, "invalid_authorization_details", "beyond_token")


def bound(stand: Stand, key: Key) -> str:
    """The member's token, bound to the key."""
    answer = stand.ask(
        "POST",
        "/api/tokens",
        as_="member",
        json={"label": "bound", "grant_id": stand.grant_id, "key_thumbprint": thumbprint_of(key)},
    )
    token: str = answer.json()["token"]
    return token


def shown(stand: Stand, token: str, dpop: str | None, scheme: str = "DPoP", path: str = "/api/me") -> tuple[int, str]:
    """Status and code of a request with a token and a proof."""
    headers = {"authorization": f"{scheme} {token}", **({"dpop": dpop} if dpop else {})}
    answer = stand.ask("GET", path, headers=headers)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("DPoP" if dpop or scheme == "Bearer" else "")
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("kind", ["Ed25519", "P-256"])
def test_a_bound_token_is_good_with_a_proof_and_once(stand: Stand, kind: str) -> None:
    key, url = new_key(kind), f"{BASE_URL}/api/me"
    token, now = bound(stand, key), stand.portal.kernel.clock()
    made = proof(key, "GET", url, now, token=token)
    assert shown(stand, token, made) == (200, "")
    assert shown(stand, token, made) == (401, "proof_replayed")
    assert shown(stand, token, None, "Bearer") == (401, "proof_required")
    assert shown(stand, token, proof(key, "GET", url, now, token=token), "Bearer") == (401, "proof_required")
    assert shown(stand, token, proof(new_key(), "GET", url, now, token=token)) == (401, "proof_required")
    fresh = proof(key, "GET", f"{url}?x=1#y", now, token=token)
    assert shown(stand, token, fresh) == (200, "")


PROOFS: dict[str, dict[str, Any]] = {
    "another method": {"htm": "POST"},
    "another address": {"htu": f"{BASE_URL}/api/tokens"},
    "another host": {"htu": "https://attacker.example/api/me"},
    "stale": {"iat": 1},
    "from the future": {"iat": 10**11},
    "no ath": {"ath": None},
    "ath of another token": {"ath": "A" * 43},
    "no jti": {"jti": None},
    "an extra claim": {"admin": True},
    "typ JWT": {"header_typ": "JWT"},
    "alg none": {"header_alg": "none"},
    "jku": {"header_jku": "https://attacker.example/keys"},
}


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_that_does_not_fit_is_refused(stand: Stand, name: str) -> None:
    key = new_key()
    token, now = bound(stand, key), stand.portal.kernel.clock()
    changes = dict(PROOFS[name])
    alg = changes.pop("header_alg", None)
    method, url = changes.pop("htm", "GET"), changes.pop("htu", f"{BASE_URL}/api/me")
    made = proof(key, method, url, now, token=token, **changes)
    if alg is not None:
        made = f"{_header(alg)}.{made.partition('.')[2]}"
    assert shown(stand, token, made) == (401, "invalid_proof")


def _header(alg: str) -> str:
    from agreements.jwks import public_members
    from tests.token_attacks import b64

    return b64({"typ": "dpop+jwt", "alg": alg, "jwk": public_members(new_key())})


@pytest.mark.parametrize("made", ["", "x", "x.y.z", "." * 10, "A" * 9000, "e30.e30.e30"])
def test_a_malformed_proof_is_refused(stand: Stand, made: str) -> None:
    token = bound(stand, new_key())
    answer = stand.ask("GET", "/api/me", headers={"authorization": f"DPoP {token}", "dpop": made})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_proof")


def test_two_proofs_or_two_credentials_are_none(stand: Stand) -> None:
    key = new_key()
    token, now = bound(stand, key), stand.portal.kernel.clock()
    made = [(b"dpop", proof(key, "GET", f"{BASE_URL}/api/me", now, token=token).encode()) for _ in range(2)]
    twice = stand.ask("GET", "/api/me", headers=[(b"authorization", f"DPoP {token}".encode()), *made])
    assert twice.json()["code"] == "invalid_proof"
    both = [(b"authorization", f"Bearer {stand.tokens[who]}".encode()) for who in ("lead", "member")]
    assert stand.ask("GET", "/api/me", headers=both).json()["code"] == "invalid_token"


def corpus(stand: Stand) -> dict[str, str]:
    """Every attack, made from the member's token and the portal's own key."""
    issuer = stand.portal.token_keys.issuer()
    now = stand.portal.kernel.clock()
    claims = issuer.decode(stand.tokens["partner"], now)
    return attacks(stand.portal.keyring.own("token"), issuer, claims, now)


def test_every_attack_is_refused_at_every_door(stand: Stand) -> None:
    before = stand.log_size()
    for name, attack in corpus(stand).items():
        token = attack[:100_000] if len(attack) >= HUGE else attack  # no server takes more in a header
        raw = f"Bearer {token}".encode()
        for path in ("/api/me", "/v1/models", "/api/findings"):
            answer = stand.ask("GET", path, headers=[(b"authorization", raw)])
            assert answer.status_code == 401, (name, path)
            body = answer.json()
            code = body["code"] if path.startswith("/api") else body["error"]["code"]
            assert code in {"invalid_token", "token_expired", "token_unknown"}, (name, path, code)
            assert len(token) < 9 or token not in answer.text, name
        if not token:
            continue
        form = {"token": token}
        told = stand.ask("POST", "/oauth/introspect", as_="coordinator", data=form)
        # Why it is not is told of what this portal signed, and of nothing else.
        assert told.json()["active"] is False, name
        assert told.json().get("concordat_reason", {}).get("code") in {None, "token_expired"}, name
        assert stand.ask("POST", "/oauth/revoke", data=form).status_code == 200, name
        assert at_endpoint(stand, exchange(token))[0] == 400, name
        answer = stand.ask("GET", "/api/me", headers={"authorization": b"DPoP " + token.encode(), "dpop": "x.y.z"})
        assert answer.status_code == 401, name
    assert stand.log_size() == before
    assert stand.ask("GET", "/api/me", as_="partner").status_code == 200


FIELDS = (
    *("grant_type", "subject_token", "subject_token_type", "authorization_details", "client_assertion", "scope"),
    *("client_assertion_type", "client_id", "refresh_token", "expires_in", "delegate", "dpop_jkt", "label"),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.dictionaries(
        st.sampled_from(FIELDS),
        st.text(max_size=60) | st.just("refresh_token") | st.just("client_credentials"),
    ),
    dpop=st.none() | st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), min_size=1, max_size=60),
)
def test_whatever_is_sent_to_the_endpoint_is_refused_in_its_words(
    stand: Stand, form: dict[str, str], dpop: str | None
) -> None:
    headers = [(b"dpop", dpop.strip().encode("latin-1"))] if dpop and dpop.strip() else []
    answer = stand.ask("POST", "/oauth/token", data=form, headers=headers)
    assert answer.status_code in (400, 401), answer.text
    assert set(answer.json()) == {"error", "error_description", "code"}
    assert answer.json()["code"] != "internal_error"


def test_a_token_for_reading_changes_nothing(stand: Stand) -> None:
    body = {"label": "reads", "areas": ["read"]}
    stand.tokens["reads"] = stand.ask("POST", "/api/tokens", as_="coordinator", json=body).json()["token"]
    assert stand.ask("GET", "/api/people", as_="reads").status_code == 200
    before = stand.log_size()
    person = stand.people["member"].id
    for method, path, said in (
        ("POST", "/api/institutions", {"institution_id": "west"}),
        ("POST", f"/api/people/{person}/sign-in-link", None),
        ("POST", f"/api/people/{person}/deactivate", {"reason": "none at all"}),
        ("POST", "/api/findings", {}),
        ("POST", "/api/token-keys/rotate", {}),
        ("POST", "/v1/completions", BODY),
        ("POST", "/api/nothing", {}),
    ):
        answer = stand.ask(method, path, as_="reads", json=said)
        refusal = answer.json()
        code = refusal["error"]["code"] if path.startswith("/v1") else refusal["code"]
        assert code in {"insufficient_scope", "no_such_route"}, path
    assert stand.log_size() == before
    wider = stand.ask("POST", "/api/tokens", as_="reads", json={"label": "wider", "areas": ["read", "access"]})
    assert wider.json()["code"] == "token_widens"
    same = stand.ask("POST", "/api/tokens", as_="reads", json={"label": "same"})
    assert same.json()["record"]["areas"] == ["read"]


def test_each_area_opens_its_routes(stand: Stand) -> None:
    body = {"label": "runs", "grant_id": stand.grant_id, "purpose": "misuse-analysis", "areas": ["run"]}
    stand.tokens["runs"] = stand.ask("POST", "/api/tokens", as_="member", json=body).json()["token"]
    assert stand.ask("POST", "/v1/completions", as_="runs", json=BODY).status_code == 200
    refused = stand.ask("POST", "/api/findings", as_="runs", json={})
    assert refused.json()["code"] == "insufficient_scope"
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


def test_every_route_that_changes_something_has_an_area(stand: Stand) -> None:
    paths = create_api(stand.portal).openapi()["paths"]
    changing = {f"/api{path}" for path, methods in paths.items() for method in methods if method not in {"get", "head"}}
    kept = {"/api/me"}  # what is only for whoever sits at a screen needs the whole role
    unknown = {path for path in changing if area_of("POST", path) is None and not path.startswith(tuple(kept))}
    assert {path for path in unknown if path.split("/")[2] not in WHOLE_ROLE} == set()
    assert all(json.dumps(path) for path in AREAS)


WHOLE_ROLE = {"sessions", "invitations", "providers", "identity-providers", "identities", "addresses"}
"""How people get in is changed with a token for the whole role, or at a screen."""


def test_a_programs_life_over_http(stand: Stand) -> None:
    program, key = program_of(stand)
    path = f"/api/programs/{program.id}"
    for who, status in (("lead", 200), ("member", 200), ("coordinator", 200), ("stranger", 404), ("researcher", 404)):
        assert stand.ask("GET", path, as_=who).status_code == status, who
    assert program.id in {one["id"] for one in stand.ask("GET", "/api/programs", as_="member").json()["items"]}
    both = {"jwks": jwks_of(key, new_key("P-256"))}
    assert stand.ask("POST", f"{path}/keys", as_="member", json=both).status_code == 403
    assert len(stand.ask("POST", f"{path}/keys", as_="lead", json=both).json()["keys"]) == 2
    secret = {"jwks": {"keys": [key.as_dict(private=True)]}}
    refused = stand.ask("POST", f"{path}/keys", as_="lead", json=secret)
    assert (refused.status_code, refused.json()["code"]) == (400, "private_key_sent")
    assert str(key.as_dict(private=True)["d"]) not in refused.text
    reason = {"reason": "it runs wild"}
    assert stand.ask("POST", f"{path}/suspend", as_="lead", json=reason).json()["status"] == "suspended"
    assert stand.ask("POST", f"{path}/suspend", as_="lead", json=reason).json()["code"] == "program_suspended"
    assert stand.ask("POST", f"{path}/resume", as_="lead").json()["status"] == "active"
    assert stand.ask("POST", f"{path}/end", as_="stranger", json=reason).status_code == 404
    assert stand.ask("POST", f"{path}/end", as_="coordinator", json=reason).json()["status"] == "ended"
    assert stand.ask("POST", f"{path}/resume", as_="lead").json()["code"] == "program_ended"


def test_tokens_are_narrowed_rotated_and_listed_over_http(stand: Stand) -> None:
    body = {"label": "first", "grant_id": stand.grant_id}
    first = stand.ask("POST", "/api/tokens", as_="member", json=body).json()["record"]["id"]
    said = {"label": "less", "narrowing": {"operations": ["score"]}, "delegate_id": stand.people["lead"].id}
    made = stand.ask("POST", f"/api/tokens/{first}/narrow", as_="member", json=said)
    assert made.status_code == 201, made.text
    assert made.json()["record"]["parent_id"] == first
    listed = {one["id"]: one for one in stand.ask("GET", "/api/tokens", as_="member").json()["items"]}
    assert listed[first]["descendants"] == 1
    assert made.json()["record"]["id"] in listed
    wider = stand.ask(
        "POST", f"/api/tokens/{first}/narrow", as_="member", json={"narrowing": {"operations": ["fine_tune"]}}
    )
    assert (wider.status_code, wider.json()["code"], wider.json()["param"]) == (400, "beyond_token", "operations")
    assert stand.ask("POST", f"/api/tokens/{first}/narrow", as_="lead", json={}).status_code == 404
    again = stand.ask("POST", f"/api/tokens/{first}/rotate", as_="member").json()
    stand.tokens["again"], stand.tokens["less"] = again["token"], made.json()["token"]
    assert stand.ask("GET", "/api/me", as_="again").status_code == 200
    assert stand.ask("GET", "/api/me", as_="less").json()["code"] == "token_revoked"
    fresh = stand.ask("POST", "/api/tokens", as_="member", json={**body, "keep_fresh": True}).json()
    status, traded = at_endpoint(stand, {"grant_type": "refresh_token", "refresh_token": fresh["refresh_token"]})
    assert (status, traded["refresh_token"] == fresh["refresh_token"]) == (200, False)
    handed_in = stand.ask("POST", "/oauth/revoke", data={"token": traded["refresh_token"]})
    assert (handed_in.status_code, handed_in.text) == (200, "")
    stand.tokens["traded"] = traded["access_token"]
    assert stand.ask("GET", "/api/me", as_="traded").json()["code"] == "token_revoked"


def test_signing_keys_rotate_over_http(stand: Stand) -> None:
    assert stand.ask("POST", "/api/token-keys/rotate", as_="lead", json={}).status_code == 403
    assert stand.ask("GET", "/api/token-keys", as_="lead").status_code == 403
    keys = stand.ask("POST", "/api/token-keys/rotate", as_="coordinator", json={}).json()["items"]
    assert [key["verifies"] for key in keys][:2] == [True, True]
    published = {key["kid"] for key in stand.ask("GET", "/.well-known/jwks.json").json()["keys"]}
    assert {key["kid"] for key in keys[:2]} <= published
    assert stand.ask("GET", "/api/me", as_="lead").status_code == 200
    unknown = stand.ask("POST", "/api/token-keys/withdraw", as_="coordinator", json={"kid": "x", "reason": "gone"})
    assert unknown.status_code == 404
