"""The headers by which the OpenAI API tells its clients what is left, and how long an answer took."""

import time
from collections.abc import Callable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agreements.access import Draw
from model_access.metering import Bound
from portal.composition import Portal


def limit_headers(portal: Portal, draws: Sequence[Draw]) -> dict[str, str]:
    """``x-ratelimit-*`` for what bounds these accounts: the tightest limit of requests, and that of tokens.

    A budget that never comes back has no ``reset``.
    """
    allowance = portal.runs.allowance(draws)
    return {**_headers("requests", allowance.requests), **_headers("tokens", allowance.tokens)}


def _headers(what: str, bound: Bound | None) -> dict[str, str]:
    if bound is None:
        return {}
    said = {f"x-ratelimit-limit-{what}": str(bound.limit), f"x-ratelimit-remaining-{what}": str(bound.remaining)}
    if bound.full_in_s is not None:
        said[f"x-ratelimit-reset-{what}"] = duration(bound.full_in_s)
    return said


def duration(seconds: float) -> str:
    """As the OpenAI API writes one: ``250ms``, ``1.5s``, ``6m0s``, ``26h3m20s``."""
    milliseconds = max(round(seconds * 1000), 0)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    said = f"{rest / 1000:g}s"
    if minutes or hours:
        said = f"{minutes}m{said}"
    return f"{hours}h{said}" if hours else said


class ProcessingTime:
    """Puts ``openai-processing-ms`` on every answer: until its first byte is sent."""

    def __init__(self, app: ASGIApp, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app, self._monotonic = app, monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the header added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._monotonic()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = round((self._monotonic() - began) * 1000)
                MutableHeaders(scope=message).setdefault("openai-processing-ms", str(took))
            await send(message)

        await self._app(scope, receive, timed)
