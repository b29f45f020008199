"""What anybody may read: the log, the keys, the metadata; and OAuth's two small services."""

import json

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from agreements.log_head import open_head
from agreements.merkle import Tree
from tests.portal.api.api_stand import Stand


def test_the_head_is_signed_by_the_published_key_and_led_to_by_the_tiles(stand: Stand) -> None:
    vkey = stand.ask("GET", "/log/vkey").text.strip()
    head = open_head(stand.ask("GET", "/log/checkpoint").text, vkey)
    tree = Tree()
    for number in range(-(-head.size // 256)):
        width = min(head.size - number * 256, 256)
        part = "" if width == 256 else f".p/{width}"
        tile = stand.ask("GET", f"/log/tile/0/{number:03d}{part}")
        assert tile.headers["content-type"] == "application/octet-stream"
        for place in range(width):
            tree.append(tile.content[place * 32 : place * 32 + 32])
    assert tree.root(head.size) == head.root


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("0/999", 404, "no_such_tile"),
        ("0/x001/000", 404, "no_such_tile"),
        ("0/000.p/0", 400, "bad_tile_path"),
        ("0/1", 400, "bad_tile_path"),
        ("9/000", 400, "bad_tile_path"),
        ("entries/000", 400, "bad_tile_path"),
    ],
)
def test_a_tile_that_is_none_is_a_typed_refusal(stand: Stand, path: str, status: int, code: str) -> None:
    answer = stand.ask("GET", f"/log/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_portal_says_that_it_lives(stand: Stand) -> None:
    assert stand.ask("GET", "/healthz").json() == {"status": "ok", "log_size": stand.log_size()}


def test_the_published_keys_verify_tokens(stand: Stand) -> None:
    keys = stand.ask("GET", "/.well-known/jwks.json").json()
    assert all("d" not in key for key in keys["keys"])
    claims = jwt.decode(stand.tokens["lead"], KeySet.import_key_set(keys), algorithms=["Ed25519"]).claims
    assert claims["sub"] == stand.people["lead"].id


def test_the_metadata_names_only_what_is_there(stand: Stand) -> None:
    told = stand.ask("GET", "/.well-known/oauth-authorization-server").json()
    base = stand.portal.settings.url
    for name in ("jwks_uri", "revocation_endpoint", "introspection_endpoint"):
        path = told[name].removeprefix(base)
        assert stand.ask("GET", path).status_code in (200, 405), name


def form(stand: Stand, path: str, token: str, as_: str | None = None) -> tuple[int, str]:
    """A form post of a token: status and body."""
    answer = stand.ask("POST", path, as_=as_, data={"token": token})
    return answer.status_code, answer.text


def test_introspection_tells_holders_and_coordinators(stand: Stand) -> None:
    told = stand.ask("POST", "/oauth/introspect", as_="partner", data={"token": stand.tokens["partner"]}).json()
    assert told["active"] is True
    assert told["sub"] == stand.people["member"].id
    assert told["authorization_details"][0]["grant_id"] == stand.grant_id
    assert '"active":true' in form(stand, "/oauth/introspect", stand.tokens["partner"], "coordinator")[1]
    for token in (stand.tokens["partner"], "made-up"):
        assert form(stand, "/oauth/introspect", token, "stranger") == (200, '{"active":false}')
    assert form(stand, "/oauth/introspect", stand.tokens["partner"])[0] == 401


def test_a_token_that_is_over_says_why_to_those_whom_it_concerns_alone(stand: Stand) -> None:
    issued = stand.ask("POST", "/api/tokens", as_="lead", json={"label": "to be ended"}).json()
    token, token_id = issued["token"], issued["record"]["id"]
    assert stand.ask("GET", f"/api/tokens/{token_id}", as_="lead").json()["active"] is True
    stand.ask("POST", f"/api/tokens/{token_id}/revoke", as_="lead", json={"reason": "left on a train"})
    for who in ("lead", "coordinator"):
        told = json.loads(form(stand, "/oauth/introspect", token, who)[1])
        assert (told["active"], told["concordat_reason"]["code"]) == (False, "token_revoked")
        assert "left on a train" in told["concordat_reason"]["message"]
        assert set(told) == {"active", "concordat_reason"}
        by_id = stand.ask("GET", f"/api/tokens/{token_id}", as_=who).json()
        assert (by_id["active"], by_id["why_not"]) == (False, told["concordat_reason"])
    for who in ("partner", "stranger"):
        assert form(stand, "/oauth/introspect", token, who) == (200, '{"active":false}')
        assert stand.ask("GET", f"/api/tokens/{token_id}", as_=who).json()["code"] == "token_not_found"
    assert stand.ask("GET", "/api/tokens/tok_none", as_="coordinator").json()["code"] == "token_not_found"


def test_whoever_holds_a_token_may_end_it(stand: Stand) -> None:
    issued = stand.ask("POST", "/api/tokens", as_="lead", json={"label": "to be ended"}).json()
    stand.tokens["ended"] = issued["token"]
    assert form(stand, "/oauth/revoke", issued["token"]) == (200, "")
    assert stand.ask("GET", "/api/me", as_="ended").json()["code"] == "token_revoked"
    assert form(stand, "/oauth/revoke", issued["token"]) == (200, "")
    assert form(stand, "/oauth/revoke", "made-up") == (200, "")


@pytest.mark.parametrize("body", [b"", b"token=a&token=b", b"token=\xff", b"&" * 100, b"other=1"])
def test_a_malformed_form_is_refused_in_oauths_words(stand: Stand, body: bytes) -> None:
    answer = stand.ask(
        "POST", "/oauth/revoke", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_foreign_host_name_is_not_served(stand: Stand) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "", "evil.example:8765"):
        assert stand.ask("GET", "/healthz", headers={"host": host}).json()["code"] == "wrong_host"
    for host in ("localhost", "127.0.0.1:1", "[::1]:8765", "LOCALHOST"):
        assert stand.ask("GET", "/healthz", headers={"host": host}).status_code == 200


def test_every_answer_tells_browsers_to_be_careful(stand: Stand) -> None:
    for path in ("/healthz", "/api/me", "/nothing", "/session/login", "/log/vkey", "/v1/models"):
        headers = stand.ask("GET", path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
