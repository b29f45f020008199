"""A story of secrets over HTTP, and then a search for each of them wherever the portal keeps or says things."""

import base64
import json
import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import Channel
from agreements.keys import SigningKey
from portal.api.root import create_app
from portal.archive import write_backup
from tests.portal.api.browser import OWN, Browser
from tests.portal.services.kept_world import keeping
from tests.portal.services.token_world import assertion, jwks_of, new_key
from tests.portal.services.world import PURPOSE, World, ask, make_world

OIDC_SECRET, PROMPT = "handed-out-by-the-provider-of-north", "seven confidential herons stood"
PROVIDER = {
    "institution_id": "north",
    "label": "North's accounts",
    "issuer": "https://login.north.example",
    "client_id": "portal",
    "domains": ["north.example"],
    "client_authentication": "client_secret_basic",
    "client_secret": OIDC_SECRET,
}


def forms(secret: bytes) -> list[bytes]:
    """The ways in which bytes are usually written."""
    url = base64.urlsafe_b64encode(secret).rstrip(b"=")
    return [secret, secret.hex().encode(), base64.b64encode(secret), url]


class Story:
    """What happened, which secrets came of it, and everything that was said besides."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.app = create_app(world.portal, with_screens=False)
        self.secrets: dict[str, bytes] = {}
        self.said: list[bytes] = []

    def secret(self, name: str, value: str) -> str:
        """A secret that was shown this once."""
        assert len(value) >= 12, name
        self.secrets[name] = value.encode()
        return value

    def hears(self, browser: Browser, method: str, path: str, **kwargs: Any) -> Any:
        """Ask, and keep the answer as something that may hold no secret."""
        answer = browser.ask(method, path, **kwargs)
        self.said.append(answer.content)
        self.said.append(repr(sorted(answer.headers.items())).encode())
        return answer

    def found(self, *places: bytes) -> list[str]:
        """The names of the secrets that are in one of the places."""
        return [name for name, secret in self.secrets.items() if any(secret in place for place in places)]


def tell(story: Story) -> None:
    """Sign in, be invited, get tokens of every kind, be refused with them broken, register keys and a provider."""
    world, portal = story.world, story.world.portal
    world.checkpoint("ladder-l")
    grant_id = keeping(world, runs_kept_days=30)
    browsers = {}
    for who in ("ada", "ben", "cleo"):
        link = portal.sign_in.issue_link(world.actor("ada"), world.people[who].id)
        story.secret(f"link of {who}", link.partition("code=")[2])
        browsers[who] = Browser(story.app)
        browsers[who].get(link)
        story.secret(f"session of {who}", browsers[who].session or "")
    ada, ben, cleo = browsers["ada"], browsers["ben"], browsers["cleo"]
    invitation = {"email": "wes@north.example", "memberships": [{"institution_id": "north", "role": "researcher"}]}
    invited = ben.ask("POST", "/api/invitations", json=invitation, headers=OWN).json()
    story.secret("invitation", invited["url"].partition("code=")[2])
    renewed = ben.ask("POST", f"/api/invitations/{invited['invitation']['id']}/renew", headers=OWN).json()
    code = story.secret("renewed invitation", renewed["url"].partition("code=")[2])
    wes = Browser(story.app)
    wes.post("/session/invitation", code=code, name="Wes Newcomer")
    story.secret("session of wes", wes.session or "")
    story.hears(ada, "POST", "/api/identity-providers", json=PROVIDER, headers=OWN)
    story.secret("client secret", OIDC_SECRET)
    issued = portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=grant_id, purpose=PURPOSE)
    fresh = portal.refresh.issue(world.actor("cleo"), label="script", grant_id=grant_id)
    story.secret("refresh token", fresh.refresh_token or "")
    traded = portal.refresh.refresh(fresh.refresh_token or "", client_id=None, key_thumbprint=None)
    story.secret("next refresh token", traded.refresh_token or "")
    narrow = portal.tokens.narrow(world.actor("cleo"), traded.record.id, label="narrower")
    for name, one in (("token", issued), ("refreshed token", traded), ("narrow token", narrow)):
        story.secret(name, one.token)
        story.secret(f"signature of {name}", one.token.rpartition(".")[2])
    run = portal.runs.begin(portal.tokens.authenticate(issued.token).actor, "ladder-l", ask(PROMPT), purpose=PURPOSE)
    run.result()
    story.secret("prompt", PROMPT)
    assert PROMPT.encode() in cleo.get(f"/api/runs/{run.run_id}/kept/texts").content, "it is kept, as agreed, for her"
    story.hears(ben, "GET", f"/api/runs/{run.run_id}/kept/texts")
    story.hears(ada, "GET", f"/api/runs/{run.run_id}/kept")
    story.secret("the key of what is kept", portal.keyring.kept_secret("kept"))
    _programs(story, ben)
    _refusals(story, cleo, issued.token)
    ended = {"person_id": world.people["cleo"].id, "tokens": True, "keep_this": True}
    story.hears(ada, "POST", "/api/sessions/end-all", json=ended, headers=OWN)
    for file in sorted(portal.settings.keys_dir.glob("*.pem")):
        body = b"".join(file.read_bytes().splitlines()[1:-1])
        for number, form in enumerate((body, *forms(base64.b64decode(body)[-32:]))):
            story.secrets[f"{file.name} {number}"] = form
    portal.oidc.client_keys()
    story.secret("the portal's client key", portal.keyring.kept_secret("oidc-client-key").splitlines()[1])


def _programs(story: Story, ben: Browser) -> None:
    key = new_key()
    private = key.as_dict(private=True)
    story.secret("key of the program", str(private["d"]))
    body = {"institution_id": "north", "name": "Probes", "contact": "ops@north.example", "jwks": jwks_of(key)}
    made = story.hears(ben, "POST", "/api/programs", json=body, headers=OWN).json()
    refused = story.hears(ben, "POST", "/api/programs", json={**body, "jwks": {"keys": [private]}}, headers=OWN)
    assert refused.status_code == 400
    settings, now = story.world.settings, story.world.clock()
    signed = story.secret("assertion", assertion(key, made["id"], f"{settings.url}/oauth/token", now))
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": signed}
    for _ in range(2):
        # Once it may do, and a second time it is spent; whatever comes of it tells neither.
        answer = Browser(story.app).ask("POST", "/oauth/token", data=form)
        if answer.status_code == 200:
            story.secret("token of the program", answer.json()["access_token"])
        else:
            story.said.append(answer.content)


def _refusals(story: Story, cleo: Browser, token: str) -> None:
    """Every door, shown what is no good any more or was never any good."""
    stranger = Browser(story.app)
    for broken in (token[:-4], token + "A", token.replace(".", "", 1), *map(bytes.decode, story.secrets.values())):
        if not broken.isascii() or not broken.isprintable() or broken == token:
            continue
        for scheme in ("Bearer", "DPoP", "Basic"):
            headers = {"authorization": f"{scheme} {broken}"}
            story.hears(stranger, "GET", "/v1/models", headers=headers)
            story.hears(stranger, "GET", "/api/people", headers=headers)
        form = {"grant_type": "refresh_token", "refresh_token": f"{broken}x", "client_id": "prg_unknown"}
        story.hears(stranger, "POST", "/oauth/token", data=form)
        story.hears(stranger, "POST", "/oauth/introspect", data={"token": broken})
        story.hears(stranger, "GET", "/session/enter", params={"code": f"{broken}x"})
        story.hears(stranger, "GET", "/session/invitation", params={"code": f"{broken}x"})
        story.hears(stranger, "POST", "/session/invitation", data={"code": f"{broken}x", "name": "Eve"}, headers=OWN)
        story.hears(cleo, "POST", "/api/people", json={"name": [broken], "email": {"x": 1}}, headers=OWN)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Story, str]]:
    """The story, and everything that was logged while it happened."""
    lines: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # What the browser of these tests logs of itself; what the portal's own requests do is tested with them.
            if record.name.partition(".")[0] not in ("httpx", "httpcore"):
                lines.append(self.format(record))

    root, handler = logging.getLogger(), Keeps()
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    told = Story(make_world(tmp_path_factory.mktemp("secrets")))
    try:
        tell(told)
        yield told, "\n".join(lines)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        told.world.portal.close()


def test_there_is_something_to_look_for(story: tuple[Story, str]) -> None:
    told, logged = story
    assert len(told.secrets) > 30
    assert len(set(told.secrets.values())) > 40
    assert len(told.said) > 100
    assert logged
    assert told.found(b"x" + OIDC_SECRET.encode() + b"y") == ["client secret"]


def test_no_secret_is_in_the_database_or_its_log_ahead(story: tuple[Story, str]) -> None:
    told, _ = story
    settings = told.world.settings
    told.world.portal.store.between_transactions(lambda connection: connection.execute("SELECT 1"))
    files = [path for path in settings.data_dir.rglob("*") if path.is_file() and settings.keys_dir not in path.parents]
    assert settings.database_path in files
    kept = [path.read_bytes() for path in files]
    assert any(b"wes@north.example" in one for one in kept), "the search does find what is there"
    assert told.found(*kept) == []


def test_no_secret_is_logged(story: tuple[Story, str]) -> None:
    told, logged = story
    assert told.found(logged.encode()) == []


def test_no_secret_is_in_a_refusal(story: tuple[Story, str]) -> None:
    told, _ = story
    assert told.found(*told.said) == []


def test_no_secret_is_in_anything_that_can_be_read_afterwards(story: tuple[Story, str]) -> None:
    """Every address of the API that asks for nothing, as everybody; and one of each kind of object."""
    told, _ = story
    portal = told.world.portal
    described = Browser(told.app).get("/api/openapi.json").json()
    plain = [path for path, methods in described["paths"].items() if "get" in methods and "{" not in path]
    assert len(plain) > 20
    answers: list[bytes] = []
    for who, person in told.world.people.items():
        token = portal.tokens.issue(person.actor(Channel.CLI), label="reads").token
        headers, browser = {"authorization": f"Bearer {token}"}, Browser(told.app)
        for path in plain:
            answer = browser.get(path if path.startswith("/api") else f"/api{path}", headers=headers)
            assert answer.status_code < 500, (who, path)
            answers.append(answer.content)
            items = answer.json().get("items", []) if "json" in answer.headers.get("content-type", "") else []
            for item in items[:5]:
                if isinstance(item, dict) and isinstance(item.get("id"), str):
                    one = browser.get(f"{answer.request.url.path}/{item['id']}", headers=headers)
                    answers.append(one.content)
        assert token.encode() not in b"".join(answers), "nor its own"
    assert any(b"wes@north.example" in one for one in answers)
    assert told.found(*answers) == []


def test_no_secret_is_in_what_is_taken_away(story: tuple[Story, str], tmp_path: Path) -> None:
    """Exports hold none; a backup holds the keys, in the files that are keys, and nothing else that opens anything."""
    told, _ = story
    world, portal = told.world, told.world.portal
    (agreement, *_) = portal.agreements.list(world.actor("ada"))
    exports = [json.dumps(portal.agreements.export(world.actor("ada"), agreement.id), default=str).encode()]
    exports += [
        portal.papers.bundle(world.actor("ada"), agreement.id),
        portal.papers.pdf(world.actor("ada"), agreement.id),
    ]
    assert told.found(*map(bytes, exports)) == []
    target = tmp_path / "backup.tar"
    write_backup(portal, target, with_checkpoints=False)
    assert target.stat().st_mode & 0o077 == 0
    with tarfile.open(target) as archive:
        members = {one.name: archive.extractfile(one) for one in archive.getmembers() if one.isfile()}
        read = {name: file.read() for name, file in members.items() if file is not None}
    others = [content for name, content in read.items() if not name.startswith("keys/")]
    assert len(others) < len(read)
    assert told.found(*others) == []
    keys = {path.name for path in world.settings.keys_dir.iterdir()}
    opened = told.found(*(content for name, content in read.items() if name.startswith("keys/")))
    assert {name.partition(" ")[0] for name in opened} <= keys | {"client", "the"}


@given(st.binary(min_size=16, max_size=40))
def test_a_key_says_nothing_of_itself(seed: bytes) -> None:
    key = SigningKey.generate()
    body = b"".join(key.to_pem().splitlines()[1:-1])
    told = f"{key!r} {key} {[key]} {seed!r}".encode()
    assert [form for form in forms(base64.b64decode(body)[-32:]) if form in told] == []
