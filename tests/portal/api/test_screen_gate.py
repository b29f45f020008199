"""The gate before the screens, with a stand-in for Streamlit that says what it was told."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from agreements.actors import Channel
from portal.api.auth import SESSION_COOKIE
from portal.api.gate import SESSION_HEADER, ScreenGate
from tests.portal.api.api_stand import BASE_URL, Stand

HOST = BASE_URL.removeprefix("http://")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the session headers it sees; accepts every socket."""
    told = [value.decode() for name, value in scope["headers"] if name.decode().lower() == SESSION_HEADER]
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept", "sessions": told})
        return
    await JSONResponse({"sessions": told})(scope, receive, send)


def session(stand: Stand) -> tuple[str, str]:
    """A session's secret and id."""
    ada = stand.people["coordinator"].actor(Channel.CLI)
    code = stand.portal.sign_in.issue_link(ada, stand.people["lead"].id).partition("code=")[2]
    secret = stand.portal.sign_in.enter(code).secret
    return secret, stand.portal.sign_in.session_id(secret)


def get(stand: Stand, path: str, **headers: str) -> httpx.Response:
    """One request through the gate."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(ScreenGate(echo, stand.portal))
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())


def connect(stand: Stand, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """What the gate says first to a socket."""

    async def ask() -> dict[str, Any]:
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            said.append(message)

        raw = [(name.encode(), value.encode()) for name, value in headers]
        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": raw, "query_string": b""}
        await ScreenGate(echo, stand.portal)(scope, receive, send)
        return said[0]

    return asyncio.run(ask())


def test_a_live_session_is_told_by_id_and_never_by_secret(stand: Stand) -> None:
    secret, session_id = session(stand)
    assert get(stand, "/", cookie=f"{SESSION_COOKIE}={secret}").json() == {"sessions": [session_id]}


def test_a_claimed_session_is_dropped(stand: Stand) -> None:
    secret, session_id = session(stand)
    _other, other_id = session(stand)
    answer = get(stand, "/", cookie=f"{SESSION_COOKIE}={secret}", x_portal_session=other_id)
    assert answer.json() == {"sessions": [session_id]}
    assert get(stand, "/static/x.js", x_portal_session=other_id).json() == {"sessions": []}
    assert get(stand, "/", x_portal_session=other_id).status_code == 401


@pytest.mark.parametrize("cookie", ["", "portal_session=made-up", "portal_session", "\x01=;;=", "a=b; portal_session="])
def test_without_a_session_pages_lead_to_signing_in_and_the_rest_is_refused(stand: Stand, cookie: str) -> None:
    page = get(stand, "/norms?norm=NRM-0001", cookie=cookie, accept="text/html,*/*")
    assert (page.status_code, page.headers["location"]) == (303, "/session/login?next=%2Fnorms%3Fnorm%3DNRM-0001")
    assert get(stand, "/media/abc", cookie=cookie).json()["code"] == "no_credential"


def test_a_session_that_ended_is_none(stand: Stand) -> None:
    secret, session_id = session(stand)
    stand.portal.sign_in.sign_out(session_id)
    assert get(stand, "/", cookie=f"{SESSION_COOKIE}={secret}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/agent/interact",
        "/_stcore/agent/mcp",
        "/auth/login",
        "/oauth2callback",
        "/app/static/x",
    ],
)
def test_what_streamlit_offers_besides_is_closed_even_to_the_signed_in(stand: Stand, path: str) -> None:
    secret, _session_id = session(stand)
    assert get(stand, path, cookie=f"{SESSION_COOKIE}={secret}").status_code == 404


def test_its_own_assets_are_open(stand: Stand) -> None:
    assert get(stand, "/static/js/index.js").status_code == 200
    assert get(stand, "/_stcore/health").status_code == 200


def test_sockets_open_for_our_own_pages_with_a_session_only(stand: Stand) -> None:
    secret, session_id = session(stand)
    own = [("host", HOST), ("origin", BASE_URL)]
    cookie = ("cookie", f"{SESSION_COOKIE}={secret}")
    assert connect(stand, [*own, cookie]) == {"type": "websocket.accept", "sessions": [session_id]}
    refused = {"type": "websocket.close", "code": 1008, "reason": "no_credential"}
    assert connect(stand, own) == refused
    assert connect(stand, [("host", HOST), ("origin", "http://evil.example"), cookie]) == refused
    assert connect(stand, [("host", HOST), cookie]) == refused


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("/access_log?kind=run", "/access-log?kind=run"),
        ("/Norms", "/norms"),
        ("/sign-in-methods/", "/sign-in-methods"),
    ],
)
def test_an_address_written_otherwise_leads_to_the_screen(stand: Stand, asked: str, meant: str) -> None:
    secret, session_id = session(stand)
    mine = {"cookie": f"{SESSION_COOKIE}={secret}"}
    page = get(stand, asked, **mine, accept="text/html,*/*")
    assert (page.status_code, page.headers["location"]) == (303, meant)
    assert get(stand, asked, **mine).json() == {"sessions": [session_id]}


@pytest.mark.parametrize(
    "path", ["/", "/norms", "/access-log?kind=run", "/media/A_b.png", "/_stcore/health", "//Norms"]
)
def test_any_other_address_stays_as_it_is(stand: Stand, path: str) -> None:
    secret, session_id = session(stand)
    page = get(stand, path, cookie=f"{SESSION_COOKIE}={secret}", accept="text/html,*/*")
    assert page.json() == {"sessions": [session_id]}
