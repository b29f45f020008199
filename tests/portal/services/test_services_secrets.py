"""No secret is in the database, its write-ahead log, or anything that is logged."""

import base64
import logging
from collections.abc import Callable

import pytest

from agreements.errors import Unauthenticated
from agreements.keys import SigningKey
from tests.portal.services.world import PURPOSE, World, ask

PROMPT = "seven confidential herons stood"


def _forms(secret: bytes) -> list[bytes]:
    """The ways in which bytes are usually written."""
    return [secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret).rstrip(b"=")]


def _refreshing(world: World) -> Callable[[str], object]:
    return lambda secret: world.portal.refresh.refresh(secret, client_id=None, key_thumbprint=None)


def test_secrets_are_written_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    portal, sign_in = world.portal, world.portal.sign_in
    world.checkpoint("ladder-l")
    grant = world.grant()
    code = sign_in.issue_link(world.actor("ada"), world.people["cleo"].id).partition("code=")[2]
    session = sign_in.enter(code).secret
    issued = portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=grant.id, purpose=PURPOSE)
    actor = portal.tokens.authenticate(issued.token).actor
    portal.runs.begin(actor, "ladder-l", ask(PROMPT), purpose=PURPOSE).result()
    portal.tokens.revoke(world.actor("cleo"), issued.record.id)
    fresh = portal.refresh.issue(world.actor("cleo"), label="script", grant_id=grant.id)
    traded = portal.refresh.refresh(fresh.refresh_token or "", client_id=None, key_thumbprint=None)
    narrow = portal.tokens.narrow(world.actor("cleo"), traded.record.id, label="narrower")
    before = portal.keyring.own("token").to_pem()
    portal.token_keys.rotate(world.actor("ada"))
    told = []
    for bad in (issued.token, issued.token[:-4], narrow.token + "A", fresh.refresh_token or ""):
        for ask_for in (portal.tokens.authenticate, _refreshing(world)):
            with pytest.raises(Unauthenticated) as refusal:
                ask_for(bad)
            told.append(f"{refusal.value!r} {refusal.value} {refusal.value.hint}")
    secrets = [code.encode(), session.encode(), issued.token.encode(), issued.token.rpartition(".")[2].encode()]
    secrets.append(PROMPT.encode())
    for token in (fresh, traded, narrow):
        secrets += [token.token.encode(), token.token.rpartition(".")[2].encode()]
        secrets += [(token.refresh_token or "no secret").encode()]
    secrets += _forms(base64.b64decode(b"".join(before.splitlines()[1:-1]))[-32:])
    keys = list(world.settings.keys_dir.glob("*.pem"))
    assert len(keys) >= 5
    for path in keys:
        pem = path.read_bytes()
        body = b"".join(pem.splitlines()[1:-1])
        secrets += [body, *_forms(base64.b64decode(body)[-32:])]
        assert SigningKey.from_pem(pem).to_pem() == pem
    portal.store.between_transactions(lambda connection: connection.execute("SELECT 1"))
    files = [world.settings.database_path, *world.settings.data_dir.glob("*.wal")]
    kept = b"".join(path.read_bytes() for path in files) + caplog.text.encode()
    kept += "".join(told).encode()
    portal.close()
    kept += (world.settings.data_dir / "last-used.json").read_bytes()
    kept += world.settings.database_path.read_bytes()
    assert issued.record.id.encode() in kept, "the search does find what is there"
    assert [secret for secret in secrets if secret in kept] == []


def test_values_that_hold_secrets_do_not_show_them(world: World) -> None:
    for path in world.settings.keys_dir.glob("*.pem"):
        body = b"".join(path.read_bytes().splitlines()[1:-1]).decode()
        assert body not in repr(SigningKey.from_pem(path.read_bytes()))
        assert path.stat().st_mode & 0o077 == 0
    assert world.settings.database_path.stat().st_mode & 0o077 == 0
