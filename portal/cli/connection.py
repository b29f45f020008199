"""The portal as commands reach it: over HTTP if one runs on the folder, else the same application in this process."""

import asyncio
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agreements.errors import (
    ConcordatError,
    Conflict,
    Fixer,
    Forbidden,
    Invalid,
    Limited,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    import httpx

    from portal.api.server import RunningPortal
    from portal.config import Settings

_REFUSALS: Mapping[int, type[ConcordatError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: Limited,
}
TOKEN_VARIABLE = "CONCORDAT_TOKEN"  # noqa: S105 - the name of a variable
"""Where an access token may stand, to act as the person it was issued to rather than as the operator."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - read, not listened on


class _Send(Protocol):
    def __call__(self, method: str, path: str, json: object, params: Mapping[str, Any]) -> "httpx.Response": ...


class Connection:
    """Calls of the portal's API as the operator, who acts as the first coordinator, or as an access token's owner."""

    def __init__(self, send: _Send) -> None:
        self._send = send

    def get(self, *path: str, **params: object) -> dict[str, Any]:
        """GET ``/api/…``. Raises the portal's refusal."""
        return self._object(self._call("GET", path, None, params))

    def post(self, *path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """POST ``/api/…``. Raises the portal's refusal."""
        return self._object(self._call("POST", path, body, {}))

    def put(self, *path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """PUT ``/api/…``. Raises the portal's refusal."""
        return self._object(self._call("PUT", path, body, {}))

    def fetch(self, *path: str, **params: object) -> bytes:
        """The bytes of a file at ``/api/…``. Raises the portal's refusal."""
        return self._call("GET", path, None, params).content

    def _call(self, method: str, path: tuple[str, ...], body: object, params: Mapping[str, object]) -> "httpx.Response":
        address = "/api/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
        response = self._send(method, address, body, {name: one for name, one in params.items() if one is not None})
        if response.is_error:
            raise _refusal(response)
        return response

    @staticmethod
    def _object(response: "httpx.Response") -> dict[str, Any]:
        answer = response.json()
        if not isinstance(answer, dict):
            raise Unavailable("bad_answer", "The portal's answer is no object.")
        return answer


@contextmanager
def connected(data: Path) -> Iterator[Connection]:
    """The portal of a data folder, running or not. Raises NotFound ``no_portal`` and what opening it raises."""
    from portal import config
    from portal.api.server import RunningPortal

    settings = config.load(data)
    running = RunningPortal.of(settings.data_dir)
    with _over_http(settings, running) if running else _in_process(settings) as connection:
        yield connection


@contextmanager
def _over_http(settings: "Settings", running: "RunningPortal") -> Iterator[Connection]:
    import httpx

    host = _ANY_ADDRESS.get(settings.host, settings.host)
    headers = {"authorization": f"Bearer {_credential(running.operator_secret)}"}
    # The portal is on this machine: an outgoing proxy in the environment has no part in reaching it.
    with httpx.Client(
        base_url=f"http://{host}:{running.port}", headers=headers, trust_env=False, timeout=httpx.Timeout(10, read=None)
    ) as client:

        def send(method: str, path: str, json: object, params: Mapping[str, Any]) -> httpx.Response:
            try:
                return client.request(method, path, json=json, params=params)
            except httpx.HTTPError as error:
                raise Unavailable(
                    "portal_unreachable",
                    f"The portal that is said to run at port {running.port} does not answer ({type(error).__name__}).",
                    hint=f"If none runs, remove {settings.data_dir / 'portal.json'} and try again.",
                ) from None

        yield Connection(send)


@contextmanager
def _in_process(settings: "Settings") -> Iterator[Connection]:
    import httpx

    from portal.api.auth import OperatorKey
    from portal.api.root import create_app
    from portal.composition import Portal

    secret = OperatorKey.new_secret()
    with Portal.open(settings) as portal:
        app = create_app(portal, with_screens=False, operator=OperatorKey(secret))

        async def ask(method: str, path: str, json: object, params: Mapping[str, Any]) -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url=f"http://127.0.0.1:{settings.port}",
                headers={"authorization": f"Bearer {_credential(secret)}"},
                timeout=None,  # noqa: S113 - nothing is on a wire here
            ) as client:
                return await client.request(method, path, json=json, params=params)

        def send(method: str, path: str, json: object, params: Mapping[str, Any]) -> httpx.Response:
            return asyncio.run(ask(method, path, json, params))

        yield Connection(send)


def _credential(operator_secret: str) -> str:
    """What the calls come with."""
    return os.environ.get(TOKEN_VARIABLE) or operator_secret


def _refusal(response: "httpx.Response") -> ConcordatError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return Unavailable("bad_answer", f"The portal answered with status {response.status_code} and no reason.")
    kind = _REFUSALS.get(response.status_code, Unavailable if response.is_server_error else Invalid)
    fixer = str(problem.get("fixer", ""))
    return kind(
        str(problem["code"]),
        str(problem.get("detail", "")),
        hint=str(problem.get("hint", "")),
        fixer=Fixer(fixer) if fixer in set(Fixer) else None,
        param=problem.get("param"),
    )
