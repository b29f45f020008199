"""A real provider beside a real portal."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.services.oidc import Entered
from tests.portal.services.world import World, make_world

ROOT = Path(__file__).parents[3]
SECRET = "a-secret-of-the-client-and-nobody-else"
USERS = {
    "wes": {"name": "Wes Newcomer", "email": "wes@north.example", "email_verified": True},
    "cleo": {"name": "C. at North", "email": "Cleo@People.example", "email_verified": True},
    "dan": {"name": "Dan", "email": "dan@people.example", "email_verified": True},
    "doubtful": {"name": "Doubtful", "email": "doubtful@north.example", "email_verified": False},
    "outsider": {"name": "Outsider", "email": "outsider@elsewhere.example", "email_verified": True},
    "mute": {"name": "Mute"},
}


@dataclass
class Provider:
    """The running provider."""

    port: int

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        return f"http://127.0.0.1:{self.port}"

    def control(self, what: str, value: str = "") -> None:
        """What happens there out of sight."""
        httpx.get(f"{self.issuer}/control/{what}", params={"value": value}, trust_env=False).raise_for_status()


def by(method: str) -> dict[str, object]:
    """How a client authenticates."""
    return {
        "token_endpoint_auth_method": method,
        # What idpyoidc goes by; it says the other, and would take a client's id alone.
        "token_endpoint_client_authn_method": [method],
        "end_session_endpoint_client_authn_method": ["client_secret_basic"],
    }


@pytest.fixture(scope="package")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Runs as a program of its own, on a free port."""
    config = tmp_path_factory.mktemp("provider") / "config.json"
    client = {
        "redirect_uris": [],
        "post_logout_redirect_uri": ["http://127.0.0.1:8765/session/login", ""],
        "response_types_supported": ["code"],
        "allowed_scopes": ["openid", "email", "profile"],
        "id_token_signed_response_alg": "RS256",
    }
    clients = {
        "portal": {**client, "client_secret": SECRET, **by("client_secret_basic")},
        "signing": {**client, **by("private_key_jwt"), "id_token_signed_response_alg": "ES256"},
        "public": {**client, **by("none")},
    }
    config.write_text(json.dumps({"users": USERS, "clients": clients, "claims_in_id_token": False}), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.portal.oidc.provider", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        yield Provider(int(line))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A portal that may reach providers on this machine, at the present time as the provider knows it."""
    monkeypatch.setenv("CONCORDAT_OIDC_ALLOW_PRIVATE", "true")
    made = make_world(tmp_path)
    made.clock.now = datetime.now(UTC)
    yield made
    made.portal.close()


@dataclass
class SignIn:
    """A browser at the portal and at the provider."""

    world: World
    provider: Provider

    def register(
        self,
        client_id: str = "portal",
        authentication: ClientAuthentication = ClientAuthentication.SECRET,
        institution: str = "north",
        domains: tuple[str, ...] = ("north.example", "people.example"),
        issuer: str = "",
    ) -> IdentityProvider:
        """The provider as the coordinator registers it."""
        made = self.world.portal.identity_providers.register(
            self.world.actor("ada"),
            institution_id=institution,
            label="North's accounts",
            issuer=issuer or self.provider.issuer,
            client_id=client_id,
            client_authentication=authentication,
            client_secret=SECRET if authentication is ClientAuthentication.SECRET else "",
            domains=domains,
        )
        self.provider.control("redirect", self.world.portal.oidc.redirect_uri(made.id))
        return made

    def visit(self, url: str, registered: IdentityProvider) -> dict[str, str]:
        """What the provider answers a browser that comes with this address."""
        answer = httpx.get(url, trust_env=False)
        assert answer.status_code == 303, answer.text
        location = answer.headers["location"]
        assert location.startswith(self.world.portal.oidc.redirect_uri(registered.id))
        return dict(parse_qsl(urlsplit(location).query))

    def come(self, who: str, registered: IdentityProvider) -> Entered:
        """Sign in there as somebody, and come back."""
        self.provider.control("user", who)
        begun = self.world.portal.oidc.begin(registered.id, "/findings")
        return self.world.portal.oidc.finish(
            begun.cookie, registered.id, self.visit(begun.url, registered), browser="Firefox on Linux"
        )


@pytest.fixture
def sign_in(world: World, provider: Provider) -> SignIn:
    """A browser that nobody used yet."""
    return SignIn(world, provider)
