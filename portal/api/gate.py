"""The gate before the screens: no page, file or socket of theirs opens without a live session.

Streamlit is told the session's id by a header that only this gate sets, and the screens look the session up again at
every run: what is decided here keeps strangers out, and decides nothing else.
"""

import re
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agreements.errors import ConcordatError, NotFound, Unauthenticated
from portal.api.auth import SESSION_COOKIE
from portal.api.errors import problem_response
from portal.composition import Portal

SESSION_HEADER: Final = "x-portal-session"
"""Named in the screens' ``config.toml`` as a trusted header; whatever a client sends under it is dropped."""

_OPEN: Final = ("/static/", "/_stcore/health")
"""Streamlit's own assets and its sign of life say nothing of the portal."""

_CLOSED: Final = (
    "/_stcore/metrics",
    "/_stcore/agent",
    "/_stcore/script-health-check",
    "/auth/",
    "/oauth2callback",
    "/app/static",
)
"""What Streamlit offers besides, and the portal does not: sessions of its own, and a view of its insides."""

_ONE_WORD: Final = re.compile(r"/([A-Za-z][A-Za-z_-]*)/?")
_POLICY_VIOLATION: Final = 1008


class ScreenGate:
    """Pure ASGI around ``st.App``, for requests and for sockets alike."""

    def __init__(self, app: ASGIApp, portal: Portal) -> None:
        self._app = app
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what a live session asks for, with its id in the trusted header."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        headers = Headers(scope=scope)
        scope = _without_claim(scope)
        if path.startswith(_CLOSED):
            await _refuse(
                scope,
                receive,
                send,
                NotFound("no_such_route", "There is nothing at this address.", hint="See /api/openapi.json."),
            )
            return
        if scope["type"] == "websocket" and not _same_origin(headers):
            await _refuse(scope, receive, send, _not_signed_in())
            return
        session_id = await run_in_threadpool(self._session, headers)
        if session_id is None and not path.startswith(_OPEN):
            await _refuse(scope, receive, send, _not_signed_in())
            return
        meant = _meant(path)
        if meant != path and _opens_a_page(scope):
            onward = RedirectResponse(meant + _query(scope), status_code=303, headers={"cache-control": "no-store"})
            await onward(scope, receive, send)
            return
        if session_id is not None:
            scope["headers"] = [*scope["headers"], (SESSION_HEADER.encode(), session_id.encode())]
        await self._app(scope, receive, send)

    def _session(self, headers: Headers) -> str | None:
        """The id of the live session whose secret the cookie holds."""
        secret = _cookie(headers)
        if secret is None:
            return None
        session_id = self._portal.sign_in.session_id(secret)
        try:
            self._portal.sign_in.actor(session_id)
        except ConcordatError:
            return None
        return session_id


def _without_claim(scope: Scope) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != SESSION_HEADER.encode()]
    return {**scope, "headers": kept}


def _cookie(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None else None


def _same_origin(headers: Headers) -> bool:
    """Whether a socket was opened by one of our own pages; browsers always say, and sockets know no other guard."""
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "")


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: ConcordatError) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.code})
        return
    await _answer(scope, refusal)(scope, receive, send)


def _answer(scope: Scope, refusal: ConcordatError) -> Response:
    if not (isinstance(refusal, Unauthenticated) and _opens_a_page(scope)):
        return problem_response(refusal)
    target = scope["path"] + _query(scope)
    onward = "" if target == "/" else f"?next={quote(target, safe='')}"
    return RedirectResponse(f"/session/login{onward}", status_code=303, headers={"cache-control": "no-store"})


def _opens_a_page(scope: Scope) -> bool:
    """Whether a browser asks for it as a page of its own."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _query(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return f"?{query}" if query else ""


def _meant(path: str) -> str:
    """The address as screens have theirs: one word, small, joined by hyphens; of any other kind it stays as it is.

    Streamlit would show Home under a misspelt one, and put what was asked for out of the address.
    """
    found = _ONE_WORD.fullmatch(path)
    return f"/{found[1].lower().replace('_', '-')}" if found else path


def _not_signed_in() -> Unauthenticated:
    return Unauthenticated("no_credential", "You are not signed in.", hint="Sign in at /session/login.")
