"""Refusals on the wire: one status per class of refusal, in the shape each family of routes promises.

``/api`` and everything else answers problem+json (RFC 9457), ``/v1`` the error object of the OpenAI API.
"""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

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
    Withdrawn,
)

STATUSES: Mapping[type[ConcordatError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Limited: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    VerificationError: HTTPStatus.BAD_REQUEST,
}
"""The one map from refusals to HTTP; a subclass goes by its nearest ancestor."""

_OWN_STATUSES = {
    "bad_input": HTTPStatus.UNPROCESSABLE_ENTITY,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "wrong_host": HTTPStatus.MISDIRECTED_REQUEST,
}
"""Codes whose status says more than that of their class."""

_OPENAI_TYPES: Mapping[type[ConcordatError], str] = {
    Unauthenticated: "authentication_error",
    Forbidden: "permission_error",
    Limited: "rate_limit_error",
    Unavailable: "server_error",
}

_UNAVAILABLE_RETRY_S = 5.0

ExceptionHandler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

Renderer = Callable[[ConcordatError], Response]
"""How a family of routes shows a refusal."""


class Problem(BaseModel):
    """A refusal (RFC 9457): ``code`` is stable, ``hint`` says what to do next, ``fixer`` who can clear it."""

    type: str = Field(examples=["urn:concordat:problem:grant_revoked"])
    title: str = Field(examples=["Forbidden"])
    status: int = Field(examples=[403])
    detail: str
    code: str = Field(examples=["grant_revoked"])
    hint: str = ""
    fixer: Fixer = Fixer.CALLER
    param: str | None = None
    """The input field at fault, where there is one."""
    reason: str | None = None
    """For ``access_withdrawn``: the code of the condition that failed while it ran."""


def status_of(error: ConcordatError) -> HTTPStatus:
    """The status a refusal is answered with."""
    own = _OWN_STATUSES.get(error.code)
    if own is not None:
        return own
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem_response(error: ConcordatError) -> Response:
    """The refusal as problem+json."""
    status = status_of(error)
    problem = Problem(
        type=f"urn:concordat:problem:{error.code}",
        title=status.phrase,
        status=status.value,
        detail=error.message,
        code=error.code,
        hint=error.hint,
        fixer=error.fixer,
        param=error.param,
        reason=_reason_of(error),
    )
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        status_code=status,
        headers=_headers(error, status),
        media_type="application/problem+json",
    )


def openai_body(error: ConcordatError) -> dict[str, Any]:
    """The refusal as the OpenAI API words one; what clients show is ``message``, so the hint is part of it."""
    kinds = (_OPENAI_TYPES[kind] for kind in type(error).__mro__ if kind in _OPENAI_TYPES)
    body = {
        "message": str(error),
        "type": next(kinds, "invalid_request_error"),
        "param": error.param,
        "code": error.code,
    }
    reason = _reason_of(error)
    return {"error": body if reason is None else {**body, "reason": reason}}


def _reason_of(error: ConcordatError) -> str | None:
    return error.reason if isinstance(error, Withdrawn) else None


def openai_response(error: ConcordatError) -> Response:
    """The refusal as the OpenAI API answers one."""
    status = status_of(error)
    headers = _headers(error, status)
    if isinstance(error, Limited) and error.retry_after_s is None:
        # The stock client repeats every 429 by itself; a spent budget does not come back by waiting.
        headers["x-should-retry"] = "false"
    return JSONResponse(openai_body(error), status_code=status, headers=headers)


def _headers(error: ConcordatError, status: HTTPStatus) -> dict[str, str]:
    headers = {"cache-control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = _challenge(error)
    if error.code == "insufficient_scope":
        headers["www-authenticate"] = 'Bearer realm="concordat", error="insufficient_scope"'
    wait = error.retry_after_s
    if wait is None and status is HTTPStatus.SERVICE_UNAVAILABLE:
        wait = _UNAVAILABLE_RETRY_S
    if wait is not None:
        headers["retry-after"] = str(max(ceil(wait), 1))
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = error.allow
    return headers


def _challenge(error: Unauthenticated) -> str:
    """RFC 6750 section 3, RFC 9449 section 7.1: no error code where no credential was sent at all."""
    if error.code in _ABOUT_PROOFS:
        kind = "invalid_token" if error.code == "proof_required" else "invalid_dpop_proof"
        return f'DPoP realm="concordat", error="{kind}", algs="Ed25519 ES256"'
    cause = "" if error.code == "no_credential" else ', error="invalid_token"'
    return f'Bearer realm="concordat"{cause}'


_ABOUT_PROOFS = frozenset({"proof_required", "invalid_proof", "proof_replayed"})


class MethodNotAllowed(Invalid):
    """The address exists, and not for this method."""

    def __init__(self, allow: str) -> None:
        super().__init__(
            "method_not_allowed", "This address does not take that method.", hint=f"It takes {allow}." if allow else ""
        )
        self.allow = allow


def as_refusal(error: Exception) -> ConcordatError:
    """What an error of the framework is to the caller; refusals stay as they are."""
    match error:
        case ConcordatError():
            return error
        case RequestValidationError():
            return _of_validation(error)
        case HTTPException():
            return _of_http(error)
        case _:
            raise error


def exception_handlers(render: Renderer) -> dict[int | type[Exception], ExceptionHandler]:
    """Handlers under which an application answers every foreseen error in one shape."""

    async def refuse(_request: Request, error: Exception) -> Response:
        return render(as_refusal(error))

    return {ConcordatError: refuse, RequestValidationError: refuse, HTTPException: refuse}


def _of_http(error: HTTPException) -> ConcordatError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("no_such_route", "There is nothing at this address.", hint="See /api/openapi.json.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed((error.headers or {}).get("Allow", ""))
    return Invalid("bad_request", "The request cannot be read.", hint="Check its body and its headers.")


def _of_validation(error: RequestValidationError) -> ConcordatError:
    # Only the place and the broken rule are repeated: what was sent may be confidential.
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(place) or None
    if first["type"] == "extra_forbidden":
        return Invalid("unknown_field", f"There is no field {param}.", hint="Leave it out.", param=param)
    return Invalid(
        "bad_input", f"{param or 'The body'}: {first['msg']}.", hint="Correct it and send it again.", param=param
    )


def internal_error(incident: str) -> ConcordatError:
    """What the caller learns of a fault of ours: a number to quote, and nothing of what went wrong."""
    return Unavailable(
        "internal_error",
        f"The portal failed at this request (incident {incident}).",
        hint="Tell the portal's operator the incident number; its log has the rest.",
    )
