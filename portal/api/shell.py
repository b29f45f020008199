"""The outermost layer: which host names are served, and headers that every answer carries."""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agreements.errors import Invalid
from portal.api.errors import problem_response

_DIRECTIVES: Final = (
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
CONTENT_SECURITY_POLICY: Final = "; ".join(_DIRECTIVES)
"""Nothing is fetched from another host, and no script runs but the portal's own; Streamlit sets styles inline."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class SecurityHeaders:
    """Adds what tells a browser to be careful to every answer."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = [
            (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            *([(b"strict-transport-security", b"max-age=31536000")] if https else []),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the headers added."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, marked if scope["type"] == "http" else send)


class HostCheck:
    """Serves requests that name this portal, and no others.

    A page elsewhere can make its own host name resolve to this machine; what it then asks for is refused here.
    """

    def __init__(self, app: ASGIApp, *, served: Collection[str]) -> None:
        """``served``: host names without ports, besides those of this machine itself."""
        self._app = app
        self._served = _LOOPBACK | {name.lower() for name in served}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its host is served."""
        if scope["type"] not in ("http", "websocket") or self._is_served(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "wrong_host"})
            return
        refusal = Invalid(
            "wrong_host",
            "This portal is not served under that host name.",
            hint="The operator names it in the setting base_url.",
        )
        await problem_response(refusal)(scope, receive, send)

    def _is_served(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or not port.isdigit():
            name = host
        return name.lower() in self._served
