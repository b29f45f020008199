"""HTTP to providers that lie, stall, point elsewhere or answer rubbish: a refusal with a reason, and nothing else."""

import logging
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import ConcordatError, Invalid, Unavailable
from portal.oidc import transport
from portal.oidc.transport import MAX_BYTES, Answer, ProviderHttp
from portal.webhooks.addresses import Policy
from tests.portal.notices.certificates import Certificates
from tests.portal.oidc.hostile import HostileServer, Speaks, Visit, says, says_json

LOCAL, PUBLIC = Policy(loopback=True, private=True), Policy()
SECRET = "a-secret-that-nobody-may-read"


def http(policy: Policy = LOCAL, *addresses: str) -> ProviderHttp:
    return ProviderHttp(policy, resolver=lambda *_: addresses) if addresses else ProviderHttp(policy)


def refused(speaks: Speaks) -> ConcordatError:
    """What comes of reading a document from a server that speaks so."""
    with HostileServer(speaks) as server, pytest.raises(ConcordatError) as refusal:
        http().post(f"{server.url}/token", f"client_secret={SECRET}", {"authorization": f"Basic {SECRET}"}).document()
    assert len(server.requests) <= 1, "nobody is asked twice"
    assert SECRET not in f"{refusal.value!r} {refusal.value}"
    assert isinstance(refusal.value, Unavailable)
    assert refusal.value.hint
    return refusal.value


