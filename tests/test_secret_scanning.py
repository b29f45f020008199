"""The rules for secret scanners find real tokens, and nothing else."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agreements.keys import SigningKey
from agreements.tokens import AccessClaims, AuthorizationDetails, TokenIssuer
from portal.services.refresh import REFRESH_PREFIX

FOLDER = Path(__file__).parent.parent / "docs" / "secret-scanning"
GITLEAKS = [rule["regex"] for rule in tomllib.loads((FOLDER / "gitleaks.toml").read_text())["rules"]]
TRUFFLEHOG = re.findall(r"token: '(.*)'", (FOLDER / "trufflehog.yaml").read_text())
GITHUB = re.findall(r"^\| (?:access|refresh) token \| `(.*)` \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
RULES = {"gitleaks": GITLEAKS, "trufflehog": TRUFFLEHOG, "github": GITHUB}


def access_token() -> str:
    """A token as the portal makes it, with a key of its own."""
    moment = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    claims = AccessClaims(
        iss="https://portal.example",
        aud="concordat",
        sub="per_x",
        client_id="per_x",
        iat=moment,
        exp=moment + 60,
        jti="tok_0123456789",
        authorization_details=(AuthorizationDetails(grant_id="grt_x"),),
    )
    return TokenIssuer(SigningKey.generate(), issuer="https://portal.example", audience="concordat").encode(claims)


@pytest.mark.parametrize("scanner", RULES)
def test_tokens_are_found_wherever_they_stand(scanner: str) -> None:
    access, refresh = RULES[scanner]
    for _ in range(20):
        token = access_token()
        for text in (token, f'API_KEY="{token}"', f"Authorization: Bearer {token}\n", f"see {token}, please"):
            found = re.search(access, text)
            assert found is not None
            assert found[0] == token
    secret = REFRESH_PREFIX + "aB3-_" * 8 + "xyz"
    assert re.search(refresh, f"refresh_token={secret}&x=1") is not None


@pytest.mark.parametrize("scanner", RULES)
def test_what_is_no_token_of_a_portal_is_left_alone(scanner: str) -> None:
    others = [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0." + "A" * 43,
        "eyJraWQiOiJjb25jb3JkYXQt",
        "eyJraWQiOiJvdGhlci1wb3J0YWwi." + "A" * 40 + "." + "A" * 86,
        "tok_0123456789abcdef",
        "cdrt_short",
        "concordat-0123456789",
        access_token().rpartition(".")[0],
    ]
    assert [text for text in others for rule in RULES[scanner] if re.search(rule, text)] == []
