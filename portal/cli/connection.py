"""The portal as commands reach it: over HTTP if one runs on the folder, else the same application in this process."""

import asyncio
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agreements.canonical import b64encode
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
    VerificationError,
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


Files = Mapping[str, tuple[str, bytes]]
"""Uploads of a multipart body by field: name and bytes."""


class _Send(Protocol):
    def __call__(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, Any] | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx.Response": ...


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

    def upload(self, *path: str, filename: str, content: bytes, **params: object) -> dict[str, Any]:
        """POST a file to ``/api/…``. Raises the portal's refusal."""
        return self._object(self._call("POST", path, None, params, {"file": (filename, content)}))

    def put(self, *path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """PUT ``/api/…``. Raises the portal's refusal."""
        return self._object(self._call("PUT", path, body, {}))

    def fetch(self, *path: str, **params: object) -> bytes:
        """The bytes of a file at ``/api/…``. Raises the portal's refusal.

        Raises VerificationError ``digest_mismatch`` where they are not those whose digest (RFC 9530) came with them.
        """
        response = self._call("GET", path, None, params)
        digest = response.headers.get("repr-digest")
        if digest is not None and digest != f"sha-256=:{b64encode(sha256(response.content).digest())}:":
            raise VerificationError(
                "digest_mismatch", "The file did not arrive as it was sent.", hint="Ask for it again."
            )
        return response.content

    def ask(self, *path: str, body: Mapping[str, object], purpose: str | None = None) -> dict[str, Any]:
        """POST ``/v1/…``; what ran a model is answered with its ``run_id`` beside. Raises the portal's refusal."""
        headers = {} if purpose is None else {"x-concordat-purpose": purpose}
        response = self._send("POST", "/v1/" + "/".join(path), json=body, headers=headers)
        if response.is_error:
            raise _refusal(response)
        answer, run_id = self._object(response), response.headers.get("x-concordat-run")
        return answer if run_id is None else {**answer, "run_id": run_id}

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        body: object,
        params: Mapping[str, object],
        files: Files | None = None,
    ) -> "httpx.Response":
        address = "/api/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
        given = {name: one for name, one in params.items() if one is not None}
        response = self._send(method, address, json=body, params=given, files=files)
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

        def send(method: str, path: str, **content: Any) -> httpx.Response:
            try:
                return client.request(method, path, **content)
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

        async def ask(method: str, path: str, **content: Any) -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url=f"http://127.0.0.1:{settings.port}",
                headers={"authorization": f"Bearer {_credential(secret)}"},
                timeout=None,  # noqa: S113 - nothing is on a wire here
            ) as client:
                return await client.request(method, path, **content)

        def send(method: str, path: str, **content: Any) -> httpx.Response:
            return asyncio.run(ask(method, path, **content))

        yield Connection(send)


def _credential(operator_secret: str) -> str:
    """What the calls come with."""
    return os.environ.get(TOKEN_VARIABLE) or operator_secret


def _refusal(response: "httpx.Response") -> ConcordatError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    of_the_model_api = problem.get("error") if isinstance(problem, dict) else None
    if isinstance(of_the_model_api, dict):
        problem = {**of_the_model_api, "detail": of_the_model_api.get("message", "")}
    if not isinstance(problem, dict) or "code" not in problem:
        return Unavailable("bad_answer", f"The portal answered with status {response.status_code} and no reason.")
    kind = _REFUSALS.get(response.status_code, Unavailable if response.is_server_error else Invalid)
    fixer = str(problem.get("fixer", ""))
    refusal = kind(
        str(problem["code"]),
        str(problem.get("detail", "")),
        hint=str(problem.get("hint", "")),
        fixer=Fixer(fixer) if fixer in set(Fixer) else None,
        param=problem.get("param"),
    )
    if isinstance(of_the_model_api, dict):
        # Its message ends with the hint, and a general one would say it again.
        refusal.hint = ""
    return refusal