def _endless(visit: Visit) -> None:
    visit.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not visit.over.is_set():
        visit.send(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")


def _understated(visit: Visit) -> None:
    """Announces little, then sends without end until the connection is closed."""
    visit.send(b"HTTP/1.0 200 OK\r\n\r\n")
    while not visit.over.is_set():
        visit.send(b"a" * 65536)


def _endless_headers(visit: Visit) -> None:
    visit.send(b"HTTP/1.1 200 OK\r\n")
    while not visit.over.is_set():
        visit.send(b"x-more: " + b"a" * 1000 + b"\r\n")


def _endless_preliminaries(visit: Visit) -> None:
    while not visit.over.is_set():
        visit.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


def _says_then_hangs(*parts: bytes) -> Speaks:
    def speaks(visit: Visit) -> None:
        visit.send(*parts)
        visit.hang()

    return speaks


@pytest.mark.parametrize(
    ("speaks", "code", "words"),
    [
        (says(b"a" * (MAX_BYTES + 1)), "provider_answer_unusable", "too large"),
        (_endless, "provider_answer_unusable", "too large"),
        (_understated, "provider_answer_unusable", "too large"),
        (_endless_headers, "provider_unreachable", "as HTTP wants it"),
        (says(b""), "provider_answer_unusable", "no JSON object"),
        (says(b"{"), "provider_answer_unusable", "no JSON object"),
        (says(b"[1]"), "provider_answer_unusable", "no JSON object"),
        (says(b'"text"'), "provider_answer_unusable", "no JSON object"),
        (says(b'{"iss": "a", "iss": "b"}'), "provider_answer_unusable", "no JSON object"),
        (says(b'{"a": NaN}'), "provider_answer_unusable", "no JSON object"),
        (says(b'{"a": "\\ud800"}'), "provider_answer_unusable", "no JSON object"),
        (says(b'{"a":' * 20_000 + b"1" + b"}" * 20_000), "provider_answer_unusable", "no JSON object"),
        (says(b"[" * 200_000), "provider_answer_unusable", "no JSON object"),
        (says(b"\xff\xfe{\x00}\x00"), "provider_answer_unusable", "no JSON object"),
        (says(b"<html>Sign in</html>", kind="text/html"), "provider_answer_unusable", "no JSON object"),
        (says(b"\x1f\x8b\x08", more=b"content-encoding: gzip\r\n"), "provider_answer_unusable", "no JSON object"),
        (lambda visit: visit.send(b"SSH-2.0-OpenSSH_9.9\r\n"), "provider_unreachable", "as HTTP wants it"),
        (lambda visit: visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"), "provider_unreachable", "HTTP"),
        (lambda visit: visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"), "provider_unreachable", "HTTP"),
        (lambda visit: visit.send(b"HTTP/1.1 2000 OK\r\n\r\n"), "provider_unreachable", "HTTP"),
        (lambda _: None, "provider_unreachable", "HTTP"),
    ],
)
def test_a_bad_answer_is_refused_by_name(speaks: Speaks, code: str, words: str) -> None:
    refusal = refused(speaks)
    assert (refusal.code, words in refusal.message) == (code, True), refusal.message


@pytest.mark.parametrize(
    "speaks",
    [
        _says_then_hangs(),
        _says_then_hangs(b"HTTP/1.1 200 OK\r\n"),
        _says_then_hangs(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b"{"),
        _endless_preliminaries,
    ],
)
def test_whoever_never_ends_is_given_up(speaks: Speaks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT_S", 0.3)
    assert refused(speaks).code == "provider_unreachable"


def test_a_drop_at_a_time_is_too_slow_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each byte comes within the time that httpx would wait for one; the whole may not take longer than that.
    monkeypatch.setattr(transport, "TIMEOUT_S", 0.3)

    def drips(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not visit.over.wait(0.02):
            visit.send(b" ")

    refusal = refused(drips)
    assert (refusal.code, "did not answer within" in refusal.message) == ("provider_unreachable", True)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("where", ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "/elsewhere", "//["])
def test_redirects_are_never_followed(status: str, where: str) -> None:
    refusal = refused(says(b"{}", status=status, more=f"location: {where}\r\n".encode()))
    assert (refusal.code, "elsewhere" in refusal.message) == ("provider_answer_unusable", True)


@pytest.mark.parametrize("status", ["204 No Content", "400 Bad", "401 No", "404 None", "500 Oh", "599 x"])
def test_what_is_no_success_says_so(status: str) -> None:
    with HostileServer(says(b"", status=status)) as server:
        answer = http().get(server.url)
    assert (answer.status_code, answer.is_success) == (int(status[:3]), status.startswith("2"))


def test_a_good_answer_is_read_whatever_it_calls_itself() -> None:
    for kind in ("application/json", "text/plain", "application/jwk-set+json", "x"):
        with HostileServer(says(b'{"a": [1, "\xc3\xa4"]}', kind=kind)) as server:
            assert http().get(f"{server.url}/x?y=z").document() == {"a": [1, "ä"]}
    (request,) = server.requests
    assert request.startswith(b"GET /x?y=z HTTP/1.1\r\n")
    assert b"host: 127.0.0.1:" in request.lower()
    assert b"accept-encoding: identity" in request.lower(), "nothing small that becomes large is asked for"


def test_an_answer_of_the_largest_size_is_read() -> None:
    body = b'{"a": "' + b"x" * (MAX_BYTES - 9) + b'"}'
    with HostileServer(says(body)) as server:
        assert len(str(http().get(server.url).document()["a"])) == MAX_BYTES - 9


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable) as refusal:
        http().get(f"http://127.0.0.1:{port}/")
    assert (refusal.value.code, "takes no connection" in refusal.value.message) == ("provider_unreachable", True)


@pytest.mark.parametrize("trusted", [True, False])
def test_certificates_have_to_hold(tmp_path: Path, trusted: bool) -> None:
    own = Certificates("login.north.example")
    client = own.client() if trusted else Certificates("login.north.example").client()
    with HostileServer(says_json({"ok": True}), tls=own.server(tmp_path)) as server:
        asks = ProviderHttp(LOCAL, resolver=lambda *_: ("127.0.0.1",), tls=client)
        url = f"https://login.north.example:{server.port}/"
        if trusted:
            assert asks.get(url).document() == {"ok": True}
            # Good for one name is good for no other, though the same machine answers.
            url = f"https://login.south.example:{server.port}/"
        with pytest.raises(Unavailable) as refusal:
            asks.get(url)
    assert "certificate is not one that the portal trusts" in refusal.value.message


def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    with HostileServer(lambda visit: visit.send(b"HTTP/1.1 400 Bad\r\n\r\n")) as server:
        asks = http(LOCAL, "127.0.0.1")
        with pytest.raises(Unavailable) as refusal:
            asks.post(f"https://login.north.example:{server.port}/", SECRET, {"authorization": SECRET})
    assert refusal.value.code == "provider_unreachable"
    assert not any(SECRET.encode() in request for request in server.requests)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "172.16.0.9", "169.254.169.254", "fd00:ec2::254"),
        *("::", "fe80::1%eth0", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "100.64.0.1"),
        "0.0.0.0",  # noqa: S104 - nobody binds to it
        "not-an-ip",
    ],
)
@pytest.mark.parametrize("among", [False, True])
def test_a_name_that_leads_inside_is_not_connected_to(address: str, among: bool) -> None:
    addresses = ("93.184.216.34", "93.184.216.35", "93.184.216.36", "93.184.216.37", address) if among else (address,)
    with pytest.raises(Invalid) as refusal:
        http(PUBLIC, *addresses).get("https://login.north.example/")
    assert (refusal.value.code, refusal.value.param) == ("provider_address_refused", "issuer")


