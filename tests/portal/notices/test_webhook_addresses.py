"""Where webhooks may lead: to public addresses by https, on what the name resolves to at that moment."""

import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Invalid
from portal.webhooks.addresses import Policy, check_address, check_url
from portal.webhooks.posting import Poster
from tests.portal.notices.certificates import Certificates
from tests.portal.notices.outside import Endpoint

PUBLIC = Policy()
DEMO = Policy(loopback=True)
PRIVATE = Policy(private=True)
BOTH = Policy(loopback=True, private=True)


def refused(url: str, policy: Policy = PUBLIC) -> bool:
    try:
        check_url(url, policy)
    except Invalid as refusal:
        assert (refusal.code, refusal.param) == ("webhook_address_refused", "url")
        return True
    return False


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org",
        "https://hooks.example.org:8443/a/b?c=d",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/x",
        "https://xn--bcher-kva.example/",
    ],
)
def test_public_addresses(url: str) -> None:
    assert not refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "https://localhost/",
        "https://metadata/",
        "https://app.localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://user@hooks.example.org/",
        "https://hooks.example.org@10.0.0.1/",
        "https://hooks.example.org#@10.0.0.1/",
        "https://hooks.example.org\\@10.0.0.1/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:65536/",
        "https://hooks.example.org/\r\nHost: other",
        "https://bücher.example/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "https://",
        "",
        "https://hooks.example.org/" + "a" * 500,
    ],
)
def test_addresses_that_are_refused_where_they_are_entered_or_where_they_lead(url: str) -> None:
    if refused(url):
        return
    # Numbers that only a resolver reads as an address are caught by what they resolve to.
    outcome = Poster(PUBLIC, resolver=lambda host, _port: (socket.inet_ntoa(socket.inet_aton(host)),)).post(
        url, b"", {}
    )
    assert outcome.reason.startswith("The address of the webhook cannot be used")


@pytest.mark.parametrize(
    ("url", "policy", "allowed"),
    [
        ("http://127.0.0.1:9000/x", DEMO, True),
        ("http://localhost:9000/x", DEMO, True),
        ("https://[::1]/", DEMO, True),
        ("http://10.0.0.1/", DEMO, False),
        ("https://10.0.0.1/", DEMO, False),
        ("https://10.0.0.1/", PRIVATE, True),
        ("https://[fd00::1]/", PRIVATE, True),
        ("https://intranet/", PRIVATE, True),
        ("http://10.0.0.1/", PRIVATE, False),
        ("https://intranet/", DEMO, False),
        ("https://172.31.0.1/", PRIVATE, True),
        ("https://[::ffff:192.168.0.1]/", PRIVATE, True),
        ("https://0.0.0.1/", PRIVATE, False),
        ("https://100.64.0.1/", PRIVATE, False),
        ("http://127.0.0.1:9000/x", PRIVATE, False),
        ("https://127.0.0.1/", PRIVATE, False),
        ("https://localhost/", PRIVATE, False),
        ("https://[::1]/", PRIVATE, False),
        ("https://[::ffff:127.0.0.1]/", PRIVATE, False),
    ],
)
def test_what_the_operator_may_open(url: str, policy: Policy, allowed: bool) -> None:
    assert refused(url, policy) is not allowed


@pytest.mark.parametrize("policy", [PUBLIC, DEMO, PRIVATE, BOTH])
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fe80::a9fe:a9fe",
        "fec0::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_where_clouds_keep_credentials_is_never_let_through(address: str, policy: Policy) -> None:
    with pytest.raises(Invalid):
        check_address(address, policy, scheme="https")
    literal = f"[{address}]" if ":" in address else address
    assert refused(f"https://{literal}/", policy)
    outcome = Poster(policy, resolver=lambda *_: (address,)).post("https://hooks.example.org/", b"", {})
    assert outcome.reason.startswith("The address of the webhook cannot be used")


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{0,30}(/.*)?", fullmatch=True))
def test_any_text_is_an_address_or_a_refusal(text: str) -> None:
    for policy in (PUBLIC, DEMO, PRIVATE, BOTH):
        refused(text, policy)


@given(st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_no_private_address_in_any_of_its_spellings(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]  # an address is a number
    spellings = [str(address), f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"]
    spellings.append(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")
    for spelling in spellings:
        with pytest.raises(Invalid):
            check_address(spelling, PUBLIC, scheme="https")


@pytest.mark.parametrize("answers", [("10.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("::1", "93.184.216.34"), ("odd",)])
def test_a_name_that_leads_inside_is_not_followed(answers: tuple[str, ...]) -> None:
    outcome = Poster(PUBLIC, resolver=lambda *_: answers).post("https://hooks.example.org/", b"", {})
    assert (outcome.status_code, outcome.delivered) == (None, False)


def test_a_name_is_asked_for_once_and_the_connection_goes_where_the_check_went(
    tmp_path: Path,
) -> None:
    certificates = Certificates("hooks.partner.example")
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("10.0.0.1",)

    with Endpoint(tls=certificates.server(tmp_path)) as endpoint:
        poster = Poster(DEMO, resolver=rebinding, tls=certificates.client())
        outcome = poster.post(f"https://hooks.partner.example:{endpoint.port}/in?a=b", b"{}", {"webhook-id": "msg_1"})
    assert (outcome.status_code, outcome.reason) == (204, "")
    assert asked == ["hooks.partner.example"]
    [arrived] = endpoint.arrived
    assert arrived.headers["host"] == f"hooks.partner.example:{endpoint.port}"
    assert (arrived.path, arrived.body, arrived.headers["webhook-id"]) == ("/in?a=b", b"{}", "msg_1")


def test_the_certificate_must_be_the_names(tmp_path: Path) -> None:
    others = Certificates("other.example")
    context: ssl.SSLContext = others.client()
    with Endpoint(tls=others.server(tmp_path)) as endpoint:
        poster = Poster(DEMO, resolver=lambda *_: ("127.0.0.1",), tls=context)
        outcome = poster.post(f"https://hooks.partner.example:{endpoint.port}/", b"{}", {})
    assert not outcome.delivered
    assert endpoint.arrived == []


def test_a_name_that_does_not_resolve_and_a_port_where_nobody_listens() -> None:
    def unknown(*_: object) -> tuple[str, ...]:
        raise socket.gaierror

    assert "does not resolve" in Poster(PUBLIC, resolver=unknown).post("https://x.example/", b"", {}).reason
    with Endpoint() as endpoint:
        url = endpoint.url
    assert "did not get through" in Poster(DEMO).post(url, b"", {}).reason


def test_a_second_address_is_tried_where_the_first_does_not_answer() -> None:
    with Endpoint() as endpoint:
        poster = Poster(DEMO, resolver=lambda *_: ("::1", "127.0.0.1"))
        outcome = poster.post(f"http://localhost:{endpoint.port}/", b"", {})
    assert outcome.delivered


def test_redirects_are_failures_and_not_followed(endpoint: Endpoint) -> None:
    endpoint.fail(1, status=307, location=endpoint.url)
    outcome = Poster(DEMO).post(endpoint.url, b"{}", {})
    assert (outcome.status_code, outcome.delivered) == (307, False)
    assert len(endpoint.arrived) == 1


def test_an_endless_answer_is_not_read(endpoint: Endpoint) -> None:
    endpoint.body = b"x" * 2**20
    assert Poster(DEMO).post(endpoint.url, b"{}", {}).delivered


def test_a_slow_endpoint_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.webhooks.posting.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = Poster(DEMO).post(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}", {})
    assert "did not answer" in outcome.reason or "Timeout" in outcome.reason
