"""What stands before every route, as plain ASGI: bounded, unambiguous bodies, and an answer for our own faults."""

import logging
import secrets
import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agreements.canonical import parse_json
from agreements.errors import ConcordatError, Invalid, TooLarge
from portal.api.errors import Renderer, internal_error

logger = logging.getLogger(__name__)

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_FORM = "application/x-www-form-urlencoded"
_INLINE_JSON_BYTES: Final = 16 * 1024


class BodyGuard:
    """Reads each body whole before any route sees it: no larger than allowed, and JSON of only one reading.

    The size is refused as soon as it is passed, announced or not. JSON that two parsers could read differently (a name
    given twice, NaN, half a surrogate pair) or that is nested without end is refused with its own code.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        render: Renderer,
        takes_forms: bool = False,
        uploads: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """``uploads`` are the paths at which a multipart body may come, with how many bytes it may have there."""
        self._app = app
        self._max_bytes = max_bytes
        self._render = render
        self._takes_forms = takes_forms
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body already read, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            uploaded = self._uploads.get(scope["path"]) if _kind_of(headers) == _MULTIPART else None
            body = await self._read(headers, receive, self._max_bytes if uploaded is None else uploaded)
            if body is None:
                return
            if uploaded is None:
                await self._check(headers, body)
        except ConcordatError as refusal:
            await self._render(refusal)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive, most: int) -> bytes | None:
        """The whole body, or None where the client went away before its end."""
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > most:
            raise _too_large(most)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _check(self, headers: Headers, body: bytes) -> None:
        if not body:
            return
        kind = _kind_of(headers)
        if kind == _FORM and self._takes_forms:
            return
        if kind != _JSON:
            raise Invalid("not_json", "The body has to be JSON.", hint=f"Send it with 'Content-Type: {_JSON}'.")
        if len(body) <= _INLINE_JSON_BYTES:
            parse_json(body, self._max_bytes)
        else:
            await run_in_threadpool(parse_json, body, self._max_bytes)


def _kind_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(most: int) -> TooLarge:
    return TooLarge("body_too_large", f"The body is over the limit of {most:,} bytes.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body once, and after it whatever the server has to say, such as a disconnect."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class LastResort:
    """Names every request, and answers for what no handler foresaw: an incident number outside, a trace inside.

    The trace lists places in the code and the kind of the exception; its words may quote prompts or tokens, and stay
    out.
    """

    def __init__(
        self, app: ASGIApp, *, render: Renderer, new_id: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> None:
        self._app = app
        self._render = render
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; afterwards nothing but cancellation has escaped."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._new_id()
        started = False

        async def named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("x-request-id", request_id)
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
            frames = traceback.extract_tb(error.__traceback__)
            where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames[-12:]))
            logger.error("incident %s: %s at %s", request_id, type(error).__name__, where)  # noqa: TRY400 - as above
            if not started:
                await self._render(internal_error(request_id))(scope, receive, named)


class NoStore:
    """Marks an answer as nobody's to keep unless it says otherwise: what is confidential must not linger in caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the header added."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, marked)
