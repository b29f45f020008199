"""What a token endpoint may answer instead of tokens: told apart, and never with what the portal sent."""

import logging
from typing import Any

import pytest

from agreements.errors import ConcordatError
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.oidc.attempt import Attempt
from portal.oidc.client import redeem
from portal.oidc.metadata import ProviderMetadata
from portal.oidc.transport import ProviderHttp
from portal.webhooks.addresses import Policy
from tests.portal.oidc.hostile import HostileServer, Speaks, says, says_json

SECRET, CODE, VERIFIER = "secret-of-the-client", "code-of-the-provider", "verifier-of-this-sign-in-which-is-long-enough"
PROVIDER = IdentityProvider(
    id="idp_x", client_id="portal", client_authentication=ClientAuthentication.SECRET, issuer="https://x.example"
)
ATTEMPT = Attempt(provider_id="idp_x", onward="/", state="s", nonce="n", verifier=VERIFIER)


def redeemed(server: HostileServer) -> dict[str, Any]:
    where = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), server.url)
    metadata = ProviderMetadata(issuer="https://x.example", **where)
    http = ProviderHttp(Policy(loopback=True))
    return redeem(http, PROVIDER, metadata, ATTEMPT, CODE, "https://portal.example/back", SECRET)


def test_a_code_is_redeemed_with_its_verifier() -> None:
    with HostileServer(says_json({"id_token": "x"})) as server:
        assert redeemed(server) == {"id_token": "x"}
    (request,) = server.requests
    assert VERIFIER.encode() in request
    assert b"authorization: Basic " in request or b"Authorization: Basic " in request
    assert SECRET.encode() not in request, "it goes in the header, encoded, and not in the body"


@pytest.mark.parametrize(
    ("speaks", "code", "words"),
    [
        (says_json({"error": "invalid_grant"}, status="400 Bad"), "code_refused", "any more"),
        (says_json({"error": "invalid_grant"}), "code_refused", "any more"),
        (says_json({"error": ["x"]}, status="400 Bad"), "code_refused", "any more"),
        (says_json({"error": None}, status="400 Bad"), "code_refused", "any more"),
        (says_json({"error": "invalid_client"}, status="401 No"), "provider_answer_unusable", "own client id"),
        (says_json({"error": "unauthorized_client"}, status="400 Bad"), "provider_answer_unusable", "own client id"),
        (says_json({"id_token": "x"}, status="500 Oh"), "provider_answer_unusable", "status 500"),
        (says_json({}, status="302 Found"), "provider_answer_unusable", "elsewhere"),
        (says(b"<html>", kind="text/html", status="502 Bad"), "provider_answer_unusable", "no JSON object"),
        (says(b"id_token=x", kind="application/x-www-form-urlencoded"), "provider_answer_unusable", "no JSON object"),
    ],
)
def test_what_is_no_token_is_refused_by_name(
    speaks: Speaks, code: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with HostileServer(speaks) as server, pytest.raises(ConcordatError) as refusal:
        redeemed(server)
    assert (refusal.value.code, words in refusal.value.message) == (code, True), refusal.value.message
    told = f"{refusal.value!r} {refusal.value} {caplog.text}"
    assert [one for one in (SECRET, CODE, VERIFIER) if one in told] == []
