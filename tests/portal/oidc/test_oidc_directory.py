"""What providers say of themselves: read strictly, kept a while, and asked for without letting anybody wait long."""

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from agreements.errors import ConcordatError, Invalid, Unavailable, VerificationError
from portal.oidc.directory import FAILURE_KEPT_FOR, KEPT_FOR, MOST_WAITING, Directory
from portal.oidc.transport import ProviderHttp
from portal.webhooks.addresses import Policy
from tests.portal.oidc.hostile import HostileServer, Speaks, Visit, says, says_json
from tests.portal.services.world import HandClock

FIRST, SECOND = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")


def key_set(**keys: ECKey) -> dict[str, Any]:
    return {"keys": [{**key.as_dict(private=False), "kid": name} for name, key in keys.items()]}


class Provider:
    """Answers discovery and key requests as it is told to."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.changed: dict[str, Any] = {}
        self.discovery: Speaks | None = None
        self.keys: Speaks = says_json(key_set(first=FIRST))
        self.server = HostileServer(self._speak)
        self.asked: list[str] = []
        self.directory = Directory(ProviderHttp(Policy(loopback=True)), self.clock)

    @property
    def issuer(self) -> str:
        return self.server.url

    def document(self) -> dict[str, Any]:
        own = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        own |= {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token")}
        return {name: value for name, value in {**own, **self.changed}.items() if value is not None}

    def _speak(self, visit: Visit) -> None:
        self.asked.append(visit.path)
        if visit.path == "/keys":
            self.keys(visit)
        else:
            (self.discovery or says_json(self.document()))(visit)


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    with made.server:
        yield made


def test_a_document_is_asked_for_once_an_hour(provider: Provider) -> None:
    found = provider.directory.metadata(provider.issuer)
    assert found.token_endpoint == f"{provider.issuer}/token"
    provider.directory.metadata(provider.issuer)
    assert provider.asked == ["/.well-known/openid-configuration"]
    provider.clock.now += KEPT_FOR
    provider.directory.metadata(provider.issuer)
    assert len(provider.asked) == 2


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"issuer": "https://evil.example"}, VerificationError),
        ({"issuer": None}, VerificationError),
        ({"issuer": ["x"]}, VerificationError),
        ({"token_endpoint": None}, Unavailable),
        ({"token_endpoint": 7}, Unavailable),
        ({"token_endpoint": {"url": "x"}}, Unavailable),
        ({"jwks_uri": "http://169.254.169.254/keys"}, Invalid),
        ({"jwks_uri": "http://10.0.0.1/keys"}, Invalid),
        ({"jwks_uri": "file:///etc/passwd"}, Invalid),
        ({"authorization_endpoint": "javascript:alert(1)"}, Invalid),
        ({"authorization_endpoint": "data:text/html,x"}, Invalid),
        ({"userinfo_endpoint": "https://169.254.169.254/"}, Invalid),
        ({"end_session_endpoint": "https://user:secret@north.example/"}, Invalid),
        ({"code_challenge_methods_supported": ["plain"]}, Unavailable),
        ({"code_challenge_methods_supported": "S256"}, Unavailable),
        ({"code_challenge_methods_supported": []}, Unavailable),
    ],
)
def test_a_document_that_cannot_be_gone_by_is_refused(
    provider: Provider, changed: dict[str, Any], kind: type[ConcordatError]
) -> None:
    provider.changed = changed
    with pytest.raises(kind):
        provider.directory.metadata(provider.issuer)


def test_a_failure_is_told_again_without_asking_again(provider: Provider) -> None:
    provider.discovery = says(b"", status="503 Down")
    refusals = []
    for _ in range(3):
        with pytest.raises(Unavailable) as refusal:
            provider.directory.metadata(provider.issuer)
        refusals.append(refusal.value)
    assert len(provider.asked) == 1
    assert len({(one.code, one.message, one.hint) for one in refusals}) == 1
    assert len({id(one) for one in refusals}) == 3, "a traceback belongs to one who was refused"
    provider.discovery = None
    with pytest.raises(Unavailable):
        provider.directory.metadata(provider.issuer)
    assert provider.directory.metadata(provider.issuer, afresh=True).issuer == provider.issuer
    assert provider.directory.metadata(provider.issuer).issuer == provider.issuer, "who tries it by hand clears it"


def test_a_provider_that_recovers_is_used_again(provider: Provider) -> None:
    provider.discovery = says(b"", status="503 Down")
    with pytest.raises(Unavailable):
        provider.directory.metadata(provider.issuer)
    provider.discovery = None
    provider.clock.now += FAILURE_KEPT_FOR
    assert provider.directory.metadata(provider.issuer).issuer == provider.issuer


def test_few_wait_for_a_provider_that_says_nothing(provider: Provider) -> None:
    over = threading.Event()

    def slow(visit: Visit) -> None:
        over.wait(30)
        says(b"", status="503 Down")(visit)

    provider.discovery = slow
    with ThreadPoolExecutor(MOST_WAITING + 1) as pool:
        asking = [pool.submit(provider.directory.metadata, provider.issuer) for _ in range(MOST_WAITING + 1)]
        first, waiting = wait(asking, return_when=FIRST_COMPLETED)
        over.set()
    codes = [[getattr(one.exception(), "code", None) for one in some] for some in (first, waiting)]
    assert codes == [["provider_busy"], ["provider_answer_unusable"] * MOST_WAITING]
    assert len(provider.asked) == 1, "those who waited go by its answer"


def test_those_who_come_at_once_ask_once(provider: Provider) -> None:
    together = threading.Barrier(MOST_WAITING)

    def ask() -> set[str]:
        together.wait(30)
        return set(provider.directory.keys(provider.issuer, "first"))

    with ThreadPoolExecutor(MOST_WAITING) as pool:
        found = [pool.submit(ask) for _ in range(MOST_WAITING)]
        assert [one.result() for one in found] == [{"first"}] * MOST_WAITING
    assert sorted(provider.asked) == ["/.well-known/openid-configuration", "/keys"]


def test_keys_rotate_and_are_not_asked_for_in_a_loop(provider: Provider) -> None:
    provider.directory.keys(provider.issuer, "first")
    provider.keys = says_json(key_set(second=SECOND))
    assert set(provider.directory.keys(provider.issuer, "second")) == {"first"}
    provider.clock.advance(minutes=1)
    assert set(provider.directory.keys(provider.issuer, "first")) == {"first"}, "what is known needs no question"
    assert set(provider.directory.keys(provider.issuer, "second")) == {"second"}
    for _ in range(20):
        provider.directory.keys(provider.issuer, "made up")
    assert provider.asked.count("/keys") == 2


def test_keys_that_cannot_be_had_are_said_to_be_missing(provider: Provider) -> None:
    provider.keys = says(b"<html>", kind="text/html")
    for _ in range(2):
        with pytest.raises(Unavailable) as refusal:
            provider.directory.keys(provider.issuer, "first")
        assert refusal.value.code == "provider_answer_unusable"
    assert provider.asked.count("/keys") == 1
    provider.keys = says_json(key_set(first=FIRST))
    assert provider.directory.keys(provider.issuer, "", afresh=True), "who tries it by hand asks now"


def test_keys_too_old_to_go_by_are_dropped_when_nobody_answers(provider: Provider) -> None:
    provider.directory.keys(provider.issuer, "first")
    provider.clock.now += KEPT_FOR
    provider.keys = says(b"", status="500 Oh")
    for _ in range(2):
        with pytest.raises(Unavailable):
            provider.directory.keys(provider.issuer, "first")
    provider.clock.now += timedelta(minutes=1)
    provider.keys = says_json(key_set(first=FIRST))
    assert set(provider.directory.keys(provider.issuer, "first")) == {"first"}


def test_another_address_of_keys_means_other_keys(provider: Provider) -> None:
    provider.directory.keys(provider.issuer, "first")
    provider.changed = {"jwks_uri": f"{provider.issuer}/elsewhere"}
    provider.clock.now += KEPT_FOR
    provider.directory.metadata(provider.issuer)
    with pytest.raises(Unavailable):
        provider.directory.keys(provider.issuer, "first")
    assert provider.asked[-1] == "/elsewhere"
