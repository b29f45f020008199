"""A browser at the portal's application: it keeps cookies, says where a request comes from, and follows nothing."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp

from portal.api.auth import SESSION_COOKIE

OWN = {"sec-fetch-site": "same-origin"}
"""What a browser says of a form on the portal's own page."""


class Browser:
    """One browser. Its clock does not run: a cookie goes when the portal takes it away."""

    def __init__(self, app: ASGIApp, base_url: str = "http://127.0.0.1:8765") -> None:
        self._app = app
        self._base_url = base_url
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        """Open an address."""
        return self.ask("GET", path, **kwargs)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
        """Send a form of the portal's own, unless ``headers`` say that it came from elsewhere."""
        return self.ask("POST", path, data=form, headers=OWN if headers is None else headers)

    def ask(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One request, answered; an exception that escapes the application fails the test."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=self._base_url, cookies=self.cookies) as client:
                return await client.request(method, path.removeprefix(self._base_url), **kwargs)

        answer = asyncio.run(send())
        for header in answer.headers.get_list("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            if "Max-Age=0" in header:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    @property
    def session(self) -> str | None:
        """The secret of the session it has."""
        return self.cookies.get(SESSION_COOKIE)

    def who(self) -> str | None:
        """Whom the portal takes it for, by id."""
        answer = self.get("/api/me")
        return answer.json()["actor"]["person_id"] if answer.status_code == 200 else None

    def refusal(self) -> str:
        """By which code the portal takes it for nobody."""
        answer = self.get("/api/me")
        assert answer.status_code == 401
        return str(answer.json()["code"])


def flags(answer: httpx.Response, name: str) -> dict[str, str]:
    """The attributes with which an answer sets a cookie, in small letters."""
    (header,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}=")]
    parts = (part.strip().partition("=") for part in header.split(";")[1:])
    return {key.lower(): value for key, _, value in parts}