def test_cloud_credentials_stay_closed_where_private_networks_are_open() -> None:
    for address in ("169.254.169.254", "fd00:ec2::254", "168.63.129.16", "192.0.0.192"):
        with pytest.raises(Invalid):
            http(LOCAL, address).get("https://login.north.example/")


def test_a_name_is_asked_once_and_connected_to_as_it_was_checked() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("169.254.169.254",)

    with HostileServer(says_json({"here": True})) as server:
        url = f"http://login.localhost:{server.port}/"
        assert ProviderHttp(LOCAL, resolver=rebinding).get(url).document() == {"here": True}
        assert asked == ["login.localhost"]
        with pytest.raises(Invalid):
            ProviderHttp(LOCAL, resolver=rebinding).get(url)
    assert len(server.requests) == 1


def test_the_next_address_of_a_name_is_tried() -> None:
    with HostileServer(says_json({})) as server:
        asks = http(LOCAL, "::1", "127.0.0.1")
        assert asks.get(f"http://login.localhost:{server.port}/").status_code == 200


@pytest.mark.parametrize("error", [socket.gaierror(-2, SECRET), UnicodeError(SECRET), OSError(SECRET)])
def test_a_name_that_is_none(error: OSError | UnicodeError) -> None:
    def unknown(_host: str, _port: int) -> tuple[str, ...]:
        raise error

    with pytest.raises(Unavailable) as refusal:
        ProviderHttp(PUBLIC, resolver=unknown).get("https://login.north.example/")
    assert "does not resolve" in refusal.value.message
    assert SECRET not in str(refusal.value)
    with pytest.raises(Unavailable):
        ProviderHttp(PUBLIC, resolver=lambda *_: ()).get("https://login.north.example/")


def test_a_resolver_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT_S", 0.2)
    over = threading.Event()

    def hangs(_host: str, _port: int) -> tuple[str, ...]:
        over.wait(30)
        return ()

    with pytest.raises(Unavailable) as refusal:
        ProviderHttp(PUBLIC, resolver=hangs).get("https://login.north.example/")
    over.set()
    assert "name was not found" in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://x.example", "http://x.example", "https://u:p@x.example/", "https://x.example\\@y.example/"),
        *("https://x.example/#f", "https://[::1]/", "https://127.0.0.1/", "https://2130706433/", "https://intranet/"),
        *("https://x.example:0/", "https://x.example:99999/", "https://ex\u0430mple.example/", "file:///etc/passwd"),
    ],
)
def test_an_address_is_refused_before_anybody_is_asked(url: str) -> None:
    def never(_host: str, _port: int) -> tuple[str, ...]:
        raise AssertionError("nobody is asked")

    asks = ProviderHttp(PUBLIC, resolver=never)
    for attempt in (lambda: asks.get(url), lambda: asks.check(url)):
        with pytest.raises(Invalid) as refusal:
            attempt()
        assert refusal.value.code == "provider_address_refused"


def test_what_is_exchanged_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with HostileServer(says_json({"access_token": f"{SECRET}-answer"})) as server:
        answer = http().post(f"{server.url}/token", f"code={SECRET}", {"authorization": f"Basic {SECRET}"})
    assert SECRET.encode() in server.requests[0]
    assert "send_request" in caplog.text, "the library does log at this level"
    assert SECRET not in caplog.text
    assert SECRET not in repr(answer), "nor does a traceback that quotes values tell it"


@given(st.binary(max_size=400))
def test_only_refusals_leave_a_body(body: bytes) -> None:
    try:
        assert isinstance(Answer(status_code=200, body=body).document(), dict)
    except Unavailable as refusal:
        assert refusal.code == "provider_answer_unusable"
